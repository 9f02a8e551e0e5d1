"""A network that reads a number off noisy molecular graphs: a value of the states of graph diffusion."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from svdd.networks.bases import Scaled
from svdd.networks.regressors import check_time, time_embedding, with_time
from svdd.networks.sequences import check_sizes


class _Passing(nn.Module):
    """One round of messages: each of several functions of a pair's number weighs what a neighbour sends."""

    def __init__(self, channels: int, kinds: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.weigh = nn.Sequential(nn.Linear(1, 16), nn.GELU(), nn.Linear(16, kinds))
        self.send = nn.Linear(channels, channels * kinds)
        self.mix = nn.Sequential(
            nn.Linear(2 * channels, channels), nn.GELU(), nn.Dropout(dropout), nn.Linear(channels, channels)
        )

    def forward(self, hidden: Tensor, adjacency: Tensor, pairs: Tensor) -> Tensor:
        n, nodes, channels = hidden.shape
        seen = self.norm(hidden)
        weights = self.weigh(adjacency[..., None]) * pairs[..., None]
        sent = self.send(seen).view(n, nodes, channels, -1)
        # the square root keeps the spread of a sum over neighbours, whose noise is independent
        received = torch.einsum("nijk,njck->nic", weights, sent) / pairs.sum(2, keepdim=True).clamp(min=1).sqrt()
        return hidden + self.mix(torch.cat([seen, received], 2))


class GraphRegressor(Scaled):
    """Reads numbers off graphs with real-valued node features and bonds.

    output = scale * network(graph, t) + shift

    where `scale` and `shift` are buffers set after training (the units of the target) and saved with the weights. Permuting
    the nodes changes nothing, and nodes without a flag are not read.

    Args:
        features: Numbers of a node.
        outputs: Numbers per graph.
        channels: Width of the hidden layers.
        rounds: Rounds of messages along pairs of nodes.
        kinds: Functions of a pair's number that weigh the messages.
        dropout: Probability of dropping a hidden number while training.
        timed: Whether `forward` takes the noise time.

    Raises:
        ValueError: If a size is not positive.
    """

    def __init__(
        self,
        features: int = 9,
        outputs: int = 1,
        *,
        channels: int = 64,
        rounds: int = 3,
        kinds: int = 4,
        dropout: float = 0.0,
        timed: bool = False,
    ) -> None:
        check_sizes(features=features, outputs=outputs, channels=channels, rounds=rounds, kinds=kinds)
        super().__init__(locals())
        self.features, self.timed = features, timed
        self.stem = nn.Linear(features, channels)
        self.clock = time_embedding(channels) if timed else None
        self.rounds = nn.ModuleList(_Passing(channels, kinds, dropout) for _ in range(rounds))
        self.head = nn.Sequential(
            nn.LayerNorm(2 * channels + 1),
            nn.Dropout(dropout),
            nn.Linear(2 * channels + 1, channels),
            nn.GELU(),
            nn.Linear(channels, outputs),
        )

    def forward(self, graphs: dict[str, Tensor], t: Tensor | None = None) -> Tensor:
        """Return outputs (n, outputs) for graphs and, of a timed network, times in [0, 1], one or n of them.

        The graphs are `x` (n, N, features), `adj` (n, N, N) and `flags` (n, N), 1 for nodes that are there.

        Raises:
            ValueError: If the graphs have other features, or `t` is missing or not wanted.
        """
        if graphs["x"].shape[-1] != self.features:
            raise ValueError(f"the network reads {self.features} features, got {tuple(graphs['x'].shape)}")
        check_time(t, self.timed)
        real = graphs["flags"].to(self.stem.weight)
        pairs = (
            real[:, :, None]
            * real[:, None]
            * (1 - torch.eye(real.shape[1], device="cpu", dtype=torch.float32).to(real))
        )
        hidden = self.stem(graphs["x"].to(real))
        hidden = functional.gelu(with_time(hidden, self.clock, t, of_axis=2))
        for one in self.rounds:
            hidden = one(hidden, graphs["adj"].to(real), pairs)
        return self.in_units(self.head(_pooled(hidden, real)))


def _pooled(hidden: Tensor, real: Tensor) -> Tensor:
    """The mean and the maximum over the nodes that are there, and the logarithm of how many they are."""
    number = real.sum(1, keepdim=True).clamp(min=1)
    mean = (hidden * real[..., None]).sum(1) / number
    top = hidden.masked_fill(real[..., None] == 0, -torch.inf).amax(1).nan_to_num(neginf=0.0)
    return torch.cat([mean, top, number.log()], 1)
