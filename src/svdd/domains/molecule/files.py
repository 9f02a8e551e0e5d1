"""Files of molecules: designs as SDF and as a picture, poses as SDF."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from svdd.domains.molecule.lists import read_molecules as read_molecules

DRAWN, A_ROW, PIXELS = 24, 4, 300
"""Of the picture: molecules at most, molecules in a row, and the edge of each."""


def write_molecules(designs: Sequence[str], ids: Sequence[str], numbers: Mapping[str, Any], folder: Path) -> None:
    """Writes samples.sdf, every valid design drawn flat with its numbers, and samples.png, the best different ones.

    Args:
        designs: SMILES, empty where invalid.
        ids: a name for each.
        numbers: `reward` and every further score, one a design.
        folder: where to.

    Raises:
        ImportError: without RDKit; it names the extra.
    """
    molecules = [_flat(smiles) for smiles in designs]
    write_sdf(molecules, ids, numbers, folder / "samples.sdf")
    rows = best(designs, numbers["reward"], DRAWN)
    if rows:
        legends = [f"{ids[row]}\n{float(numbers['reward'][row]):.4g}" for row in rows]
        (folder / "samples.png").write_bytes(_picture([molecules[row] for row in rows], legends))


def best(designs: Sequence[str], rewards: Any, most: int) -> list[int]:
    """The rows of the different valid designs of highest reward, best first; those of equal reward in their order."""
    order = sorted(
        (-float(reward), row) for row, reward in enumerate(rewards) if designs[row] and math.isfinite(reward)
    )
    first: dict[str, int] = {}
    for _, row in order:
        if _flat(designs[row]) is not None:
            first.setdefault(designs[row], row)
        if len(first) == most:
            break
    return list(first.values())


def write_sdf(molecules: Sequence[Any], ids: Sequence[str], numbers: Mapping[str, Any], path: Path) -> None:
    """Writes molecules with their coordinates; each has its name, its numbers and its SMILES.

    Args:
        molecules: RDKit molecules; None is left out.
        ids: a name for each.
        numbers: columns, one number a molecule.
        path: the file.
    """
    from rdkit import Chem

    titles = {name: _title(name) for name in numbers}
    with Chem.SDWriter(str(path)) as writer:
        writer.SetProps([*titles.values(), "SMILES"])
        for row, (molecule, name) in enumerate(zip(molecules, ids, strict=True)):
            if molecule is None:
                continue
            written = Chem.Mol(molecule)
            written.SetProp("_Name", name)
            written.SetProp("SMILES", Chem.MolToSmiles(Chem.RemoveHs(molecule)))
            for column, title in titles.items():
                written.SetProp(title, f"{float(numbers[column][row]):.6g}")
            writer.write(written)


def _flat(smiles: str) -> Any:
    """A molecule with coordinates of a drawing, None for what is none."""
    from svdd.domains.molecule.chemistry import parsed

    molecule = parsed(smiles)
    if molecule is None:
        return None
    from rdkit import Chem
    from rdkit.Chem import rdDepictor

    drawn = Chem.Mol(molecule)
    rdDepictor.Compute2DCoords(drawn)
    return drawn


def _picture(molecules: Sequence[Any], legends: Sequence[str]) -> bytes:
    from rdkit.Chem.Draw import rdMolDraw2D

    rows = -(-len(molecules) // A_ROW)
    canvas = rdMolDraw2D.MolDraw2DCairo(A_ROW * PIXELS, rows * PIXELS, PIXELS, PIXELS)
    canvas.DrawMolecules(list(molecules), legends=list(legends))
    canvas.FinishDrawing()
    return bytes(canvas.GetDrawingText())


def _title(name: str) -> str:
    """A column's name as a file of molecules can have it."""
    return " ".join(name.replace("<", "(").replace(">", ")").split()) or "score"
