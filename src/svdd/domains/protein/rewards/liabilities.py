"""Liabilities: motifs of a sequence at which proteins, antibodies above all, are changed or fail in production.

A motif says where a change may happen. Whether it does depends on the fold, which nothing here looks at.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from svdd.domains.sequence.alphabets import PROTEIN
from svdd.messages import check, check_known
from svdd.scoring.reward import Derive

LIABILITIES: Mapping[str, str] = {
    "n_glycosylation": "N[^P][ST]",
    "deamidation": "N[GS]",
    "isomerisation": "D[GS]",
    "fragmentation": "DP",
    "oxidation": "[MW]",
    "unpaired_cysteine": "^[^C]*C(?:[^C]*C[^C]*C)*[^C]*$",  # an odd number of them, which counts once
    "repeats": r"(.)(?<!\1\1)\1{3}",  # the beginning of a run of four or more
}
"""What is counted by name, as regular expressions: each place where one matches, overlaps included."""


def liabilities(motifs: str | Sequence[str] = "", *more: str) -> "Liabilities":
    r"""Minus the number of liability motifs of a protein (a count, at most 0): higher is better.

    $r(x) = -\sum_m n_m(x)$

    over the motifs m of `LIABILITIES`; every $n_m$ is a column of the result. A cysteine counts only as far as the sequence
    alone tells that it is unpaired: once, where their number is odd.

    Args:
        motifs: names, such as `n_glycosylation,deamidation`; a list of them, or text with commas. All unless given.
        *more: further names.

    Raises:
        ValueError: for an unknown name.

    References:
        Sydow et al., Structure-based prediction of asparagine and aspartate degradation sites in antibody variable regions,
        PLoS ONE 9:e100736, 2014; Raybould & Deane, The Therapeutic Antibody Profiler, Methods Mol. Biol. 2313:115, 2022.
    """
    given = motifs.split(",") if isinstance(motifs, str) else motifs
    names = [name.strip() for name in (*given, *more) if name.strip()]
    for name in names:
        check_known("liability", name, LIABILITIES)
    return Liabilities(tuple(dict.fromkeys(names)) or tuple(LIABILITIES))


class Liabilities:
    """Minus the number of motifs; see `liabilities`.

    Args:
        motifs: names of `LIABILITIES`.
    """

    def __init__(self, motifs: tuple[str, ...]) -> None:
        check(motifs, "liabilities needs at least 1 motif to count, got none")
        self.motifs = motifs
        self.derived: Mapping[str, Derive] = {name: partial(_column, name) for name in motifs}

    def __call__(self, sequences: Sequence[str]) -> Tensor:
        """Return one float32 number per sequence, on the CPU, in the order given.

        Raises:
            ValueError: for an empty sequence, and for a letter outside the twenty.
        """
        PROTEIN.check(sequences)
        totals = [-sum(count(name, text) for name in self.motifs) for text in sequences]
        return torch.tensor(totals, dtype=torch.float32, device="cpu")


def count(name: str, sequence: str) -> int:
    """How often a motif of `LIABILITIES` is in a sequence.

    Args:
        name: of the motif.
        sequence: in either case.
    """
    return sum(1 for _ in re.finditer(f"(?={LIABILITIES[name]})", sequence.upper()))


def _column(name: str, designs: Sequence[str], columns: Mapping[str, list[Any]]) -> list[float]:
    return [float(count(name, design)) for design in designs]
