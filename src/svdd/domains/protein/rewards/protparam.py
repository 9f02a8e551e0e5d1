"""Physical and chemical numbers of proteins, by Biopython's ProtParam: charge, hydropathy, aromatic residues, instability.

Every reward is a callable that takes a list of sequences and returns one float32 number each. They look at residues and at
pairs of neighbours, not at a fold: none of them says how stable a protein is. With `target=` a number becomes the closeness to
it; without, higher is what the reward is led to.

References:
    Gasteiger et al., Protein identification and analysis tools on the ExPASy server, The Proteomics Protocols Handbook, 2005.
"""

import math
from collections.abc import Callable, Sequence
from operator import methodcaller
from typing import Any

import torch
from torch import Tensor

from svdd.domains.sequence.alphabets import PROTEIN
from svdd.messages import check, module_of


class ProtParamReward:
    r"""A number of each sequence, or the closeness of it to a target.

    reward(x) = f(x), or -|f(x) - target|

    Args:
        measure: ProtParam's analysis of a sequence to a number.
        target: the wanted number; None for as high as can be.

    Raises:
        ImportError: without Biopython; it names the extra.
        ValueError: for a target that is no finite number.
    """

    def __init__(self, measure: Callable[[Any], float], target: float | int | None = None) -> None:
        _protparam()
        check(target is None or math.isfinite(target), f"target is a finite number, got {target}")
        self.measure, self.target = measure, target

    def __call__(self, sequences: Sequence[str]) -> Tensor:
        """Return one float32 number per sequence, on the CPU, in the order given.

        Raises:
            ValueError: for an empty sequence, and for a letter outside the twenty.
        """
        PROTEIN.check(sequences)
        analysis = _protparam().ProteinAnalysis
        numbers = [self.measure(analysis(text.upper())) for text in sequences]
        found = torch.tensor(numbers, dtype=torch.float32, device="cpu")
        return found if self.target is None else -(found - self.target).abs()


def isoelectric_point(target: float | int | None = None) -> ProtParamReward:
    """Isoelectric point (pH, 4.05 to 12), where the net charge is 0: higher is more basic. Needs Biopython.

    Chains without a root in that range get its nearer end.

    Args:
        target: the wanted pH; the reward is then -|pI - target|, at most 0.

    Raises:
        ImportError: without Biopython.
        ValueError: for a target that is no finite number.

    References:
        Bjellqvist et al., Electrophoresis 14:1023, 1993; 15:529, 1994.
    """
    return ProtParamReward(methodcaller("isoelectric_point"), target)


def net_charge(ph: float | int = 7.0, target: float | int | None = None) -> ProtParamReward:
    """Net charge at a pH (elementary charges): higher is more positive. Needs Biopython.

    Side chains and both ends count, each by its pK value.

    Args:
        ph: of the solution, 0 to 14.
        target: the wanted charge; the reward is then -|charge - target|, at most 0.

    Raises:
        ImportError: without Biopython.
        ValueError: for a pH outside 0 to 14, and a target that is no finite number.

    References:
        Bjellqvist et al., Electrophoresis 14:1023, 1993.
    """
    check(0 <= ph <= 14, f"ph must lie between 0 and 14, got {ph}")
    return ProtParamReward(methodcaller("charge_at_pH", ph), target)


def gravy(target: float | int | None = None) -> ProtParamReward:
    """Mean hydropathy of the residues, GRAVY (-4.5 to 4.5): higher is more hydrophobic. Needs Biopython.

    Args:
        target: the wanted mean; the reward is then -|GRAVY - target|, at most 0.

    Raises:
        ImportError: without Biopython.
        ValueError: for a target that is no finite number.

    References:
        Kyte & Doolittle, J. Mol. Biol. 157:105, 1982.
    """
    return ProtParamReward(methodcaller("gravy"), target)


def aromaticity(target: float | int | None = None) -> ProtParamReward:
    """Share of aromatic residues, F, W and Y (0 to 1): higher is more aromatic. Needs Biopython.

    Args:
        target: the wanted share; the reward is then -|share - target|, at most 0.

    Raises:
        ImportError: without Biopython.
        ValueError: for a target that is no finite number.

    References:
        Lobry & Gautier, Nucleic Acids Res. 22:3174, 1994.
    """
    return ProtParamReward(methodcaller("aromaticity"), target)


def instability() -> ProtParamReward:
    """Instability index, sign turned (about -70 to -10): higher is better, and -40 is the line. Needs Biopython.

    The index sums weights of pairs of neighbours that were found in proteins of short life in cells; its authors call a
    protein with an index above 40 unstable. It does not follow the measured stability of miniproteins.

    Raises:
        ImportError: without Biopython.

    References:
        Guruprasad, Reddy & Pandit, Protein Eng. 4:155, 1990.
    """
    return ProtParamReward(_stability)


def _stability(analysis: Any) -> float:
    return -float(analysis.instability_index())


def _protparam() -> Any:
    return module_of("sequences", "Bio.SeqUtils.ProtParam", "numbers of proteins need Biopython")
