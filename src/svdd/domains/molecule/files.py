"""Files of molecules: designs as SDF and as a picture, poses as SDF, and lists of SMILES that users give."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from svdd.messages import check
from svdd.user_files import text_of_file

DRAWN, A_ROW, PIXELS = 24, 4, 300
"""Of the picture: molecules at most, molecules in a row, and the edge of each."""
ENDINGS = (".smi", ".smiles", ".txt", ".csv", ".tsv")
"""Of files of SMILES, before `.gz`."""
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_COLUMNS = ("smiles", "sample", "mol", "molecule")


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


def is_molecule_file(text: str) -> bool:
    """Whether a text is the name of a file of molecules and no SMILES, which has no such ending."""
    return text.removesuffix(".gz").endswith(ENDINGS)


def read_molecules(path: Path) -> list[str]:
    """The SMILES of a file: the first word of every line, or a column of a table.

    Args:
        path: .smi, .smiles or .txt; or .csv or .tsv with a column `smiles`, also that of a run's samples.csv. Each also
            as .gz.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is a file of another kind, or there is no molecule in it.
    """
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    check(
        kind in ENDINGS,
        f"{path} is no file of SMILES: write the molecules as SMILES, one a line, into a file that ends in .smi, or as a "
        "table with a column smiles into one that ends in .csv or .tsv",
    )
    lines = io.StringIO(text_of_file(path))
    found = _column(lines, path, _SEPARATORS[kind]) if kind in _SEPARATORS else _words(lines)
    check(found, f"{path} holds no SMILES")
    return found


def _words(lines: Iterable[str]) -> list[str]:
    words = [line.split()[0] for line in lines if line.strip()]
    return words[1:] if words and words[0].lower() in _COLUMNS else words


def _column(lines: Iterable[str], path: Path, separator: str) -> list[str]:
    try:
        first, *rows = list(csv.reader(lines, delimiter=separator)) or [[]]
    except csv.Error as error:
        raise ValueError(f"{path} is not a table ({error})") from None
    titles = [title.strip().lower() for title in first]
    place = next((titles.index(name) for name in _COLUMNS if name in titles), None)
    if place is None:
        raise ValueError(f"{path} needs a column smiles, got {', '.join(titles) or 'no columns'}")
    return [row[place].strip() for row in rows if len(row) > place and row[place].strip()]


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
