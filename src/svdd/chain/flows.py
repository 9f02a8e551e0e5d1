r"""Flows: velocity networks on the straight path $x_t = (1 - t) x_0 + t \epsilon$, and random steps for them.

A flow's own step, Euler's step of its ODE, draws nothing, so candidates of one parent would be equal. The steps here add
noise: `cps` and `flow_posterior` keep what is left of it at $t$ on the path, `flow_sde` follows the Langevin form of the ODE.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.chain.denoisers import Denoiser, Network
from svdd.chain.distributions import Dirac, Normal
from svdd.chain.schedules import Schedule, Time, scalar_for
from svdd.chain.transitions import Transition, ddim
from svdd.chain.tree import Tree


def straight(t: Time) -> tuple[Time, Time]:
    r"""The straight path as a `Schedule`: $\alpha_t = 1 - t$, $\sigma_t = t$."""
    return 1 - t, t


@dataclass(frozen=True)
class Velocity(Dirac):
    r"""What a velocity network says: $\hat x_0 = x_t - t v$ for decoding and scoring, and $v$ for the steps.

    Args:
        x: (n, ...), $\hat x_0$.
        velocity: (n, ...), v, which points from data to noise.
    """

    velocity: Float[Tensor, "n ..."]

    def noise(self, x: Float[Tensor, "n ..."], t: Float[Tensor, ""]) -> Float[Tensor, "n ..."]:
        r"""$\hat\epsilon = x_t + (1 - t) v$."""
        return x + scalar_for(x, 1 - t) * self.velocity


def from_velocity(network: Network) -> Denoiser:
    r"""A network that predicts $v = \epsilon - x_0$ on the straight path (rectified flow, flow matching).

    References:
        Liu et al., Flow straight and fast, arXiv 2209.03003; Lipman et al., Flow matching for generative modeling, arXiv
        2210.02747.
    """

    def denoiser(x: Tensor, t: Tensor, cond: Tree) -> Velocity:
        velocity = network(x, t, cond).to(x)
        return Velocity(x - scalar_for(x, t) * velocity, velocity)

    return denoiser  # type: ignore[return-value]


def along(network: Network, schedule: Schedule) -> Denoiser:
    r"""The same velocity network along another path $x_r = \alpha_r x_0 + \sigma_r \epsilon$, such as `vp_linear`.

    The state is brought to the time of the straight path with the same ratio of signal to noise,
    $t = \sigma_r / (\alpha_r + \sigma_r)$, where it is $x_r / (\alpha_r + \sigma_r)$, and
    $\hat x_0 = x_t - t v(x_t, t)$ holds on both. Its steps are those of `svdd.chain.ddim(schedule, eta)`.

    Args:
        network: `(x_t, t, cond)` to the velocity on the straight path.
        schedule: of the other path.

    References:
        Kim et al., Inference-time scaling for flow models via stochastic generation and rollover budget forcing, arXiv
        2503.19385.
    """
    on_the_straight_path = from_velocity(network)

    def denoiser(x: Tensor, t: Tensor, cond: Tree) -> Dirac:
        alpha, sigma = schedule(t)
        total = alpha + sigma
        return Dirac(on_the_straight_path(x / scalar_for(x, total), sigma / total, cond).mode())

    return denoiser


def cps(eta: float | int = 1.0) -> Transition:
    r"""Coefficients-preserving sampling: some of the noise left at s is fresh, and its amount is s exactly.

    $x_s = (1 - s) \hat x_0 + s \cos(\eta \pi / 2) \, \hat\epsilon + s \sin(\eta \pi / 2) \, z$. With eta 0 it is Euler's step
    of the ODE, $x_t + (s - t) v$, to the last bit; with eta 1 all noise is fresh. The step to s = 0 draws nothing. Every step
    renews a share of the noise, so that with eta above 0 the pretrained law is narrower than the ODE's, on any grid.

    Args:
        eta: 0 to 1.

    Raises:
        ValueError: for another eta.

    References:
        Wang and Yu, Coefficients-preserving sampling for reinforcement learning with flow matching, arXiv 2509.05952.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta of the CPS step is between 0 (the ODE) and 1 (all noise is fresh), got {eta}")
    fresh, lost = _shares(eta)

    def transition(x: Tensor, posterior: Velocity, t: Tensor, s: Tensor) -> Normal:
        ode = x + scalar_for(x, s - t) * posterior.velocity
        return Normal(ode - scalar_for(x, lost * s) * posterior.noise(x, t), scalar_for(x, fresh * s))

    return transition  # type: ignore[return-value]


def _shares(eta: float | int) -> tuple[float, float]:
    """Of the noise at s, what is fresh, and what that takes away from what was there; 0 and 1 are exact."""
    fresh = math.sin(eta * math.pi / 2)
    return fresh, 1 - math.sqrt(1 - fresh**2)


def flow_posterior(eta: float | int = 1.0) -> Transition:
    r"""The Gaussian posterior $q(x_s | x_t, \hat x_0)$ of the straight path, its standard deviation scaled by eta.

    It is `svdd.chain.ddim` with $\alpha_t = 1 - t$, $\sigma_t = t$: eta 0 is the ODE's step up to rounding, and eta 1
    draws less noise than `cps` does.

    Raises:
        ValueError: if eta is negative.
    """
    return ddim(straight, float(eta))


def flow_sde(eta: float | int = 0.7) -> Transition:
    r"""The Euler-Maruyama step of the SDE whose laws are the flow's, as Flow-GRPO has it.

    $x_s = x_t + (v + \tfrac{g^2}{2t} \hat\epsilon)(s - t) + g \sqrt{t - s} \, z$, $g = \eta \sqrt{t/(1 - t)}$, with
    $1 - s$ in place of $1 - t$ at t = 1. Eta 0 is Euler's step of the ODE. Unlike `cps` it leaves noise in the finished
    sample, the more the fewer steps there are, and rewards see it.

    Args:
        eta: 0 or larger.

    Raises:
        ValueError: if eta is negative.

    References:
        Liu et al., Flow-GRPO: training flow matching models via online RL, arXiv 2505.05470.
    """
    if eta < 0:
        raise ValueError(f"eta must be 0 or larger, got {eta}")

    def transition(x: Tensor, posterior: Velocity, t: Tensor, s: Tensor) -> Normal:
        square = _diffusion(eta, t, s)
        drift = posterior.velocity + scalar_for(x, square / (2 * t)) * posterior.noise(x, t)
        return Normal(x + scalar_for(x, s - t) * drift, scalar_for(x, (square * (t - s)).sqrt()))

    return transition  # type: ignore[return-value]


def _diffusion(eta: float | int, t: Time, s: Time) -> Time:
    """The square of g."""
    return eta**2 * t / (1 - torch.where(t == 1, s, t))
