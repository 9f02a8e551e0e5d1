"""Predicted structures: how the best designs of a run fold, if its reward folds them.

A reward offers them by a function `structures`: designs to one PDB text each, or None where a design cannot be folded. The
column of B-factors holds pLDDT, 0 to 100.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdd.decoding.result import Result
from svdd.domains.protein.inverse_folding.designs import best_rows
from svdd.domains.protein.pdb_text import models_text
from svdd.scoring.reward import able

FOLDED = 10
"""Designs, the best different ones, whose structures are kept."""


@dataclass(frozen=True)
class Structures:
    """The structures of the best designs.

    Args:
        ids: their names.
        sequences: their letters.
        pdb: their structures as PDB text; B-factors of predicted ones are pLDDT, 0 to 100.
        numbers: `reward` and every further score.
    """

    ids: list[str]
    sequences: list[str]
    pdb: list[str]
    numbers: Mapping[str, list[float]]

    def __len__(self) -> int:
        return len(self.ids)

    def save(self, path: Path) -> None:
        """Writes them as the models of one file, each with its name and numbers."""
        remarks = [
            " ".join([name, *(f"{title}={of[row]:.6g}" for title, of in self.numbers.items())])
            for row, name in enumerate(self.ids)
        ]
        path.write_text(models_text([_atoms(text) for text in self.pdb], remarks), encoding="utf-8")


def _atoms(pdb: str) -> str:
    """The lines of atoms and of ends of chains."""
    return "".join(f"{line}\n" for line in pdb.split("\n") if line.startswith(("ATOM", "TER")))


def structures_of(result: Result, reward: Any) -> Structures | None:
    """The structures of the best designs of a run, None unless its reward, or a component of it, folds sequences.

    Args:
        result: designs as sequences.
        reward: what guided. It folds if it has `structures`, a function of sequences to PDB texts or None.

    Cost:
        whatever `structures` takes for the 10 best different designs: one folding each.
    """
    folds = able(reward, "structures")
    if folds is None or not isinstance(result.samples, list):
        return None
    rows = best_rows(result.samples, result.rewards.tolist(), FOLDED)
    texts = folds.structures([result.samples[row] for row in rows])
    found = [(row, text) for row, text in zip(rows, texts, strict=True) if text is not None]
    if not found:
        return None
    columns = {"reward": result.rewards} | result.scores
    numbers = {name: [float(column[row]) for row, _ in found] for name, column in columns.items()}
    kept = [row for row, _ in found]
    return Structures(
        [result.ids[row] for row in kept], [result.samples[row] for row in kept], [text for _, text in found], numbers
    )
