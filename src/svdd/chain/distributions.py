"""Distributions: what a denoiser and a transition return.

One object holds `n` independent distributions, one a row. Returning a distribution instead of a sample is what lets
`m` candidates share one network call. A new state space needs four methods: `mode`, `sample`, `log_prob`, `__getitem__`.
Every distribution is a frozen dataclass and so a tree (`svdd.chain.tree`): it is gathered, chunked and cached like a state.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from svdd.chain.defaults import as_tensor
from svdd.chain.doubts import Doubt
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree, leaves, repeat, take, tree_map

D = TypeVar("D")


@runtime_checkable
class Distribution(Protocol):
    """`n` independent distributions over one state space."""

    def mode(self) -> Tree:
        """The point estimate of every row: (n, ...)."""

    def sample(self, m: int, rng: Rng) -> Tree:
        """`m` draws of every row, siblings adjacent: (n * m, ...)."""

    def log_prob(self, x: Tree) -> Float[Tensor, " n"]:
        """The log density or mass of row `i` of `x` under row `i`."""

    def __getitem__(self: D, index: Int64[Tensor, " r"]) -> D:
        """The rows `index`."""


def is_deterministic(distribution: Distribution) -> bool:
    """Whether every draw of a row is the same, so that candidates of one parent could not differ."""
    return bool(getattr(distribution, "deterministic", False))


class _Rows:
    """What every distribution here can do, since it is a tree: give some of its rows."""

    def __getitem__(self: D, index: Int64[Tensor, " r"]) -> D:
        return take(self, index)


def _row_sum(x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    return x.flatten(1).sum(1) if x.ndim > 1 else x


def _is_number(std: Tensor | float) -> bool:
    return not isinstance(std, Tensor) or (std.ndim == 0 and std.device.type == "cpu" and not std.requires_grad)


@dataclass(frozen=True)
class Normal(_Rows):
    """Independent normals with the given mean and standard deviation.

    Args:
        mean: (n, ...).
        std: a number, or a tensor that broadcasts against `mean` with one row or `n`.
    """

    mean: Float[Tensor, "n ..."]
    std: Float[Tensor, "..."] | float = 0.0
    _still: ClassVar[bool | None] = None  # whether std is known to be 0

    def __post_init__(self) -> None:
        """Gives `std` a leading axis of its own, so that rows of mean and std are gathered together."""
        std = self.std
        if self.mean.device.type != "cpu" and _is_number(std):  # filled in there, without a copy and a look at it
            object.__setattr__(self, "_still", float(std) == 0)
            std = self.mean.new_full((), float(std))
        std = torch.as_tensor(std, dtype=self.mean.dtype, device=self.mean.device)
        std = std.reshape(*[1] * (self.mean.ndim - std.ndim), *std.shape)
        object.__setattr__(self, "std", std.expand(len(self.mean), *std.shape[1:]))

    @property
    def deterministic(self) -> bool:
        return not bool(as_tensor(self.std).any()) if self._still is None else self._still

    def mode(self) -> Float[Tensor, "n ..."]:
        return self.mean

    def sample(self, m: int, rng: Rng) -> Float[Tensor, "..."]:
        mean = repeat(self.mean, m)
        noise = rng.normal(mean.shape, dtype=mean.dtype, device=mean.device)
        return mean + repeat(self.std, m) * noise

    def log_prob(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        normal = torch.distributions.Normal(self.mean, self.std, validate_args=False)
        return _row_sum(normal.log_prob(x))


_FEW = 8
"""Fewer tokens than this fill no vector register: one row after the other would be slow."""
_SOME = 128
"""Fewer rows than this are not worth a copy."""
_WHOLE = 64
"""Numbers side by side that fill vector registers without a rest, which torch would compute another way."""


def log_normalised(log_p: Float[Tensor, "*n V"]) -> Float[Tensor, "*n V"]:
    """`log_p.log_softmax(-1)`; of few tokens it is taken along another axis, several times faster.

    Every row has the bits that it has alone: how many rows there are must not decide what becomes of one.
    """
    vocabulary, rows = log_p.shape[-1], log_p.shape[:-1].numel()
    if vocabulary >= _FEW or rows < _SOME or log_p.dtype != torch.float32 or log_p.device.type != "cpu":
        return log_p.log_softmax(-1)
    columns, rest = log_p.reshape(rows, vocabulary).t(), -rows % _WHOLE
    whole = functional.pad(columns, (0, rest)) if rest else columns.contiguous()
    return whole.log_softmax(0)[:, :rows].t().view(log_p.shape)


def inverted(cdf: Float[np.ndarray, "k W"], u: Float[np.ndarray, "k m"]) -> Int64[np.ndarray, "k m"]:
    """The token at which each cumulative distribution passes numbers: how many of its entries are not above them."""
    if cdf.shape[-1] <= _FEW:
        return (np.ascontiguousarray(cdf.T)[..., None] <= u).sum(0)  # type: ignore[no-any-return]
    return torch.searchsorted(torch.from_numpy(cdf), torch.from_numpy(u), right=True).numpy()


@dataclass(frozen=True)
class Categorical(_Rows):
    """Independent tokens at every site.

    Args:
        log_p: (n, ..., V), log-probabilities up to a constant a site.
    """

    log_p: Float[Tensor, "n ... V"]

    def mode(self) -> Int64[Tensor, "n ..."]:
        return self.log_p.argmax(-1)

    def sample(self, m: int, rng: Rng) -> Int64[Tensor, "..."]:
        """Inverts the cumulative distribution: one uniform a site, the cumulative sum once a parent.

        Raises:
            ValueError: on the CPU, if some site forbids every token; elsewhere `forbidden` says so later.
        """
        log_p = self.log_p.float() if self.log_p.dtype.itemsize < 4 else self.log_p
        cdf = log_p.softmax(-1).cumsum(-1)
        if cdf.device.type == "cpu" and not bool(torch.isfinite(cdf[..., -1]).all()):
            raise all_forbidden(cdf[..., -1])
        n, sites = len(cdf), cdf.shape[1:-1]
        u = rng.uniform((n * m, *sites), dtype=cdf.dtype, device=cdf.device)
        u = u.reshape(n, m, *sites).movedim(1, -1).contiguous()
        drawn = torch.searchsorted(cdf / cdf[..., -1:], u, right=True)
        drawn = drawn if cdf.device.type == "cpu" else drawn.clamp(max=cdf.shape[-1] - 1)  # of NaN it is no token
        return drawn.movedim(-1, 1).reshape(n * m, *sites)

    def log_prob(self, x: Int64[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        return _row_sum(self.log_p.log_softmax(-1).gather(-1, x[..., None])[..., 0])


def all_forbidden(best: Float[Tensor, "n ..."]) -> ValueError:
    """What is raised for a site whose `best` token has no probability."""
    bad = (~torch.isfinite(best)).nonzero()[0].tolist()
    return ValueError(f"every token is forbidden (or a log-probability is NaN) at row, site {bad}")


@dataclass(frozen=True)
class Dirac(_Rows):
    """All mass on one state: what a denoiser that only gives E[x_0 | x_t] knows."""

    x: Tree
    deterministic: ClassVar[bool] = True

    def mode(self) -> Tree:
        return self.x

    def sample(self, m: int, rng: Rng) -> Tree:
        return repeat(self.x, m)

    def log_prob(self, x: Tree) -> Float[Tensor, " n"]:
        same = tree_map(lambda mine, theirs: (mine == theirs).reshape(len(mine), -1).all(1), self.x, x)
        return torch.where(torch.stack(leaves(same)).all(0), 0.0, -torch.inf)


@dataclass(frozen=True)
class Product(_Rows):
    """Independent parts of one state, such as the nodes and edges of a graph."""

    parts: dict[str, Distribution]

    @property
    def deterministic(self) -> bool:
        return all(map(is_deterministic, self.parts.values()))

    def mode(self) -> Tree:
        return {k: part.mode() for k, part in self.parts.items()}

    def sample(self, m: int, rng: Rng) -> Tree:
        return {k: part.sample(m, rng) for k, part in self.parts.items()}

    def log_prob(self, x: Tree) -> Float[Tensor, " n"]:
        return torch.stack([part.log_prob(x[k]) for k, part in self.parts.items()]).sum(0)


def forbidden(distribution: Distribution) -> list[Doubt]:
    """What may be wrong with its draws, for a device other than the CPU, where `sample` does not wait to find out."""
    if isinstance(distribution, Product):
        return [doubt for part in distribution.parts.values() for doubt in forbidden(part)]
    log_p = getattr(distribution, "log_p", None)
    if log_p is None:
        return []
    best = log_p.amax(-1)
    return [Doubt(~torch.isfinite(best).all(), lambda: all_forbidden(best))]
