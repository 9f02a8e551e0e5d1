"""The 5'UTR reporter library: reading it and splitting it by sequencing depth and at random.

The library is that of Sample et al. 2019 (Nature Biotechnology 37:803): 50 random letters before the start codon of eGFP,
each with the mean number of ribosomes measured on its mRNA. A user gets it from GEO, series GSE114002, sample GSM3130435
(a CSV with columns `utr`, `rl` and the reads), or as an npz with tokens `x` and loads `y`. Natural human 5'UTRs and their
variants, measured the same way, come from sample GSM3130443 or the authors' repository (columns `utr`, `hrl`, `mother`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import torch
from torch import Generator, Tensor

from svdd.domains.rna.model import LENGTH
from svdd.domains.sequence.alphabets import RNA

if TYPE_CHECKING:
    import pandas

__all__ = ["LENGTH", "LIBRARY_ROWS", "UtrData", "read_human", "read_utrs"]

LIBRARY_ROWS = 280_000
"""The published work keeps this many of the deepest-sequenced rows; so do we where the table has more."""

_TEST_SHARE, _VALIDATION_SHARE = 14, 40
_DEPTHS = ("total_reads", "total")


@dataclass(frozen=True)
class UtrData:
    """5'UTRs of one part of the split.

    Attributes:
        tokens: Sequences as int64 tokens, shape (n, 50), A C G U = 0 1 2 3.
        load: Measured mean ribosome load, ribosomes per mRNA, float32, shape (n,).
    """

    tokens: Tensor
    load: Tensor

    def __len__(self) -> int:
        return len(self.load)

    @property
    def sequences(self) -> list[str]:
        """The same sequences as text, in the letters A C G U."""
        return RNA.decode(self.tokens)

    def subset(self, index: Tensor) -> UtrData:
        """Return the rows that a boolean mask or an index tensor selects."""
        return UtrData(self.tokens[index], self.load[index])


def read_utrs(path: str | Path) -> dict[str, UtrData]:
    """Read the reporter library and split it.

    The rows are put in order of sequencing depth, the deepest first, where the table has a column `total_reads` or
    `total`; otherwise the order of the file is kept. The first fourteenth (20,000 of 280,000) is `test_deep`, as many
    rows drawn from the rest with a fixed seed are `test_random`, and the others fall at random into two halves.

    Args:
        path: The file, or a folder with one: an npz with `x` (n, 50) tokens of A C G T and `y` (n,) loads, or a CSV,
            gzipped or not, with columns `utr` and `rl`. Rows of another length or with other letters are dropped.

    Returns:
        The parts `test_deep`, `test_random`, `guide_train`, `guide_validation`, `judge_train`, `judge_validation`,
        `denoiser_train` (both training halves) and `denoiser_validation` (both validation parts).

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If it holds too few rows to fill every part.
    """
    library = _read_library(Path(path))
    test, rows = len(library) // _TEST_SHARE, len(library)
    half = (rows - 2 * test) // 2
    validation = half // _VALIDATION_SHARE
    if validation < 1:
        raise ValueError(f"{path} has {rows} usable rows, too few to split; at least 94 are needed")
    order = test + torch.randperm(rows - test, generator=Generator().manual_seed(0))
    index = {
        "test_deep": torch.arange(test),
        "test_random": order[:test],
        "guide_validation": order[test : test + validation],
        "guide_train": order[test + validation : test + half],
        "judge_validation": order[test + half : test + half + validation],
        "judge_train": order[test + half + validation :],
    }
    for part in ("train", "validation"):
        index[f"denoiser_{part}"] = torch.cat([index[f"guide_{part}"], index[f"judge_{part}"]])
    return {name: library.subset(selected) for name, selected in index.items()}


def read_human(path: str | Path) -> pandas.DataFrame | None:
    """Read natural human 5'UTRs with measured loads, None if the folder has no such table.

    Args:
        path: The file, or a folder with one: a CSV with columns `utr` and `hrl` (the load); others are kept.
    """
    for file in _tables(Path(path)):
        if {"utr", "hrl"} <= _columns(file):
            import pandas

            table = pandas.read_csv(file)
            return table[_usable(table["utr"])].reset_index(drop=True)
    return None


def _read_library(path: Path) -> UtrData:
    arrays = [path] if path.suffix == ".npz" else sorted(path.glob("*.npz"))
    for file in arrays:
        with numpy.load(file) as found:
            if {"x", "y"} <= set(found.files) and found["x"].shape[1:] == (LENGTH,):
                tokens = torch.from_numpy(found["x"].astype(numpy.int64))
                return UtrData(tokens, torch.from_numpy(found["y"].astype(numpy.float32)))
    for file in _tables(path):
        if {"utr", "rl"} <= _columns(file):
            return _from_table(file)
    raise FileNotFoundError(
        f"{path} has no library: an npz with x of shape (n, {LENGTH}) and y, or a CSV with columns utr and rl"
    )


def _tables(path: Path) -> list[Path]:
    return sorted(path.glob("*.csv*")) if path.is_dir() else [path] if ".csv" in path.name else []


def _columns(file: Path) -> set[str]:
    import pandas

    return set(pandas.read_csv(file, nrows=0).columns)


def _from_table(file: Path) -> UtrData:
    import pandas

    table = pandas.read_csv(file)
    table = table[_usable(table["utr"]) & table["rl"].notna()].drop_duplicates("utr")
    for depth in _DEPTHS:
        if depth in table:
            table = table.sort_values(depth, ascending=False, kind="stable").head(LIBRARY_ROWS)
            break
    sequences = table["utr"].tolist()
    tokens = RNA.encode(sequences) if sequences else torch.zeros(0, LENGTH, dtype=torch.long)
    return UtrData(tokens, torch.tensor(table["rl"].to_numpy(), dtype=torch.float32))


def _usable(utr: pandas.Series) -> pandas.Series:
    """Whether each text is 50 letters of RNA or DNA."""
    return utr.str.fullmatch(f"[ACGTUacgtu]{{{LENGTH}}}").fillna(False).astype(bool)
