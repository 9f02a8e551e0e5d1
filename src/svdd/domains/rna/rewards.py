"""Rewards of RNA: oracles of ribosome load, free energy and pairing by ViennaRNA, and what stands before a start codon.

Every reward is a callable that takes a list of sequences (T counts as U) and returns one float32 number each.
"""

from collections.abc import Callable, Sequence

import numpy
import torch
from torch import Tensor

from svdd.cost.batches import FullBatches, rows_at_once
from svdd.domains.rna import folding
from svdd.domains.rna.measures import upstream_starts
from svdd.domains.sequence.alphabets import RNA
from svdd.domains.sequence.rewards import SequenceReward
from svdd.messages import check
from svdd.networks.regressors import ConvolutionalRegressor
from svdd.networks.sequences import SequenceClassifier, check_sizes
from svdd.networks.weight_files import load_network
from svdd.registry import bundled

SequenceFunction = Callable[[Sequence[str]], Tensor]

_KOZAK, _KOZAK_WEIGHT = "GCCRCC", (1.0, 1.0, 1.0, 3.0, 1.0, 1.0)


class RibosomeLoad:
    """Predicts the mean ribosome load of 5'UTRs with a network: ribosomes per mRNA.

    Args:
        network: Timeless network over A, C, G, U tokens.
        name: Name shown in reports.
        rows: Sequences per network call, so that a score does not depend on its company; what suits its device unless given.

    Raises:
        ValueError: If `rows` is not positive.
    """

    def __init__(self, network: ConvolutionalRegressor, *, name: str = "", rows: int | None = None) -> None:
        rows = rows_at_once(network.scale.device, network.length) if rows is None else rows
        check_sizes(rows=rows)
        self.network = network
        self.name = name
        self.batches = FullBatches(network, rows)

    def __call__(self, sequences: Sequence[str]) -> Tensor:
        """Return one float32 load per sequence, on the CPU, in the order given.

        Raises:
            ValueError: If a sequence has another length than the network's, or a foreign letter.
        """
        if not len(sequences):
            return torch.empty(0, device="cpu", dtype=torch.float32)
        RNA.check(sequences)
        for row, text in enumerate(sequences):
            if len(text) != self.network.length:
                raise ValueError(
                    f"{self.name or 'the network'} reads 5'UTRs of {self.network.length} letters, "
                    f"but sequence {row} has {len(text)}"
                )
        tokens = RNA.encode(sequences).to(self.network.scale.device)
        with torch.inference_mode():
            scores = self.batches(tokens)
        return scores[:, 0].float().cpu().clone()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def mrl(*, device: torch.device | str | None = None) -> RibosomeLoad:
    """Mean ribosome load of a 5'UTR of 50 letters (ribosomes per mRNA; the library spans 0 to 12, its mean is 6.5).

    A network's prediction of what was measured for a reporter (eGFP, HEK293T cells) whose start codon follows directly.
    """
    return _bundled("mrl-guide", "mrl", device)


def mrl_judge(*, device: torch.device | str | None = None) -> RibosomeLoad:
    """Mean ribosome load as of `mrl` (ribosomes per mRNA, 0 to 12), from a network trained on other 5'UTRs.

    Decode towards `mrl` and report `mrl_judge`: they share neither training rows nor shape, so a decoder that exploits
    the guide's errors shows as a gap between the two.
    """
    return _bundled("mrl-judge", "mrl-judge", device)


def stability(*, device: torch.device | str | None = None) -> SequenceReward:
    """Predicted chemical stability of an RNA (standard deviations of measured degradation, sign turned; about -3 to 3).

    reward(x) = -degradation(x), standardised over the 81-letter designs it was learned from: 0 is their mean, higher lasts
    longer. Any length runs, but other lengths than 81 (the 50 letters of `rna-utr` too) extrapolate.
    """
    network = load_network(bundled("rna-utr", "stability.safetensors"))
    assert isinstance(network, SequenceClassifier), "the bundled oracle is of this kind"
    return SequenceReward(network.to(device), name="stability", alphabet=RNA)


def free_energy() -> SequenceFunction:
    """Minimum free energy at 37 degrees (kcal/mol, at most 0): higher is less structured. Needs ViennaRNA.

    reward(x) = min_s E(x, s) over secondary structures s

    Raises:
        ImportError: If ViennaRNA is not installed.
    """
    folding.vienna()
    return lambda sequences: _scores(folding.minimum_free_energy(sequences)[1])


def ensemble_energy() -> SequenceFunction:
    """Free energy of all structures together, -RT log Z (kcal/mol, at most 0): higher is less structured.

    Needs ViennaRNA; below `free_energy` by the entropy of the ensemble, and smoother.

    Raises:
        ImportError: If ViennaRNA is not installed.
    """
    folding.vienna()
    return lambda sequences: _scores(folding.ensemble_energy(sequences))


def unpaired(last: int | None = None) -> SequenceFunction:
    """Mean probability that a letter is unpaired (0 to 1), over all letters or the last ones. Needs ViennaRNA.

    Args:
        last: How many letters before the start codon to look at; all unless given. All letters fold, whatever is read.

    Raises:
        ImportError: If ViennaRNA is not installed.
        ValueError: If `last` is below 1.
    """
    folding.vienna()
    check(last is None or last >= 1, f"last is a number of letters, at least 1, got {last}")
    return lambda sequences: _scores([chance[-(last or 0) :].mean() for chance in folding.unpaired(sequences)])


def structure_match(structure: str) -> SequenceFunction:
    """Mean probability that a letter is paired as in a wanted structure (0 to 1). Needs ViennaRNA.

    reward(x) = (1/L) sum_i P(i pairs with s_i, or with none where s_i is a dot): one less the ensemble defect.

    Args:
        structure: Dot-bracket notation, as long as the sequences.

    Raises:
        ImportError: If ViennaRNA is not installed.
        ValueError: If brackets do not match or are none; in use, if a sequence has another length.
    """
    folding.vienna()
    partner = _partners(structure)
    sites = numpy.arange(len(structure))

    def reward(sequences: Sequence[str]) -> Tensor:
        for row, text in enumerate(folding.as_rna(sequences)):
            if len(text) != len(structure):
                raise ValueError(
                    f"the structure has {len(structure)} sites, but sequence {row} has {len(text)} letters"
                )
        scores = []
        for chance in folding.pairing(sequences):
            paired = chance[sites, partner]
            scores.append(numpy.where(partner == sites, 1 - chance.sum(axis=1), paired).mean())
        return _scores(scores)

    return reward


def no_uaug() -> SequenceFunction:
    """Minus the number of AUG in the sequence, in any frame (a count, at most 0): 0 is free of upstream start codons."""
    return lambda sequences: _scores(-upstream_starts(sequences))


def kozak() -> SequenceFunction:
    """How well the last six letters fit GCCRCC, the context of vertebrate start codons (0 to 1), R being A or G.

    reward(x) = sum_i w_i [x_i fits] / sum_i w_i,   w = 3 at position -3 and 1 at the others

    The purine at -3 counts threefold because mutating it costs most translation; the weights are ours, not fitted. The
    letter after AUG, whose G matters too, belongs to the coding sequence and not to the design.

    References:
        Kozak, Nucleic Acids Research 15:8125, 1987; Kozak, Cell 44:283, 1986.
    """

    def reward(sequences: Sequence[str]) -> Tensor:
        return _scores([_kozak(text) for text in folding.as_rna(sequences)])

    return reward


def _kozak(text: str) -> float:
    if len(text) < len(_KOZAK):
        raise ValueError(f"the context of a start codon is {len(_KOZAK)} letters, but {text!r} has {len(text)}")
    fits = [found in ("AG" if wanted == "R" else wanted) for found, wanted in zip(text[-6:], _KOZAK, strict=True)]
    return sum(weight for weight, fit in zip(_KOZAK_WEIGHT, fits, strict=True) if fit) / sum(_KOZAK_WEIGHT)


def _partners(structure: str) -> numpy.ndarray:
    """Which letter each one pairs with, itself where with none."""
    partner, open_ = numpy.arange(len(structure)), []
    for site, symbol in enumerate(structure):
        if symbol == "(":
            open_.append(site)
        elif symbol == ")" and open_:
            other = open_.pop()
            partner[[site, other]] = other, site
        elif symbol != ".":
            raise ValueError(
                f"structure has {symbol!r} at position {site + 1} that opens or closes nothing; use ( ) and ."
            )
    check(structure and not open_, f"structure must be dots and matching brackets, got {structure!r}")
    return partner


def _scores(values: Sequence[float] | numpy.ndarray) -> Tensor:
    return torch.from_numpy(numpy.array(values, dtype=numpy.float32))


def _bundled(file: str, name: str, device: torch.device | str | None) -> RibosomeLoad:
    network = load_network(bundled("rna-utr", f"{file}.safetensors"))
    assert isinstance(network, ConvolutionalRegressor), "the bundled oracles are of this kind"
    return RibosomeLoad(network.to(device), name=name)
