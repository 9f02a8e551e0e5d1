r"""Values: estimates, for a noisy state, of the reward it will lead to.

The soft value is $v_t(x_t) = a \log E[\exp(r(x_0)/a) | x_t]$ with temperature $a$; a `Value` maps `Particles` to one number a
row, an estimate of it. At the end, $v_0 = r$: every value here returns the true reward of the finished design, so the
last selection never uses an estimate. `-inf` means an invalid design; NaN and `+inf` are errors.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.chain.distributions import is_deterministic
from svdd.chain.process import Particles
from svdd.chain.tree import Tree
from svdd.method.overlap import rewards_meanwhile
from svdd.scoring.reward import Reward
from svdd.scoring.scorer import as_scorer

Value: TypeAlias = Callable[[Particles], Tensor]


def evaluate(reward: Reward, particles: Particles, x0: Tree) -> Float[Tensor, " n"]:
    """The reward of clean states, decoded: 1 decoder row and 1 reward row each."""
    return as_scorer(reward).submit(particles.process.designs(x0, particles.cond)).result()  # type: ignore[no-any-return]


def reward_ahead(reward: Reward, particles: Particles) -> Float[Tensor, " n"]:
    """The reward of every look-ahead, of finished particles their own: equal particles are decoded once."""
    return as_scorer(reward).submit(*particles.designs_ahead()).result()  # type: ignore[no-any-return]


def true_at_the_end(value: Value, reward: Reward) -> Value:
    """`value` until the end, then `reward`: whatever looks ahead, the finished design is scored by the run's own reward."""

    def wrapper(particles: Particles) -> Any:
        return reward_ahead(reward, particles) if particles.final else value(particles)

    return wrapper


def zero(reward: Reward) -> Value:
    """No look-ahead at all: 0 until the end, then the reward (best-of-N, plain importance sampling)."""
    return true_at_the_end(
        lambda particles: torch.zeros(len(particles), dtype=torch.float64, device="cpu"), as_scorer(reward)
    )


def posterior_mean(reward: Reward) -> Value:
    r"""SVDD-PM: $v(x_t) = r(\hat x_0(x_t))$, for discrete states the most likely token at every masked site.

    Biased: $a \log E e^{r/a} \to E\,r \to r(E x_0)$. Exact up to a constant of time for linear rewards on Gaussians.

    Args:
        reward: designs to one number each, higher is better.

    Cost:
        1 network row (shared with the next step), 1 decoder row and 1 reward row a state. A reward that works in the
        background does so while the network makes the next look-aheads.

    References:
        Li et al., arXiv 2408.08252.
    """
    scorer = as_scorer(reward)

    def value(particles: Particles) -> Float[Tensor, " n"]:
        if particles.final or not scorer.traits.in_background:
            return reward_ahead(scorer, particles)
        return rewards_meanwhile(scorer, particles)

    return value


def log_mean_exp(v: Float[Tensor, "*n K"], temperature: float) -> Float[Tensor, "*n"]:
    r"""$a \log \frac1K \sum_k e^{v_k/a}$ along the last axis; the maximum at temperature 0."""
    if temperature == 0:
        return v.amax(-1)
    return temperature * ((v / temperature).logsumexp(-1) - math.log(v.shape[-1]))


def monte_carlo(reward: Reward, samples: int = 4, temperature: float = 1.0) -> Value:
    r"""K-sample log-mean-exp: $v(x_t) = a \log \frac1K \sum_k \exp(r(x_0^k)/a)$, $x_0^k \sim q(x_0 | x_t)$.

    Unbiased for $E_q\,e^{r/a}$ before the logarithm; what remains is the factorisation of q. docs/exactness.md compares its
    floor with the posterior mean's.

    Args:
        reward: designs to one number each.
        samples: K.
        temperature: a; give the same as to the algorithm. 0 takes the best of K.

    Raises:
        ValueError: for K < 1 or a negative temperature.

    Cost:
        1 network row (shared), K decoder rows and K reward rows a state.
    """
    if samples < 1 or temperature < 0:
        raise ValueError(f"need samples >= 1 and temperature >= 0, got {samples} and {temperature}")
    scorer = as_scorer(reward)

    def value(particles: Particles) -> Float[Tensor, " n"]:
        assert particles.rng is not None, "particles made by a process carry their streams"
        draws = 1 if is_deterministic(particles.posterior) else samples  # of equal draws one says it all
        x0 = particles.posterior.sample(draws, particles.rng)
        return log_mean_exp(evaluate(scorer, particles, x0).view(-1, draws), temperature)

    return true_at_the_end(value, scorer)


def rollout(reward: Reward, steps: int = 4, samples: int = 1, temperature: float = 1.0) -> Value:
    r"""Looks ahead along the chain itself: K roll-outs of a few coarse steps each, then log-mean-exp.

    The times of a roll-out are at most `steps` of those left, evenly spread, so it ends at $x_0$. With all steps left it is
    unbiased for $E\,e^{r/a}$ under the chain.

    Args:
        reward: designs to one number each.
        steps: coarse steps from any state to the end.
        samples: K.
        temperature: a; 0 takes the best of K.

    Raises:
        ValueError: for fewer than one step or sample, or a negative temperature.

    Cost:
        1 network row (shared) and K (steps - 1) more, K decoder rows and K reward rows a state.
    """
    if steps < 1 or samples < 1 or temperature < 0:
        raise ValueError(f"need steps >= 1, samples >= 1, temperature >= 0, got {steps}, {samples}, {temperature}")
    scorer = as_scorer(reward)

    def value(particles: Particles) -> Float[Tensor, " n"]:
        left = particles.process.times[particles.step :]
        jumps = (
            torch.linspace(0, len(left) - 1, min(steps, len(left) - 1) + 1, device="cpu", dtype=torch.float32)
            .round()
            .long()
        )
        ahead = replace(particles, process=replace(particles.process, times=left[jumps]), step=0, memory={})
        ahead = ahead.with_posterior(particles.posterior).propose(samples)
        while not ahead.final:
            ahead = ahead.propose(1)
        return log_mean_exp(evaluate(scorer, ahead, ahead.x).view(-1, samples), temperature)

    return true_at_the_end(value, scorer)


def untempered(t: float) -> float:
    """The strength of a look-ahead that is trusted as it is."""
    return 1.0


def tempered(value: Value, strength: Callable[[float], float]) -> Value:
    r"""Trusts early look-aheads less: $\lambda(t) \, v(x_t)$, and the untouched reward at the end.

    Args:
        value: any value.
        strength: t in (0, 1] to $\lambda$, usually rising towards 1 as t falls.
    """

    def wrapped(particles: Particles) -> Float[Tensor, " n"]:
        v = value(particles)
        return v if particles.final else torch.where(v.isneginf(), v, v * strength(float(particles.t)))

    return wrapped


def _accumulated(
    value: Value,
    name: str,
    nothing: float,
    merge: Callable[[Tensor, Tensor], Tensor],
    strength: Callable[[float], float],
) -> Value:
    """The Feynman-Kac potential whose log is the sum over past checks of a running statistic of the look-ahead."""

    def wrapped(particles: Particles) -> Float[Tensor, " n"]:
        v = value(particles)
        if particles.final:
            return v
        valid, memory = ~v.isneginf(), {of: kept.to(v.device) for of, kept in particles.memory.items()}
        so_far = memory.get(name, torch.full_like(v, nothing))  # the statistic of no valid look-ahead
        statistic = torch.where(valid, merge(so_far, v), so_far)
        counted = torch.where(statistic.isneginf(), 0.0, statistic)
        total = memory.get(name + " total", torch.zeros_like(v)) + strength(float(particles.t)) * counted
        particles.memory.update({name: statistic, name + " total": total})
        return torch.where(valid, total, -torch.inf)

    return wrapped


def running_max(value: Value, strength: Callable[[float], float] = untempered) -> Value:
    r"""The `max` potential of FK steering: $U_t = \sum_{s \ge t} \lambda_s \max_{u \ge s} \hat r_u$, and $U_0 = r$ exactly.

    Args:
        value: any value.
        strength: t to $\lambda$, as in `tempered`; 1 unless given.

    References:
        Singhal et al., A general framework for inference-time scaling and steering of diffusion models, arXiv 2501.06848.
    """
    return _accumulated(value, "running max", -math.inf, torch.maximum, strength)


def running_sum(value: Value, strength: Callable[[float], float] = untempered) -> Value:
    r"""The `sum` potential of FK steering: $U_t = \sum_{s \ge t} \lambda_s \sum_{u \ge s} \hat r_u$, and $U_0 = r$ exactly.

    Args:
        value: any value.
        strength: t to $\lambda$, as in `tempered`; 1 unless given.

    References:
        Singhal et al., arXiv 2501.06848.
    """
    return _accumulated(value, "running sum", 0.0, torch.add, strength)
