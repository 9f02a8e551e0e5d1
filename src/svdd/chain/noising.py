r"""Noising: the forward kernels $q(x_t | x_0)$, by which a finished sample is noised again.

A `Noising` maps `(x_0, x_T, t, rng)` to x_t. What the noise of a chain never covers stays as it is: a site that is shown in
x_T, such as a letter of a template, is shown at every time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.rng import Rng
from svdd.chain.schedules import Schedule, Survival, scalar_for
from svdd.chain.tree import Tree

Noising: TypeAlias = Callable[[Tree, Tree, Tensor, Rng], Tree]


@dataclass(frozen=True)
class MaskedNoise:
    r"""Absorbing noise: a site that is masked in x_T is masked at t with probability $(1 - \alpha_t)/(1 - \alpha_T)$.

    Args:
        mask: the token of a masked site.
        survival: $\alpha_t$.
        start: T, the time of x_T.
    """

    mask: int
    survival: Survival
    start: float = 1.0

    def __call__(
        self, x_0: Int64[Tensor, "n ..."], x_T: Int64[Tensor, "n ..."], t: Float[Tensor, ""], rng: Rng
    ) -> Int64[Tensor, "n ..."]:
        covered = rng.uniform(x_0.shape, device=x_0.device) < self.share(t)
        return x_0.masked_fill(covered & (x_T == self.mask), self.mask)

    def share(self, t: Float[Tensor, ""]) -> float:
        """Of the sites that are masked in x_T, how many are masked at t."""
        most = 1 - float(self.survival(torch.tensor(self.start, dtype=torch.float64, device="cpu")))
        return (1 - float(self.survival(t))) / most


@dataclass(frozen=True)
class UniformNoise:
    r"""Uniform noise: with probability $1 - \alpha_t$ a site gets any of the V symbols, its own one too.

    Args:
        symbols: V.
        survival: $\alpha_t$.
    """

    symbols: int
    survival: Survival

    def __call__(
        self, x_0: Int64[Tensor, "n ..."], x_T: Int64[Tensor, "n ..."], t: Float[Tensor, ""], rng: Rng
    ) -> Int64[Tensor, "n ..."]:
        redrawn, symbol = rng.uniform((*x_0.shape, 2), dtype=torch.float64, device=x_0.device).unbind(-1)
        return torch.where(redrawn < 1 - float(self.survival(t)), (symbol * self.symbols).long(), x_0)


@dataclass(frozen=True)
class GaussianNoise:
    r"""Gaussian noise: $x_t = \alpha_t x_0 + \sigma_t \epsilon$; with `svdd.chain.straight` the path of a flow.

    Args:
        schedule: $(\alpha_t, \sigma_t)$.
    """

    schedule: Schedule

    def __call__(
        self, x_0: Float[Tensor, "n ..."], x_T: Float[Tensor, "n ..."], t: Float[Tensor, ""], rng: Rng
    ) -> Float[Tensor, "n ..."]:
        alpha, sigma = self.schedule(t)
        noise = rng.normal(x_0.shape, dtype=x_0.dtype, device=x_0.device)
        return scalar_for(x_0, alpha) * x_0 + scalar_for(x_0, sigma) * noise


@dataclass(frozen=True)
class ProductNoise:
    """Independent noise of the parts of one state, on one clock; a part without noise stays as it is.

    Args:
        parts: by name.
    """

    parts: Mapping[str, Noising]

    def __call__(self, x_0: dict[str, Tree], x_T: dict[str, Tree], t: Float[Tensor, ""], rng: Rng) -> dict[str, Tree]:
        return x_0 | {name: noising(x_0[name], x_T[name], t, rng) for name, noising in self.parts.items()}
