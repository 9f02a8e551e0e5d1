"""The library of miniproteins with measured stability: reading it and splitting it by families.

The library is that of Rocklin et al. 2017 (Science 357:168): computed designs of four folds, their scrambles and the single
mutants of 17 proteins, displayed on yeast and cut by proteases, as the TAPE benchmark keeps it. A family is a cluster at 30 %
identity, and lies in one part as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recipes.protein.tables import read_table
from svdd.domains.protein.model import LENGTH
from svdd.domains.sequence.alphabets import PROTEIN

if TYPE_CHECKING:
    import pandas

__all__ = [
    "LARGEST_FAMILY",
    "PARTS",
    "SCAN",
    "StabilityData",
    "family_weights",
    "in_large_family",
    "read_stability",
    "scans",
]

PARTS = ("guide", "judge", "test")
"""Of the column `part`: the guide's families, the judge's, and those that no network sees."""

LARGEST_FAMILY = 32
"""A mutational scan of hundreds of mutants is drawn as often as so many designs."""

SCAN = 500
"""Rows from which on a family is called large: those that hold the scan of a whole protein are."""

_COLUMNS = ("sequence", "stability", "part", "family")
_VALIDATION_SHARE, _VALIDATION_REST = 12, 6  # every twelfth family, none of those that hold a mutational scan


@dataclass(frozen=True)
class StabilityData:
    """Constructs of one part.

    Attributes:
        sequences: As strings of the twenty letters; lengths may differ.
        stability: Measured stability score, float32, shape (n,): log10 of the protease's EC50 over the one predicted for
            the unfolded chain.
        family: Number of each construct's cluster, int64, shape (n,).
    """

    sequences: list[str]
    stability: Tensor
    family: Tensor

    def __len__(self) -> int:
        return len(self.sequences)

    def subset(self, chosen: Tensor) -> StabilityData:
        """Return the rows that a boolean mask selects."""
        rows = chosen.nonzero().flatten()
        return StabilityData([self.sequences[row] for row in rows.tolist()], self.stability[rows], self.family[rows])

    def designs(self) -> StabilityData:
        """The different sequences of the model's length, each once."""
        first = {text: row for row, text in reversed(list(enumerate(self.sequences))) if len(text) == LENGTH}
        chosen = torch.zeros(len(self), dtype=torch.bool)
        chosen[list(first.values())] = True
        return self.subset(chosen)

    @property
    def lengths(self) -> list[int]:
        """The lengths that sequences have."""
        return sorted({len(text) for text in self.sequences})

    def of_length(self, length: int) -> StabilityData:
        """The rows of one length."""
        return self.subset(torch.tensor([len(text) == length for text in self.sequences]))

    @property
    def tokens(self) -> Tensor:
        """Tokens of sequences of one length, shape (n, L)."""
        return PROTEIN.encode(self.sequences)


def in_large_family(data: StabilityData, size: int = SCAN) -> Tensor:
    """Whether each row is of a family with at least so many rows, as those with a mutational scan are, shape (n,)."""
    _, family, sizes = data.family.unique(return_inverse=True, return_counts=True)
    return sizes[family] >= size


def scans(data: StabilityData, size: int = SCAN) -> list[list[int]]:
    """The rows of each mutational scan: in a large family the sequence with the most single mutants, and these.

    A large family in which no sequence has mutants by the hundred holds no scan.
    """
    found = []
    for number in data.family[in_large_family(data, size)].unique():
        rows = [
            row for row in (data.family == number).nonzero().flatten().tolist() if len(data.sequences[row]) == LENGTH
        ]
        tokens = PROTEIN.encode([data.sequences[row] for row in rows])
        near = torch.stack([(tokens != one).sum(1) <= 1 for one in tokens])
        mutants = near[near.sum(1).argmax()].nonzero().flatten().tolist()
        found.append([rows[place] for place in mutants])
    return [rows for rows in found if len(rows) >= size // 5]


def family_weights(data: StabilityData, largest: int = LARGEST_FAMILY) -> Tensor:
    """How often to draw each row, shape (n,): all equally, but a family no more often than so many rows of others."""
    _, family, sizes = data.family.unique(return_inverse=True, return_counts=True)
    return (largest / sizes[family]).clamp(max=1)


def read_stability(path: str | Path) -> dict[str, StabilityData]:
    """Read the library and split it.

    Args:
        path: A CSV, gzipped or not, with columns `sequence`, `stability`, `part` (guide, judge or test) and `family`; or a
            folder with one. Rows with other letters than the twenty, or without a number, are dropped.

    Returns:
        The parts `guide_train`, `guide_validation`, `judge_train`, `judge_validation` and `test`, and of their different
        sequences of 43 residues `denoiser_train`, `denoiser_validation` and `denoiser_test`. Validation is every twelfth
        family.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If a part would be empty, or a family lies in two parts.
    """
    table = read_table(Path(path), _COLUMNS)
    table = table[table["stability"].notna() & table["part"].isin(PARTS)]
    _check_families(table, path)
    parts = {"test": _part(table[table["part"] == "test"])}
    validation = table["family"] % _VALIDATION_SHARE == _VALIDATION_REST
    for role in ("guide", "judge"):
        parts[f"{role}_train"] = _part(table[(table["part"] == role) & ~validation])
        parts[f"{role}_validation"] = _part(table[(table["part"] == role) & validation])
    generated = table["part"] != "test"
    parts["denoiser_train"] = _part(table[generated & ~validation]).designs()
    parts["denoiser_validation"] = _part(table[generated & validation]).designs()
    parts["denoiser_test"] = parts["test"].designs()
    empty = [name for name, part in parts.items() if not len(part)]
    if empty:
        raise ValueError(f"{path} has no rows for: {', '.join(empty)}")
    return parts


def _check_families(table: pandas.DataFrame, path: str | Path) -> None:
    parts = table.groupby("family")["part"].nunique()
    if (parts > 1).any():
        raise ValueError(
            f"{path} has the family {parts.idxmax()} in {parts.max()} parts; a family must lie in one, or networks are "
            "tested on relatives of what they were trained on"
        )


def _part(rows: pandas.DataFrame) -> StabilityData:
    stability = torch.tensor(rows["stability"].to_numpy(), dtype=torch.float32)
    return StabilityData(
        rows["sequence"].tolist(), stability, torch.tensor(rows["family"].to_numpy(), dtype=torch.long)
    )
