"""Rewards that DNA, RNA and proteins share: a network's output, and composition.

Every reward is a callable that takes a list of sequences and returns one float32 number each.
"""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import groupby

import torch
from torch import Tensor

from svdd.cost.batches import FullBatches, rows_at_once
from svdd.domains.sequence.alphabets import DNA, Alphabet
from svdd.messages import check
from svdd.networks.bases import Scaled
from svdd.networks.sequences import check_sizes

_NUCLEOTIDES = Alphabet("ACGTU")


@dataclass(repr=False, eq=False)
class SequenceReward:
    """Scores sequences with one output of a classifier network.

    Args:
        network: Network over the alphabet's tokens.
        output: Which of its outputs is the reward.
        name: Name shown in reports.
        alphabet: What its tokens stand for.
        sites: Letters per network call, about, so that a score does not depend on its company; what suits the network's
            device unless given.

    Raises:
        ValueError: If the network has no such output or `sites` is not positive.
    """

    network: Scaled
    output: int = 0
    _: KW_ONLY
    name: str = ""
    alphabet: Alphabet = DNA
    sites: int | None = None
    _batches: dict[int, FullBatches] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.output < self.network.config["outputs"]:
            raise ValueError(f"output {self.output} of a network with {self.network.config['outputs']}")
        if self.sites is not None:
            check_sizes(sites=self.sites)

    def __call__(self, sequences: Sequence[str]) -> Tensor:
        """Return one float32 score per sequence, on the CPU, in the order given.

        Raises:
            ValueError: If a sequence is empty or holds a letter that is not in the alphabet.
        """
        scores = torch.empty(len(sequences), device="cpu", dtype=torch.float32)
        if not len(sequences):
            return scores
        self.alphabet.check(sequences)
        device = self.network.scale.device
        order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]))
        with torch.inference_mode():
            for length, group in groupby(order, key=lambda row: len(sequences[row])):
                rows = list(group)
                tokens = self.alphabet.encode([sequences[row] for row in rows]).to(device)
                scores[rows] = self.of_outputs(self._in_batches(length)(tokens).float()).cpu()
        return scores.clone()

    def of_outputs(self, outputs: Tensor) -> Tensor:
        """The score of each row of the network's outputs (n, outputs)."""
        return outputs[:, self.output]

    def _in_batches(self, length: int) -> FullBatches:
        at_once = max(1, self.sites // length) if self.sites else rows_at_once(self.network.scale.device, length)
        return self._batches.setdefault(at_once, FullBatches(self.network, at_once))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


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
        return -(torch.tensor(shares, dtype=torch.float32, device="cpu") - target).abs()

    return reward
