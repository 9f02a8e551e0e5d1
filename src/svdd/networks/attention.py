"""A network with attention that reads a number off a whole token sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from svdd.networks.bases import Scaled
from svdd.networks.regressors import check_input, time_embedding, with_time
from svdd.networks.sequences import check_sizes


class TransformerRegressor(Scaled):
    """Reads numbers off sequences of one length with attention between all sites.

    output = scale * network(sequence, t) + shift

    with `scale` and `shift` as in `ConvolutionalRegressor`. A site is the sum of what its token, its place and the time
    stand for; the head sees the mean and the maximum over sites.

    Args:
        vocabulary: Number of clean tokens; token `vocabulary` is the mask.
        length: Sites.
        outputs: Numbers per sequence.
        width: Numbers per site, a multiple of `heads`.
        layers: Blocks of attention and a two-layer network.
        heads: Attention heads.
        dropout: Probability of dropping a hidden number while training.
        timed: Whether `forward` takes the noise time.

    Raises:
        ValueError: If a size is not positive or `heads` does not divide `width`.
    """

    def __init__(
        self,
        vocabulary: int = 4,
        length: int = 50,
        outputs: int = 1,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
        timed: bool = False,
    ) -> None:
        check_sizes(vocabulary=vocabulary, length=length, outputs=outputs, width=width, layers=layers, heads=heads)
        if width % heads:
            raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
        super().__init__(locals())
        self.vocabulary, self.length, self.timed = vocabulary, length, timed
        self.token = nn.Embedding(vocabulary + 1, width)
        self.place = nn.Parameter(torch.zeros(length, width))
        self.clock = time_embedding(width) if timed else None
        self.layers = nn.ModuleList(_AttentionBlock(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(2 * width)
        self.head = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, outputs))

    def forward(self, tokens: Tensor, t: Tensor | None = None) -> Tensor:
        """Return outputs (n, outputs) for tokens (n, L) and, of a timed network, times in [0, 1], one or n of them.

        Raises:
            ValueError: If the sequences have another length, or `t` is missing or not wanted.
        """
        check_input(tokens, t, self.length, self.timed)
        hidden = self.token(tokens) + self.place
        hidden = with_time(hidden, self.clock, t, of_axis=2)
        for layer in self.layers:
            hidden = layer(hidden)
        pooled = torch.cat([hidden.mean(1), hidden.amax(1)], 1)
        return self.in_units(self.head(self.norm(pooled)))


class _AttentionBlock(nn.Module):
    """Attention between all sites and a network at every site, each normalised before and added back."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.site = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.mix(self.before(hidden)).chunk(3, 2)
        )
        attended = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        hidden = hidden + self.out(attended)
        return hidden + self.site(self.after(hidden))
