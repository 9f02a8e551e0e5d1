"""A network that reads a number off noisy images or latents: a value of the states of image diffusion."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from svdd.networks.bases import Scaled
from svdd.networks.regressors import check_time, time_embedding, with_time
from svdd.networks.sequences import check_sizes, pooled_head


class _Block(nn.Module):
    """Two convolutions around which the input passes, told of the time and the condition in between."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.before, self.after = nn.GroupNorm(1, channels), nn.GroupNorm(1, channels)
        self.spread = nn.Conv2d(channels, channels, 3, padding=1)
        self.told = nn.Linear(channels, channels)
        self.dropout = nn.Dropout2d(dropout)
        self.mix = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, hidden: Tensor, context: Tensor) -> Tensor:
        update = self.spread(functional.gelu(self.before(hidden))) + self.told(context)[..., None, None]
        return hidden + self.mix(self.dropout(functional.gelu(self.after(update))))


class ImageRegressor(Scaled):
    """Reads numbers off images or latents of any size, and off the condition that they are made under.

    The head sees the mean and the maximum over places.

    Args:
        features: Channels of a state.
        conditions: Rows of the table of conditions, 0 for states without.
        outputs: Numbers per state.
        channels: Width of the convolutions.
        levels: Blocks, each followed by halving height and width.
        dropout: Probability of dropping a hidden channel while training.
        timed: Whether `forward` takes the noise time.

    Raises:
        ValueError: If a size is not positive.
    """

    def __init__(
        self,
        features: int = 4,
        conditions: int = 0,
        outputs: int = 1,
        *,
        channels: int = 48,
        levels: int = 2,
        dropout: float = 0.0,
        timed: bool = False,
    ) -> None:
        check_sizes(features=features, outputs=outputs, channels=channels, levels=levels)
        super().__init__(locals())
        self.features, self.conditions, self.timed = features, conditions, timed
        self.stem = nn.Conv2d(features, channels, 3, padding=1)
        self.clock = time_embedding(channels) if timed else None
        self.table = nn.Embedding(conditions, channels) if conditions else None
        self.blocks = nn.ModuleList(_Block(channels, dropout) for _ in range(levels))
        self.halve = nn.ModuleList(nn.Conv2d(channels, channels, 3, stride=2, padding=1) for _ in range(levels))
        self.head = pooled_head(channels, outputs, dropout)

    def forward(self, states: Tensor | dict[str, Tensor], t: Tensor | None = None) -> Tensor:
        """Return outputs (n, outputs) for states and, of a timed network, times in [0, 1], one or n of them.

        The states are images or latents (n, features, H, W), or `latents` with a `condition` (n,) for each, which can be left
        out where there is only one.

        Raises:
            ValueError: If the states are others than it was made for, or `t` is missing or not wanted.
        """
        x, condition = (states["latents"], states["condition"]) if isinstance(states, dict) else (states, None)
        fits = self.conditions <= 1 if condition is None else self.conditions > 0
        if x.ndim != 4 or x.shape[1] != self.features or not fits:
            raise ValueError(
                f"the network reads states of {self.features} channels and one of {self.conditions} conditions, got "
                f"{tuple(x.shape)} {'without' if condition is None else 'with'} conditions"
            )
        check_time(t, self.timed)
        hidden = self.stem(x.to(self.stem.weight))
        context = hidden.new_zeros(1, hidden.shape[1])
        context = with_time(context, self.clock, t)
        if self.table is not None:
            context = context + self.table(x.new_zeros(len(x), dtype=torch.int64) if condition is None else condition)
        for block, halve in zip(self.blocks, self.halve, strict=True):
            hidden = halve(block(hidden, context))
        hidden = hidden.flatten(2)
        return self.in_units(self.head(torch.cat([hidden.mean(2), hidden.amax(2)], 1)))
