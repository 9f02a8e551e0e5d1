"""Networks that read a number off a whole token sequence: oracles of clean sequences, values of noisy ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from svdd.networks.bases import Scaled
from svdd.networks.sequences import check_odd, check_sizes, one_hot, pooled_head

_WAVES = 4


class ConvolutionalRegressor(Scaled):
    """Reads numbers off sequences of one length with position-aware convolutions.

    output = scale * network(sequence, t) + shift

    where `scale` and `shift` are buffers set after training (the units of the target) and saved with the weights. Every
    site has its own learned offset and the head sees the sites in order, so a reading frame can matter.

    Args:
        vocabulary: Number of clean tokens; token `vocabulary` is the mask.
        length: Sites.
        outputs: Numbers per sequence.
        channels: Width of the convolutions.
        layers: Convolutions after the first.
        kernel: Odd width of the convolutions.
        bins: Equal stretches that sites are averaged over before the head; `length` or more keeps every site.
        hidden: Width of the head.
        dropout: Probability of dropping a hidden number while training.
        timed: Whether `forward` takes the noise time.

    Raises:
        ValueError: If a size is not positive or the kernel is even.
    """

    def __init__(
        self,
        vocabulary: int = 4,
        length: int = 50,
        outputs: int = 1,
        *,
        channels: int = 96,
        layers: int = 3,
        kernel: int = 7,
        bins: int = 50,
        hidden: int = 64,
        dropout: float = 0.0,
        timed: bool = False,
    ) -> None:
        check_sizes(vocabulary=vocabulary, length=length, outputs=outputs, channels=channels, layers=layers)
        check_sizes(bins=bins, hidden=hidden)
        check_odd(kernel=kernel)
        super().__init__(locals())
        self.vocabulary, self.length, self.timed = vocabulary, length, timed
        self.stem = nn.Conv1d(vocabulary + 1, channels, kernel, padding=kernel // 2)
        self.place = nn.Parameter(torch.zeros(channels, length))
        self.clock = time_embedding(channels) if timed else None
        self.layers = nn.ModuleList(nn.Conv1d(channels, channels, kernel, padding=kernel // 2) for _ in range(layers))
        self.bins = min(bins, length)
        inner, last = nn.Linear(channels * self.bins, hidden), nn.Linear(hidden, outputs)
        self.head = nn.Sequential(nn.Dropout(dropout), inner, nn.GELU(), nn.Dropout(dropout), last)

    def forward(self, tokens: Tensor, t: Tensor | None = None) -> Tensor:
        """Return outputs (n, outputs) for tokens (n, L) and, of a timed network, times in [0, 1], one or n of them.

        Raises:
            ValueError: If the sequences have another length, or `t` is missing or not wanted.
        """
        check_input(tokens, t, self.length, self.timed)
        hidden = self.stem(one_hot(tokens, self.vocabulary + 1, self.stem.weight)) + self.place
        hidden = functional.gelu(with_time(hidden, self.clock, t))
        for layer in self.layers:
            hidden = hidden + functional.gelu(layer(hidden))
        binned = functional.adaptive_avg_pool1d(hidden, self.bins) if self.bins < self.length else hidden
        return self.in_units(self.head(binned.flatten(1)))


class PooledRegressor(Scaled):
    """Reads numbers off sequences by what motifs they hold, wherever those are.

    output = scale * network(sequence, t) + shift

    with `scale` and `shift` as in `ConvolutionalRegressor`. One wide convolution finds motifs, and the head sees the mean
    and the maximum of each over the sequence.

    Args:
        vocabulary: Number of clean tokens; token `vocabulary` is the mask.
        length: Sites.
        outputs: Numbers per sequence.
        channels: Motifs.
        kernel: Odd width of a motif.
        stretch: Sites whose largest response counts as one.
        dropout: Probability of dropping a hidden number while training.
        timed: Whether `forward` takes the noise time.

    Raises:
        ValueError: If a size is not positive or the kernel is even.
    """

    def __init__(
        self,
        vocabulary: int = 4,
        length: int = 200,
        outputs: int = 1,
        *,
        channels: int = 96,
        kernel: int = 9,
        stretch: int = 4,
        dropout: float = 0.0,
        timed: bool = False,
    ) -> None:
        check_sizes(vocabulary=vocabulary, length=length, outputs=outputs, channels=channels, stretch=stretch)
        check_odd(kernel=kernel)
        super().__init__(locals())
        self.vocabulary, self.length, self.timed, self.stretch = vocabulary, length, timed, stretch
        self.stem = nn.Conv1d(vocabulary + 1, channels, kernel, padding=kernel // 2)
        self.clock = time_embedding(channels) if timed else None
        self.head = pooled_head(channels, outputs, dropout)

    def forward(self, tokens: Tensor, t: Tensor | None = None) -> Tensor:
        """Return outputs (n, outputs) for tokens (n, L) and, of a timed network, times in [0, 1], one or n of them.

        Raises:
            ValueError: If the sequences have another length, or `t` is missing or not wanted.
        """
        check_input(tokens, t, self.length, self.timed)
        hidden = self.stem(one_hot(tokens, self.vocabulary + 1, self.stem.weight))
        hidden = with_time(hidden, self.clock, t)
        # The largest response first: the activation is cheaper by the length of a stretch.
        hidden = functional.gelu(functional.max_pool1d(hidden, self.stretch, ceil_mode=True))
        return self.in_units(self.head(torch.cat([hidden.mean(2), hidden.amax(2)], 1)))


def time_embedding(channels: int) -> nn.Module:
    """From `waves` of the time to one offset a channel."""
    return nn.Sequential(nn.Linear(2 * _WAVES + 1, channels), nn.GELU(), nn.Linear(channels, channels))


def waves(t: Tensor) -> Tensor:
    """Features of times in [0, 1], shape (n, 9): the time itself, and sines and cosines of its multiples."""
    angles = t.reshape(-1, 1) * math.pi * 2.0 ** torch.arange(_WAVES, device=t.device, dtype=t.dtype)
    return torch.cat([t.reshape(-1, 1), angles.sin(), angles.cos()], dim=1)


def with_time(hidden: Tensor, clock: nn.Module | None, t: Tensor | None, of_axis: int = 1) -> Tensor:
    """Hidden numbers with what the time adds to each channel; as they are in a network without a time.

    Args:
        hidden: rows of channels.
        clock: a `time_embedding`, where the network has a time.
        t: times in [0, 1], one or as many as rows.
        of_axis: the axis of the channels.
    """
    if clock is None or t is None:
        return hidden
    added: Tensor = clock(waves(t.to(hidden)))
    shape = [1] * hidden.ndim
    shape[0], shape[of_axis] = added.shape
    return hidden + added.view(shape)


def check_input(tokens: Tensor, t: Tensor | None, length: int, timed: bool) -> None:
    """Raise if tokens or times are not what a network was made for."""
    if tokens.ndim != 2 or tokens.shape[1] != length:
        raise ValueError(f"the network reads {length} sites, got tokens of shape {tuple(tokens.shape)}")
    check_time(t, timed)


def check_time(t: Tensor | None, timed: bool) -> None:
    """Raise if a timed network is given no times, or another one is."""
    if timed != (t is not None):
        raise ValueError("the network needs times t" if timed else "the network takes no times t")
