"""A small convolutional network over token sequences of one length that is told the time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from svdd.networks.bases import Configured
from svdd.networks.sequences import one_hot

_HARMONICS = 8


class _TimedBlock(nn.Module):
    """A dilated convolution shifted by the time, and a channel mix, added back."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.spread = nn.Conv1d(channels, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.time = nn.Linear(channels, channels)
        self.mix = nn.Conv1d(channels, channels, 1)

    def forward(self, hidden: Tensor, time: Tensor) -> Tensor:
        update = self.spread(self.norm(hidden)) + self.time(time)[:, :, None]
        return hidden + self.mix(functional.gelu(update))


class TimedSequenceDenoiser(Configured):
    """Predicts the clean token at every site of a sequence in which some tokens were replaced by others.

    Without masks nothing in a sequence says how much of it to believe, so the network is given the time. It also knows the
    place of each site, so it reads one length only.

    Args:
        vocabulary: Number of tokens.
        length: Sites of a sequence.
        channels: Width of the hidden layers.
        kernel: Odd width of the convolutions.
        dilations: One a block.
    """

    def __init__(
        self,
        vocabulary: int = 4,
        length: int = 50,
        channels: int = 48,
        *,
        kernel: int = 5,
        dilations: Sequence[int] = (1, 2, 4, 8),
    ) -> None:
        super().__init__(locals())
        self.vocabulary, self.length = vocabulary, length
        self.stem = nn.Conv1d(vocabulary, channels, kernel, padding=kernel // 2)
        self.place = nn.Parameter(torch.zeros(channels, length))
        self.clock = nn.Sequential(nn.Linear(2 * _HARMONICS, channels), nn.GELU(), nn.Linear(channels, channels))
        self.blocks = nn.ModuleList(_TimedBlock(channels, kernel, dilation) for dilation in dilations)
        self.norm = nn.GroupNorm(1, channels)
        self.head = nn.Conv1d(channels, vocabulary, 1)
        self.composition = nn.Parameter(torch.zeros(vocabulary, length))

    def forward(self, tokens: Tensor, t: Tensor) -> Tensor:
        """Return logits, shape (n, L, vocabulary), for tokens (n, L) at times t (n,) or (1,) between 0 and 1."""
        angle = math.pi * t[:, None] * torch.arange(1, _HARMONICS + 1, device=t.device)
        time = self.clock(torch.cat([angle.sin(), angle.cos()], 1))
        hidden = self.stem(one_hot(tokens, self.vocabulary, self.stem.weight)) + self.place
        for block in self.blocks:
            hidden = block(hidden, time)
        return (self.head(functional.gelu(self.norm(hidden))) + self.composition).transpose(1, 2)
