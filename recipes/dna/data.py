"""Cell-type-specific regulatory DNA: reading the tables and splitting them by chromosome.

The data are 200-bp DNase-accessible sites of the ENCODE index (Meuleman et al. 2020) that are
open in HepG2 and not in K562, or the reverse, as prepared by the DNA-Diffusion project. A user
gets them from the data folder of github.com/pinellolab/DNA-Diffusion, or cuts them from the
index itself (zenodo.org, record 3838751) and the genome.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from svdd.domains.sequence.alphabets import DNA

if TYPE_CHECKING:
    import pandas

__all__ = [
    "DENOISER_VALIDATION",
    "GUIDE",
    "GUIDE_VALIDATION",
    "JUDGE",
    "JUDGE_VALIDATION",
    "TEST",
    "EnhancerData",
    "read_enhancers",
]

TEST = ("chr8", "chr9", "chr18")
"""Chromosomes that no network sees."""

GUIDE = tuple(f"chr{number}" for number in (1, 3, 5, 7, 11, 13, 15, 17, 19, 21))
"""Chromosomes of the guide oracle: the odd ones."""

JUDGE = tuple(f"chr{name}" for name in (2, 4, 6, 10, 12, 14, 16, 20, 22, "X", "Y"))
"""Chromosomes of the judge oracle: the even ones and the sex chromosomes."""

GUIDE_VALIDATION = ("chr11",)
"""Chromosomes on which the guide oracle is selected and calibrated."""

JUDGE_VALIDATION = ("chr10",)
"""Chromosomes on which the judge oracle is selected and calibrated."""

DENOISER_VALIDATION = ("chr21", "chr22")
"""Chromosomes on which the denoiser's best checkpoint is selected."""

_HEPG2_COLUMN, _K562_COLUMN = "HepG2_ENCLB029COU", "K562_ENCLB843GMH"


@dataclass(frozen=True)
class EnhancerData:
    """Sites of one set of chromosomes.

    Attributes:
        tokens: Sequences as int64 tokens, shape (n, 200), A C G T = 0 1 2 3.
        label: 1.0 where the site is open in HepG2 only, 0.0 where in K562 only, shape (n,).
        signal: Base-10 logarithm of the summed DNase signal over all biosamples of the index,
            shape (n,); all NaN where the table has no `total_signal` column.
        sequences: The same sequences as strings.
    """

    tokens: Tensor
    label: Tensor
    signal: Tensor
    sequences: list[str]

    def __len__(self) -> int:
        return len(self.sequences)

    def subset(self, index: Tensor) -> EnhancerData:
        """Return the rows that a boolean mask or an index tensor selects."""
        rows = index.nonzero().flatten() if index.dtype == torch.bool else index
        sequences = [self.sequences[row] for row in rows.tolist()]
        return EnhancerData(self.tokens[rows], self.label[rows], self.signal[rows], sequences)


def read_enhancers(folder: str | Path) -> dict[str, EnhancerData]:
    """Read every table in a folder and split it by chromosome.

    Args:
        folder: Folder with CSV or TSV files, gzipped or not, that have the columns `sequence`
            and `chr`, and either `label` (1 for HepG2 only, 0 for K562 only) or the index's
            own 0/1 column of each cell line. `total_signal` is optional. Other tables in the
            folder are passed over.

    Returns:
        The parts `guide_train`, `guide_validation`, `judge_train`, `judge_validation`,
        `denoiser_train`, `denoiser_validation` and `test`.

    Raises:
        FileNotFoundError: If the folder holds no such table.
        ValueError: If a part would be empty.
    """
    table = _read_tables(Path(folder))
    guide, judge = set(GUIDE), set(JUDGE)
    chromosomes = {
        "guide_train": guide - set(GUIDE_VALIDATION),
        "guide_validation": set(GUIDE_VALIDATION),
        "judge_train": judge - set(JUDGE_VALIDATION),
        "judge_validation": set(JUDGE_VALIDATION),
        "denoiser_train": (guide | judge) - set(DENOISER_VALIDATION),
        "denoiser_validation": set(DENOISER_VALIDATION),
        "test": set(TEST),
    }
    parts = {name: _part(table, members) for name, members in chromosomes.items()}
    empty = [name for name, part in parts.items() if not len(part)]
    if empty:
        raise ValueError(f"{folder} has no rows on the chromosomes of: {', '.join(empty)}")
    return parts


def _read_tables(folder: Path) -> pandas.DataFrame:
    """Read and join the tables of a folder that have the needed columns."""
    import pandas

    tables = []
    for path in sorted(folder.glob("*.[ct]sv*")):
        table = pandas.read_csv(path, sep="\t" if ".tsv" in path.name else ",")
        if {_HEPG2_COLUMN, _K562_COLUMN} <= set(table.columns) and "label" not in table:
            table = table[table[_HEPG2_COLUMN] != table[_K562_COLUMN]]
            table = table.assign(label=table[_HEPG2_COLUMN].astype(float))
        if {"sequence", "chr", "label"} <= set(table.columns):
            signal = table["total_signal"] if "total_signal" in table else float("nan")
            tables.append(table.assign(signal=signal)[["sequence", "chr", "label", "signal"]])
    if not tables:
        raise FileNotFoundError(f"{folder} has no table with columns sequence, chr and label")
    return pandas.concat(tables, ignore_index=True).drop_duplicates("sequence")


def _part(table: pandas.DataFrame, chromosomes: set[str]) -> EnhancerData:
    rows = table[table["chr"].isin(chromosomes)]
    sequences = rows["sequence"].str.upper().tolist()
    tokens = DNA.encode(sequences) if sequences else torch.zeros(0, 0, dtype=torch.long)
    label = torch.tensor(rows["label"].to_numpy(), dtype=torch.float32)
    signal = torch.tensor(rows["signal"].to_numpy(), dtype=torch.float32).log10()
    return EnhancerData(tokens, label, signal, sequences)
