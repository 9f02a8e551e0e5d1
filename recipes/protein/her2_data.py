"""The CDR-H3 library of trastuzumab sorted for HER2 binding: reading it and splitting it by groups of residues.

The library is that of Mason et al. 2021 (Nat Biomed Eng 5:600): variants of the ten residues between `CSR` and `YWG`, displayed
by cells that were sorted for binding. A group is made of residues 2, 3, 6 and 7, and lies in one part as a whole.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recipes.protein.tables import read_table
from svdd.domains.protein.rewards.her2 import RESIDUES
from svdd.domains.sequence.alphabets import PROTEIN

if TYPE_CHECKING:
    import pandas

__all__ = ["PARTS", "BindingData", "read_binding"]

PARTS = ("guide", "judge", "test")
"""Of the column `part`: the guide's groups, the judge's, and those that no network sees."""

_COLUMNS = ("sequence", "binds", "part")
_GROUP = (1, 2, 5, 6)  # residues 2, 3, 6 and 7
_VALIDATION_SHARE = 10


@dataclass(frozen=True)
class BindingData:
    """Variants of one part.

    Attributes:
        sequences: Their ten residues.
        binds: Whether each was found among the binders, 1 or 0, float32, shape (n,).
    """

    sequences: list[str]
    binds: Tensor

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def tokens(self) -> Tensor:
        """Tokens, shape (n, 10)."""
        return PROTEIN.encode(self.sequences)


def read_binding(path: str | Path) -> dict[str, BindingData]:
    """Read the library and split it.

    Args:
        path: A CSV, gzipped or not, with columns `sequence` (ten residues), `binds` (0 or 1) and `part` (guide, judge or
            test); or a folder with one. Rows of other lengths or letters are dropped.

    Returns:
        The parts `guide_train`, `guide_validation`, `judge_train`, `judge_validation` and `test`. Validation is every tenth
        group, by a hash.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If a part would be empty or has one kind of label, or a group lies in two parts.
    """
    table = read_table(Path(path), _COLUMNS, f"{{{RESIDUES}}}")
    table = table[table["binds"].isin([0, 1]) & table["part"].isin(PARTS)]
    group = table["sequence"].map(lambda text: "".join(text[place] for place in _GROUP))
    parts_of = table.groupby(group)["part"].nunique()
    if (parts_of > 1).any():
        raise ValueError(f"{path} has the group {parts_of.idxmax()} in {parts_of.max()} parts; a group must lie in one")
    validation = group.map(lambda text: zlib.crc32(text.encode()) % _VALIDATION_SHARE == 0).astype(bool)
    chosen = {"test": table["part"] == "test"}
    for role in ("guide", "judge"):
        chosen[f"{role}_train"] = (table["part"] == role) & ~validation
        chosen[f"{role}_validation"] = (table["part"] == role) & validation
    parts = {name: _part(table[rows]) for name, rows in chosen.items()}
    poor = [name for name, part in parts.items() if len(part.binds.unique()) < 2]
    if poor:
        raise ValueError(f"{path} has no binders, or nothing else, for: {', '.join(poor)}")
    return parts


def _part(rows: pandas.DataFrame) -> BindingData:
    return BindingData(rows["sequence"].tolist(), torch.tensor(rows["binds"].to_numpy(), dtype=torch.float32))
