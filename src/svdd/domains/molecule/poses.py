"""Poses: how the best designs sit in the receptor that they were docked into."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from jaxtyping import Float
from numpy import ndarray

from svdd.decoding.result import Result
from svdd.domains.molecule.files import best, write_sdf
from svdd.scoring.reward import able

POSED = 10
"""Designs, the best different ones, whose poses are kept."""
NEAR = 5.0
"""Angstrom between a pose and the nearest atom of the residues that make the pocket."""
_ELEMENTS = {"A": "C", "NA": "N", "NS": "N", "OA": "O", "OS": "O", "SA": "S", "HD": "H", "HS": "H"}


@dataclass(frozen=True)
class Poses:
    """The best designs in their receptor.

    Args:
        ids: their names.
        molecules: RDKit molecules with a conformer where they bind.
        numbers: `reward` and every further score.
        pocket: PDB of the residues round them, empty if the receptor is not known.
    """

    ids: list[str]
    molecules: list[Any]
    numbers: Mapping[str, list[float]]
    pocket: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def save(self, path: Path) -> None:
        """Writes them as one SDF."""
        write_sdf(self.molecules, self.ids, self.numbers, path)


def poses_of(result: Result, reward: Any) -> Poses | None:
    """The poses of the best designs of a run, None unless its reward, or a component of it, can pose molecules.

    Args:
        result: designs as SMILES.
        reward: what guided. It can pose if it has `poses`, a function of SMILES to RDKit molecules or None; of its
            `receptor`, where it has one, `text` is PDBQT.

    Cost:
        whatever `poses` takes for the 10 best different designs: once more a docking each.
    """
    poser = able(reward, "poses")
    if poser is None or not isinstance(result.samples, list):
        return None
    rows = best(result.samples, result.rewards.tolist(), POSED)
    posed = zip(rows, poser.poses([result.samples[row] for row in rows]), strict=True)
    found = [(row, molecule) for row, molecule in posed if molecule is not None]
    if not found:
        return None
    ids, columns = result.ids, {"reward": result.rewards} | result.scores
    numbers = {name: [float(column[row]) for row, _ in found] for name, column in columns.items()}
    near = numpy.concatenate([molecule.GetConformer().GetPositions() for _, molecule in found[:3]])
    text = getattr(getattr(poser, "receptor", None), "text", "")
    return Poses([ids[row] for row, _ in found], [molecule for _, molecule in found], numbers, pocket(text, near))


def pocket(pdbqt: str, near: Float[ndarray, "n 3"]) -> str:
    """PDB of the residues, without hydrogens, that have an atom within 5 Angstrom of a position.

    Args:
        pdbqt: the receptor.
        near: positions, Angstrom.
    """
    atoms = [line for line in pdbqt.split("\n") if line.startswith(("ATOM", "HETATM"))]
    heavy = [(line, element) for line in atoms if (element := _element(line)) != "H"]
    places = positions("\n".join(line for line, _ in heavy))
    close = (numpy.linalg.norm(places[:, None] - near, axis=-1) < NEAR).any(1)
    residues = {line[17:27] for (line, _), yes in zip(heavy, close, strict=True) if yes}
    kept = [f"{line[:66]:<76}{element:>2}" for line, element in heavy if line[17:27] in residues]
    return "\n".join([*kept, "END", ""]) if kept else ""


def _element(line: str) -> str:
    kind = line[77:79].strip()
    return _ELEMENTS.get(kind, kind).upper()


def positions(pdb: str) -> Float[ndarray, "n 3"]:
    """Where the atoms of a PDB or PDBQT are, Angstrom."""
    lines = [line for line in pdb.split("\n") if line.startswith(("ATOM", "HETATM"))]
    places = [[float(line[start : start + 8]) for start in (30, 38, 46)] for line in lines]
    return numpy.array(places, dtype=float).reshape(-1, 3)
