"""Rewards of DNA sequences: enhancer oracles, composition and motif counts.

Every reward is a callable that takes a list of sequences and returns one float32 number each.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import groupby

import torch
from torch import Tensor

from svdd.cost.batches import in_full_batches
from svdd.domains.sequence.alphabets import DNA, Alphabet
from svdd.messages import check
from svdd.networks.sequences import SequenceClassifier, check_sizes
from svdd.networks.weight_files import load_network
from svdd.registry import bundled

_NUCLEOTIDES = Alphabet("ACGTU")
_COMPLEMENT = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")
_AMBIGUOUS = {
    **{letter: letter for letter in DNA.letters},
    **{"R": "[AG]", "Y": "[CT]", "S": "[CG]", "W": "[AT]", "K": "[GT]", "M": "[AC]"},
    **{"B": "[CGT]", "D": "[AGT]", "H": "[ACT]", "V": "[ACG]", "N": "[ACGT]"},
}


@dataclass(repr=False, eq=False)
class SequenceReward:
    """Scores sequences with one output of a classifier network.

    Args:
        network: Network over the alphabet's tokens.
        output: Which of its outputs is the reward.
        name: Name shown in reports.
        alphabet: What its tokens stand for.
        sites: Letters per network call, about; for one length always as many sequences, so that a score does not depend
            on its company. The default keeps activations in a core's cache.

    Raises:
        ValueError: If the network has no such output or `sites` is not positive.
    """

    network: SequenceClassifier
    output: int = 0
    _: KW_ONLY
    name: str = ""
    alphabet: Alphabet = DNA
    sites: int = 3200

    def __post_init__(self) -> None:
        if not 0 <= self.output < self.network.config["outputs"]:
            raise ValueError(f"output {self.output} of a network with {self.network.config['outputs']}")
        check_sizes(sites=self.sites)

    def __call__(self, sequences: Sequence[str]) -> Tensor:
        """Return one float32 score per sequence, on the CPU, in the order given.

        Raises:
            ValueError: If a sequence is empty or holds a letter that is not in the alphabet.
        """
        scores = torch.empty(len(sequences))
        if not len(sequences):
            return scores
        self.alphabet.check(sequences)
        device = self.network.scale.device
        order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]))
        with torch.inference_mode():
            for length, group in groupby(order, key=lambda row: len(sequences[row])):
                rows = list(group)
                tokens = self.alphabet.encode([sequences[row] for row in rows]).to(device)
                scored = in_full_batches(self.network, max(1, self.sites // length))(tokens)
                scores[rows] = scored[:, self.output].float().cpu()
        return scores.clone()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def hepg2(*, device: torch.device | str | None = None) -> SequenceReward:
    """Log-odds (nats; natural sites span -6 to 8) that a site is open in HepG2 and not in K562.

    reward(x) = log P(HepG2 only | x) - log P(K562 only | x)

    from a calibrated classifier of DNase-accessible sites. It predicts where chromatin is
    open; no reporter assay was used, so it does not measure enhancer activity.
    """
    return _bundled("hepg2-guide", "hepg2", device)


def hepg2_judge(*, device: torch.device | str | None = None) -> SequenceReward:
    """Log-odds as of `hepg2` (nats), from a network trained on other chromosomes.

    Decode towards `hepg2` and report `hepg2_judge`: the judge shares neither training sites
    nor architecture with the guide, so a decoder that exploits the guide's errors shows as a
    gap between the two.
    """
    return _bundled("hepg2-judge", "hepg2_judge", device)


def gc_content(target: float = 0.5) -> Callable[[Sequence[str]], Tensor]:
    """Closeness of the share of G and C of DNA or RNA to a target: -|GC - target|, between -1 and 0.

    Args:
        target: Wanted share of G and C, between 0 and 1.

    Raises:
        ValueError: If the target is not between 0 and 1.
    """
    check(0 <= target <= 1, f"target must lie between 0 and 1, got {target}")

    def reward(sequences: Sequence[str]) -> Tensor:
        _NUCLEOTIDES.check(sequences)
        shares = [sum(text.upper().count(letter) for letter in "GC") / len(text) for text in sequences]
        return -(torch.tensor(shares, dtype=torch.float32) - target).abs()

    return reward


def motif_count(motif: str) -> Callable[[Sequence[str]], Tensor]:
    """Number of places where a motif matches either strand, overlaps included, 0 or more.

    Args:
        motif: Consensus in IUPAC letters, such as `TGAYTCA` or `WGATAR`.

    Raises:
        ValueError: If the motif is empty or has a letter that IUPAC does not define.
    """
    strange = sorted(set(motif) - set(_AMBIGUOUS))
    check(motif and not strange, f"motif {motif!r} must be made of IUPAC letters; strange: {strange}")
    strands = {motif, motif.translate(_COMPLEMENT)[::-1]}
    bodies = "|".join("".join(_AMBIGUOUS[letter] for letter in strand) for strand in strands)
    pattern = re.compile(f"(?=(?:{bodies}))")

    def reward(sequences: Sequence[str]) -> Tensor:
        DNA.check(sequences)
        counts = [sum(1 for _ in pattern.finditer(text.upper())) for text in sequences]
        return torch.tensor(counts, dtype=torch.float32)

    return reward


def _bundled(file: str, name: str, device: torch.device | str | None) -> SequenceReward:
    network = load_network(bundled("dna-enhancer", f"{file}.safetensors"))
    assert isinstance(network, SequenceClassifier), "the bundled oracles are of this kind"
    return SequenceReward(network.to(device), name=name)
