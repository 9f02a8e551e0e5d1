"""An ensemble of small networks over token sequences: the mean is the guess, and the spread says how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from svdd.networks.bases import Scaled
from svdd.networks.sequences import SequenceClassifier, check_sizes


class SequenceEnsemble(Scaled):
    """Several `SequenceClassifier` of one shape that were trained for the same number.

    output_k = scale_k * member_k(sequence) + shift_k

    with `scale` and `shift` as in `SequenceClassifier`, one of each per member.

    Args:
        outputs: Members, each of which gives one number.
        shape: Sizes of a member: arguments of `SequenceClassifier`.

    Raises:
        ValueError: If there is no member, or a size is not positive.
    """

    def __init__(self, outputs: int = 5, *, shape: Mapping[str, Any]) -> None:
        check_sizes(outputs=outputs)
        super().__init__({"outputs": outputs, "shape": dict(shape)})
        self.members = nn.ModuleList(SequenceClassifier(**shape) for _ in range(outputs))
        self.vocabulary = self.members[0].vocabulary

    def forward(self, tokens: Tensor) -> Tensor:
        """Return each member's number, shape (n, outputs), for clean tokens (n, L)."""
        return self.in_units(torch.cat([member(tokens) for member in self.members], 1))
