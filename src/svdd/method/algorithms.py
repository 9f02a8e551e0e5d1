"""Algorithms: named settings of the one loop, one small function each.

Every function takes `(process, value, *, ..., chains, rng, cond, start)` and iterates over `Step`s. `METHODS` is the table
that the command line, the docs, the exact tests and `svdd cite` read; a new algorithm is a function and a row in it.
All share a cadence: they choose at every `every`-th step, counted back from the last, and only where the child's time lies
within `window`; the last step always values the finished design. Network rows are those of a process without a move;
`Process.move` adds one a particle and step, or one a candidate where every child makes its own move.
"""

import math
import warnings
from typing import Any

from svdd.chain.process import Process
from svdd.messages import check
from svdd.method.cadence import Settings, SizesDoNotFit, Steps, begun, only_last, positive, run_guided
from svdd.method.loop import Count, begin, search, tilt
from svdd.method.narrowing import Narrowing, narrowed
from svdd.method.selectors import Selector, adaptive, keep, multinomial, nested, share, systematic, top, twice_tilted
from svdd.method.values import Value


class OverTiltWarning(UserWarning):
    """The method tilts towards the reward twice and does not sample the target law."""


def _argmax_at_zero(temperature: float) -> tuple[Selector, float]:
    """Temperature 0 is the exact argmax, never a division by something small."""
    check(temperature >= 0, f"temperature must be 0 or larger, got {temperature}")
    return (multinomial, temperature) if temperature else (top, 1.0)


def pretrained(process: Process, value: Value, **kwargs: Any) -> Steps:
    """The pretrained sampler, its finished designs scored once.

    Cost:
        T network rows and 1 reward row a chain.
    """
    return search(process, value, keep, scored=only_last(process), **kwargs)


def best_of_n(process: Process, value: Value, *, particles: int = 8, temperature: float = 1.0, **kwargs: Any) -> Steps:
    r"""Draws N full samples a chain and keeps the best: $P(v \le a) = F(a)^N$.

    Weights are $\exp(r/a)$, so that log Z and weighted averages come with it.

    Cost:
        N T network rows and N reward rows a chain.
    """
    weigh = positive(temperature, "best-of-n")
    return search(process, value, keep, particles=particles, temperature=weigh, scored=only_last(process), **kwargs)


def svdd(
    process: Process,
    value: Value,
    *,
    candidates: Count = 10,
    temperature: float = 0.0,
    prior_candidates: int = 1,
    **kwargs: Any,
) -> Steps:
    r"""Soft value-based decoding: picks one of M candidates with probability $softmax_m(v(x_s^m)/a)$.

    With the exact soft value its law tends to $p_a \propto p \exp(r/a)$ like 1/M; a wrong value leaves a bias that M does not
    remove. Temperature 0 is the argmax.

    Args:
        process: the pretrained chain.
        value: a look-ahead.
        candidates: M, or a function of the step.
        temperature: a.
        prior_candidates: draws as many initial noises and selects one of them too (Theorem 1); 1 does not.
        **kwargs: `chains`, `rng`, `cond`, `start`, `every`, `window`.

    Cost:
        1 + (T - 1) M network rows and T M reward rows a chain with the posterior mean; T network rows with a learned value.

    References:
        Li et al., Derivative-free guidance in continuous and discrete diffusion models with soft value-based decoding,
        arXiv 2408.08252.
    """
    select, weigh = _argmax_at_zero(temperature)
    kwargs = _tilted(process, value, select, weigh, 1, prior_candidates, kwargs)
    return run_guided(process, value, select, children=candidates, temperature=weigh, **kwargs)


def _tilted(
    process: Process, value: Value, select: Selector, temperature: float, particles: int, noises: int, kwargs: Settings
) -> Settings:
    check(noises >= 1, f"prior_candidates must be at least 1, got {noises}")
    if noises == 1 or kwargs.get("start") is not None:
        return kwargs
    given = {"cond": kwargs.get("cond", ()), "chains": kwargs["chains"], "rng": kwargs["rng"]}
    start = begin(process, particles=particles, **given)
    return kwargs | {"start": tilt(start, value, select, candidates=noises, temperature=temperature)}


def _at_least_one(share: float) -> str:
    """How many particles a share needs to be one of them, as a part of a sentence; nothing for a share of none."""
    return f"{math.ceil(1 / share)} particles or more, " if share > 0 else ""


def svdd_r(
    process: Process,
    value: Value,
    *,
    particles: int = 32,
    candidates: Count = 10,
    temperature: float = 0.0,
    replace: float | None = 0.05,
    **kwargs: Any,
) -> Steps:
    r"""SVDD with a second, global resampling over the N particles of one chain (one prompt).

    `replace=None` resamples all N by $\exp(v/a)$ after every local choice; a fraction replaces only the lowest. Neither
    samples $p_a$: the tilt is applied locally and again globally. It buys reward with diversity; compare with SVDD at a
    lower temperature and with `nested_is`. At temperature 0 the local choice is the argmax and the global weights exp(v).

    Cost:
        N (1 + (T - 1) M) network rows and N T M reward rows a chain, for N designs.

    References:
        Li et al., arXiv 2408.08252, NeurIPS version.
    """
    if replace is not None and share(replace, particles) < 1:
        raise SizesDoNotFit(
            f"replace={replace} of {particles} particles is none of them; give replace={math.ceil(1e4 / particles) / 1e4:g} or "
            f"more, {_at_least_one(replace)}or replace all of them (--replace all, replace=None in Python)"
        )
    warnings.warn(
        "SVDD-R tilts towards the reward twice and does not sample p exp(reward / temperature); "
        "nested-is does, at the same cost",
        OverTiltWarning,
        stacklevel=2,
    )
    pick, weigh = _argmax_at_zero(temperature)
    select = twice_tilted(pick, replace)
    return run_guided(process, value, select, particles=particles, children=candidates, temperature=weigh, **kwargs)


def nested_is(
    process: Process,
    value: Value,
    *,
    particles: int = 8,
    candidates: Count = 10,
    temperature: float = 1.0,
    ess: float = 0.5,
    prior_candidates: int = 1,
    selector: Selector = systematic,
    **kwargs: Any,
) -> Steps:
    r"""The properly weighted SVDD: the local choice of M, and the outer weight that SVDD drops.

    $\log W \mathrel{+}= \log\frac1M\sum_m e^{v(x_s^m)/a} - v(x_t)/a$, resampled over N particles when the effective sample
    size falls. Consistent as N grows for any M and any value, with an unbiased Z.

    Cost:
        N (1 + (T - 1) M) network rows and N T M reward rows a chain.

    References:
        Naesseth et al., Nested sequential Monte Carlo methods, 2015; Li et al., arXiv 2408.08252.
    """
    temperature = positive(temperature, "nested-is")
    select = nested(adaptive(selector, ess))
    kwargs = _tilted(process, value, select, temperature, particles, prior_candidates, kwargs)
    return run_guided(
        process, value, select, particles=particles, children=candidates, temperature=temperature, **kwargs
    )


def beam(
    process: Process,
    value: Value,
    *,
    width: Count = 8,
    candidates: Count = 10,
    narrowing: Narrowing = "none",
    **kwargs: Any,
) -> Steps:
    """Beam search: the `width` best of width * M candidates a chain; a search for the maximum, with no target law.

    With 1 candidate and `narrowing="psp"` it is progressive seed pruning, which may have a deterministic sampler.

    Args:
        process: the pretrained chain.
        value: a look-ahead.
        width: n, the particles that a step leaves.
        candidates: M.
        narrowing: how n falls, a name of `NARROWINGS`: `psp`, `linear`, `halves`.
        **kwargs: `chains`, `rng`, `cond`, `start`, `every`, `window`.

    Cost:
        n (1 + (T - 1) M) network rows and n T M reward rows a chain, n the width. A step that leaves all candidates alive
        asks no reward.

    References:
        Guo et al., Training-free guidance beyond differentiability (TreeG), arXiv 2502.11420; progressive seed
        pruning, arXiv 2607.21591.
    """
    left = narrowed(narrowing, width, process.steps)
    kwargs = begun(process, left, kwargs)
    return run_guided(process, value, top, particles=left, children=candidates, sparing=True, **kwargs)


def blocks(
    process: Process,
    value: Value,
    *,
    candidates: int = 10,
    block_length: int = 5,
    temperature: float = 0.0,
    **kwargs: Any,
) -> Steps:
    """Block decoding (CoDe): M partial trajectories run side by side and one is chosen every `block_length` steps.

    Blocks of 1 step are SVDD; blocks of T steps are best-of-M.

    Raises:
        ValueError: for blocks of less than 1 step.

    Cost:
        about T M network rows and M T / block_length reward rows a chain.

    References:
        Singh et al., CoDe: blockwise control for denoising diffusion models, 2025.
    """
    check(block_length >= 1, f"block_length must be at least 1 step, got {block_length}")
    select, weigh = _argmax_at_zero(temperature)
    last = process.steps - 1

    def children(step: int) -> int:
        return candidates if step % block_length == 0 else 1

    def scored(step: int) -> bool:
        return (step + 1) % block_length == 0 or step == last

    return search(process, value, select, children=children, scored=scored, temperature=weigh, **kwargs)
