"""Rewards of DNA sequences: enhancer oracles and motif counts.

Every reward is a callable that takes a list of sequences and returns one float32 number each.
"""

import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.rewards import SequenceReward
from svdd.messages import check
from svdd.networks.sequences import SequenceClassifier
from svdd.networks.weight_files import load_network
from svdd.registry import bundled

_COMPLEMENT = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")
_AMBIGUOUS = {
    **{letter: letter for letter in DNA.letters},
    **{"R": "[AG]", "Y": "[CT]", "S": "[CG]", "W": "[AT]", "K": "[GT]", "M": "[AC]"},
    **{"B": "[CGT]", "D": "[AGT]", "H": "[ACT]", "V": "[ACG]", "N": "[ACGT]"},
}


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
        return torch.tensor(counts, dtype=torch.float32, device="cpu")

    return reward


def _bundled(file: str, name: str, device: torch.device | str | None) -> SequenceReward:
    network = load_network(bundled("dna-enhancer", f"{file}.safetensors"))
    assert isinstance(network, SequenceClassifier), "the bundled oracles are of this kind"
    return SequenceReward(network.to(device), name=name)
