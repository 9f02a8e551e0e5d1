r"""Noise schedules on $t \in [0, 1]$, from the clean end $t = 0$ to noise $t = 1$.

Continuous states: a `Schedule` maps $t$ to $(\alpha_t, \sigma_t)$ with $x_t = \alpha_t x_0 + \sigma_t \epsilon$; all here are
variance preserving, $\alpha_t^2 + \sigma_t^2 = 1$.
Discrete states: a `Survival` maps $t$ to $\alpha_t$, the chance that a token has not been touched by the noise.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

Time: TypeAlias = Float[Tensor, "..."]
Schedule: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]
Survival: TypeAlias = Callable[[Tensor], Tensor]


def scalar_for(x: Tensor, number: Time) -> Time:
    """`number` in the type of `x`, to compute with it: a single one stays on the CPU, where no device has to wait for it."""
    return number.to(x.dtype) if number.ndim == 0 and number.device.type == "cpu" else number.to(x)


def time_grid(
    steps: int, start: float = 1.0, end: float = 0.0, dtype: torch.dtype = torch.float64
) -> Float[Tensor, " T1"]:
    """`steps + 1` evenly spaced times from `start` down to `end`.

    Raises:
        ValueError: if there is no step, or time does not decrease.
    """
    if steps < 1 or not start > end:
        raise ValueError(f"need steps >= 1 and start > end, got steps={steps}, start={start}, end={end}")
    return torch.linspace(start, end, steps + 1, dtype=dtype, device="cpu")


def vp_linear(beta_min: float = 0.1, beta_max: float = 20.0) -> Schedule:
    r"""Linear rate: $\log \alpha_t = -\tfrac14 t^2 (\beta_{max} - \beta_{min}) - \tfrac12 t \beta_{min}$."""

    def schedule(t: Time) -> tuple[Time, Time]:
        log_alpha = -0.25 * t**2 * (beta_max - beta_min) - 0.5 * t * beta_min
        return log_alpha.exp(), (-torch.expm1(2 * log_alpha)).sqrt()

    return schedule


def vp_cosine(stretch: float = 0.999) -> Schedule:
    r"""Cosine: $\alpha_t = \cos(\mathrm{stretch} \cdot \pi t / 2)$; `stretch` below 1 keeps $\alpha_1 > 0$."""

    def schedule(t: Time) -> tuple[Time, Time]:
        angle = stretch * t * (math.pi / 2)
        return angle.cos(), angle.sin()

    return schedule


def from_alphas_cumprod(alphas_cumprod: Float[Tensor, " N"]) -> Schedule:
    r"""The schedule of a trained model: $\alpha_t = \sqrt{\bar\alpha_k}$ at $t = (k + 1) / N$, and 1 at $t = 0$.

    Raises:
        ValueError: if the values do not fall from at most 1 to above 0.
    """
    if not bool((alphas_cumprod.diff() <= 0).all() and 0 < alphas_cumprod[-1] <= alphas_cumprod[0] <= 1):
        raise ValueError("alphas_cumprod must fall within (0, 1], one value a training step")
    table = torch.cat([torch.ones_like(alphas_cumprod[:1]), alphas_cumprod])

    def schedule(t: Time) -> tuple[Time, Time]:
        index = (t * len(alphas_cumprod)).round().long().cpu()
        bar = table[index].to(t)
        return bar.sqrt(), (1 - bar).sqrt()

    return schedule


def masked_log_linear(smallest: float = 0.0) -> Survival:
    r"""$\alpha_t = 1 - (1 - \epsilon) t$; on it a masked token is revealed with probability $(t - s)/t$."""
    return lambda t: 1 - (1 - smallest) * t


def masked_cosine(smallest: float = 0.0) -> Survival:
    r"""$\alpha_t = \epsilon + (1 - \epsilon) \cos(\pi t / 2)$."""
    return lambda t: smallest + (1 - smallest) * (t * (math.pi / 2)).cos().clamp(min=0)


def geometric(sigma_min: float = 1e-4, sigma_max: float = 20.0) -> Survival:
    r"""$\alpha_t = e^{-\sigma(t)}$ with $\sigma(t) = \sigma_{min}^{1-t} \sigma_{max}^{t}$ (SEDD, uniform noise)."""
    return lambda t: (-(sigma_min ** (1 - t)) * sigma_max**t).exp()


def as_numbers(survival: Survival) -> Callable[[Tensor], float]:
    """The same as numbers of Python, computed once for each time of a grid."""
    known: dict[tuple[float, torch.dtype], float] = {}

    def level(t: Tensor) -> float:
        at = float(t), t.dtype
        if at not in known:
            known[at] = float(survival(t))
        return known[at]

    return level
