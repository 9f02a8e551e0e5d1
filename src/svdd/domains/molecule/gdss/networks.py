r"""The score networks of GDSS: graphs with real-valued bonds in, one number a node feature and a pair out.

A graph has node features $h$ (B, n, F) and channels of symmetric pair features, kept for pairs i < j only: (B, C, P). One
graph convolution is $D^{-1/2} \tilde A D^{-1/2} h W + b$ with $\tilde A$ the channel with ones on its diagonal and
$D_i = \max(1, \sum_j \tilde A_{ij})$. Attention compares nodes by $\tanh$, without softmax. The networks are not told the time.

Every matrix product is of one graph, in blocks of memory that begin at a multiple of 64 bytes, and nothing depends on where in
a batch a graph is. So a graph's numbers are the same, to the last bit, beside whatever other graphs of its padded size.

References:
    Jo et al., Score-based generative modeling of graphs via the system of stochastic differential equations, arXiv 2202.02514.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

Weights = Mapping[str, Tensor]

WIDTH = 16
"""Of node features between layers, and of attention; node features of the input are padded to it."""
HEADS = 4
MULTIPLE = 4
"""Of nodes, so that blocks of n x n numbers are aligned."""
# Pairs, and nodes where a width is odd, are padded to a multiple of these.
_LANES = 16


@dataclass(frozen=True)
class Pairs:
    """Where the pairs i < j of n nodes are in an n x n matrix, read row by row; a few more stand in for padding.

    Args:
        n: nodes.
        upper: (P,), places (i, j).
        lower: (P,), places (j, i).
        spread: (n n,), of each place its pair, P on the diagonal.
    """

    n: int
    upper: Int64[Tensor, " P"]
    lower: Int64[Tensor, " P"]
    spread: Int64[Tensor, " Q"]

    def of(self, matrices: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch P"]:
        """What is above the diagonal."""
        return matrices.flatten(-2).index_select(-1, self.upper)

    def both(self, matrices: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch P"]:
        """The sum of what is above and below."""
        flat = matrices.flatten(-2)
        return flat.index_select(-1, self.upper).add_(flat.index_select(-1, self.lower))

    def matrices(self, pairs: Float[Tensor, "*batch P"], diagonal: float) -> Float[Tensor, "*batch n n"]:
        """Symmetric matrices with one number all along the diagonal."""
        padded = functional.pad(pairs, (0, 1), value=diagonal)
        return padded.index_select(-1, self.spread).unflatten(-1, (self.n, self.n))


@lru_cache(maxsize=128)
def pairs_of(n: int, device: torch.device) -> Pairs:
    """The pairs of n nodes."""
    i, j = torch.triu_indices(n, n, 1, device=device)
    padding = -len(i) % _LANES
    spread = torch.full((n, n), len(i) + padding, device=device)
    spread[i, j] = spread[j, i] = torch.arange(len(i), device=device)
    upper, lower = (functional.pad(place, (0, padding)) for place in (i * n + j, j * n + i))
    return Pairs(n, upper, lower, spread.flatten())


def _affine(weights: Weights, name: str) -> tuple[Tensor, Tensor]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _perceptron(weights: Weights, name: str) -> list[tuple[Tensor, Tensor]]:
    """Affine maps, in their order."""
    count = sum(key.startswith(f"{name}.linears.") and key.endswith(".weight") for key in weights)
    return [_affine(weights, f"{name}.linears.{i}") for i in range(count)]


def _elu(x: Tensor) -> Tensor:
    """Torch's own rounds the last few numbers of a tensor in another way than the rest."""
    return torch.maximum(x, x.clamp(max=0).expm1_())


def _of_rows(maps: Sequence[tuple[Tensor, Tensor]], rows: Float[Tensor, "B r d"]) -> Float[Tensor, "B r e"]:
    """ELU between affine maps of the rows."""
    for number, (weight, bias) in enumerate(maps):
        rows = _elu(rows) if number else rows
        rows = torch.baddbmm(bias, rows, weight.T.expand(len(rows), -1, -1))
    return rows


def _of_columns(maps: Sequence[tuple[Tensor, Tensor]], columns: Float[Tensor, "B d r"]) -> Float[Tensor, "B e r"]:
    """ELU between affine maps of the columns."""
    for number, (weight, bias) in enumerate(maps):
        columns = _elu(columns) if number else columns
        columns = torch.baddbmm(bias[:, None], weight.expand(len(columns), -1, -1), columns)
    return columns


def _of_nodes(
    maps: Sequence[tuple[Tensor, Tensor]], seen: Sequence[Tensor], flags: Float[Tensor, "B n"]
) -> Float[Tensor, "B n F"]:
    """What the last affine maps say of all features of a node; rows are padded, so that blocks of any width are aligned."""
    rows = functional.pad(torch.cat([*seen], -1), (0, 0, 0, -flags.shape[1] % _LANES))
    return _of_rows(maps, rows)[:, : flags.shape[1]] * flags[:, :, None]


def _wide(x: Float[Tensor, "B n F"]) -> Float[Tensor, "B n d"]:
    return functional.pad(x, (0, WIDTH - x.shape[-1]))


def _widened(weight: Float[Tensor, "F e"]) -> Float[Tensor, "d e"]:
    """Of a graph convolution, for node features padded with zeros."""
    return functional.pad(weight, (0, 0, 0, WIDTH - len(weight)))


def _convolved(
    h: Float[Tensor, "B n d"], adjacency: Float[Tensor, "B C n n"], weight: Float[Tensor, "C d e"], bias: Tensor
) -> Float[Tensor, "B C n e"]:
    """One graph convolution a channel; the diagonals are ones."""
    scale = adjacency.sum(-1, keepdim=True).clamp_(min=1).rsqrt_()
    mixed = (adjacency @ (scale * h[:, None])).mul_(scale)
    return (mixed @ weight).add_(bias)


class Layer:
    r"""C channels to C': attention on every channel, then new node features and new channels.

    Args:
        weights: of the network, named as in the published files.
        name: of the layer in it.
        nodes: whether new node features are wanted; their weights are not read otherwise.
        edges: whether new channels are wanted.
    """

    def __init__(self, weights: Weights, name: str, nodes: bool = True, edges: bool = True) -> None:
        self.nodes, self.edges = nodes, edges
        kinds = ["q", "k"] * edges + ["v"] * nodes
        channels = len({key.split(".")[3] for key in weights if key.startswith(f"{name}.attn.")})
        parts = [[_affine(weights, f"{name}.attn.{c}.gnn_{kind}") for kind in kinds] for c in range(channels)]
        self.weight = torch.stack([_widened(torch.cat([weight for weight, _ in part], 1)) for part in parts])
        self.bias = torch.stack([torch.cat([bias for _, bias in part]) for part in parts])[:, None]
        if edges:
            self._fold(_perceptron(weights, f"{name}.mlp"), channels)
        if nodes:
            self.node_maps = _perceptron(weights, f"{name}.multi_channel")

    def _fold(self, maps: list[tuple[Tensor, Tensor]], channels: int) -> None:
        """Puts the powers of two of the attention and of A' = M + M' into the weights, which changes no bit."""
        self.weight[..., :WIDTH] /= math.sqrt(WIDTH)
        self.bias[..., :WIDTH] /= math.sqrt(WIDTH)
        first, last = maps[0], maps[-1]
        unit = torch.ones_like(first[0][0])
        unit[:channels] = 1 / (2 * HEADS)
        self.pair_maps = [(first[0] * unit, first[1]), *maps[1:-1], (2 * last[0], 2 * last[1])]

    def __call__(
        self, h: Float[Tensor, "B n d"], channels: Float[Tensor, "B C P"], mask: Float[Tensor, "B 1 P"], pairs: Pairs
    ) -> tuple[Float[Tensor, "B n e"], Float[Tensor, "B D P"]]:
        parts = _convolved(h, pairs.matrices(channels, 1.0), self.weight, self.bias).split(WIDTH, -1)
        if self.edges:
            query, key = (part.unflatten(-1, (HEADS, -1)).transpose(2, 3) for part in parts[:2])
            attention = pairs.both((query @ key.transpose(-1, -2)).tanh_().sum(2))
            channels = _of_columns(self.pair_maps, torch.cat([attention, channels], 1)).mul_(mask)
        if self.nodes:
            h = _of_rows(self.node_maps, parts[-1].transpose(1, 2).flatten(2)).tanh_()
        return h, channels


def _powers(adjacency: Float[Tensor, "B n n"], pairs: Pairs) -> Float[Tensor, "B 2 P"]:
    return torch.stack([pairs.of(adjacency), pairs.of(adjacency @ adjacency)], 1)


def _both_real(flags: Float[Tensor, "B n"], pairs: Pairs) -> Float[Tensor, "B 1 P"]:
    return pairs.of(flags[:, :, None] * flags[:, None])[:, None]


def _number_of_layers(weights: Weights) -> int:
    return len({key.split(".")[1] for key in weights if key.startswith("layers.")})


class ScoreNetworkA:
    """One number a pair, symmetric with zero diagonal, from all channels of all layers.

    Args:
        weights: named as in the published files.
    """

    def __init__(self, weights: Weights) -> None:
        last = _number_of_layers(weights) - 1
        self.layers = [Layer(weights, f"layers.{i}", nodes=i < last) for i in range(last + 1)]
        self.final = _perceptron(weights, "final")

    def __call__(
        self, x: Float[Tensor, "B n F"], adjacency: Float[Tensor, "B n n"], flags: Float[Tensor, "B n"]
    ) -> Float[Tensor, "B n n"]:
        pairs = pairs_of(x.shape[1], x.device)
        h, channels, mask = _wide(x), _powers(adjacency, pairs), _both_real(flags, pairs)
        seen = [channels]
        for layer in self.layers:
            h, channels = layer(h, channels, mask, pairs)
            seen.append(channels)
        numbers = _of_columns(self.final, torch.cat(seen, 1)) * mask
        return pairs.matrices(numbers[:, 0], 0.0)


class ScoreNetworkX:
    """One number a node feature: two graph convolutions on the bonds themselves.

    Args:
        weights: named as in the published files.
    """

    def __init__(self, weights: Weights) -> None:
        layers = [_affine(weights, f"layers.{i}") for i in range(_number_of_layers(weights))]
        self.layers = [(_widened(weight)[None], bias) for weight, bias in layers]
        self.final = _perceptron(weights, "final")

    def __call__(
        self, x: Float[Tensor, "B n F"], adjacency: Float[Tensor, "B n n"], flags: Float[Tensor, "B n"]
    ) -> Float[Tensor, "B n F"]:
        pairs = pairs_of(x.shape[1], x.device)
        looped = pairs.matrices(pairs.of(adjacency), 1.0)[:, None]
        h, seen = _wide(x), [x]
        for weight, bias in self.layers:
            h = _convolved(h, looped, weight, bias)[:, 0].tanh()
            seen.append(h)
        return _of_nodes(self.final, seen, flags)


class ScoreNetworkX_GMH:
    """One number a node feature: two layers of attention.

    Args:
        weights: named as in the published files.
    """

    def __init__(self, weights: Weights) -> None:
        last = _number_of_layers(weights) - 1
        self.layers = [Layer(weights, f"layers.{i}", edges=i < last) for i in range(last + 1)]
        self.final = _perceptron(weights, "final")

    def __call__(
        self, x: Float[Tensor, "B n F"], adjacency: Float[Tensor, "B n n"], flags: Float[Tensor, "B n"]
    ) -> Float[Tensor, "B n F"]:
        pairs = pairs_of(x.shape[1], x.device)
        h, channels, mask = _wide(x), _powers(adjacency, pairs), _both_real(flags, pairs)
        seen = [x]
        for layer in self.layers:
            h, channels = layer(h, channels, mask, pairs)
            h = h.tanh()  # twice: once in the layer, and once more
            seen.append(h)
        return _of_nodes(self.final, seen, flags)
