"""Algorithms whose particles are resampled within a chain: settings of the one loop, as those of `svdd.method.algorithms`."""

from typing import Any

from torch import Tensor

from svdd.chain.process import Particles, Process
from svdd.chain.rng import Rng
from svdd.method.cadence import Steps, begun, positive, run_guided
from svdd.method.loop import Count
from svdd.method.narrowing import Narrowing, narrowed
from svdd.method.selectors import Selection, Selector, keep, ssp, systematic
from svdd.method.table import TemperingName
from svdd.method.tempering import Potential, scale_free, weighing
from svdd.method.values import Value


def smc(
    process: Process,
    value: Value,
    *,
    particles: Count = 8,
    temperature: float = 1.0,
    potential: Potential = "difference",
    tempering: TemperingName = "none",
    narrowing: Narrowing = "none",
    ess: float = 0.5,
    selector: Selector | None = None,
    **kwargs: Any,
) -> Steps:
    r"""Sequential Monte Carlo (Feynman-Kac steering): N particles a chain, weighted by $\exp(\Delta U)$, resampled inside it.

    `potential` and `tempering` choose the intermediate targets; the last weight always makes the target $p_a$. Z is unbiased,
    up to O(1/N) where `tempering` is adaptive.

    Args:
        process: the pretrained chain.
        value: a look-ahead; biased is fine.
        particles: N.
        temperature: a.
        potential: `difference` $U_t = v_t$, `max` or `sum` (`running_max`, `running_sum`).
        tempering: `adaptive` trusts look-aheads as far as the effective sample size allows (`Tempering`), `increase` by a
            schedule (`increasing`), `none` as they are.
        narrowing: how N falls, a name of `NARROWINGS`: `psp`, `linear`, `halves`.
        ess: resample a chain when its effective sample size falls below this part of N; with adaptive tempering, temper to it.
        selector: the resampler; `ssp` with tempering and `systematic` without, unless given.
        **kwargs: `chains`, `rng`, `cond`, `start`, `every`, `window`.

    Cost:
        N T network rows and N T / every reward rows a chain.

    References:
        Singhal et al., arXiv 2501.06848; Wu et al., arXiv 2306.17775; Kim et al., arXiv 2501.05803.
    """
    temperature, left = positive(temperature, "smc"), narrowed(narrowing, particles, process.steps)
    selector = selector or (systematic if tempering == "none" else ssp)
    value, select = weighing(value, selector, potential, tempering, temperature, ess, process)
    kwargs = begun(process, left, kwargs)
    return run_guided(process, value, select, particles=left, temperature=temperature, **kwargs)


def _best_at_the_end(value: Value, select: Selector, at_the_end: Selector) -> tuple[Value, Selector]:
    """Finished particles all live, since resampling could lose the best of them, unless fewer are to be left."""
    ends = False

    def valued(particles: Particles) -> Any:
        nonlocal ends
        ends = particles.final
        return value(particles)

    def selecting(log_w: Tensor, n: int, rng: Rng) -> Selection:
        return (at_the_end if ends and n == log_w.shape[1] else select)(log_w, n, rng)

    return valued, selecting


def bfs(
    process: Process,
    value: Value,
    *,
    particles: int = 8,
    temperature: float = 1.0,
    narrowing: Narrowing = "none",
    ess: float = 1.0,
    **kwargs: Any,
) -> Steps:
    r"""Breadth-first search: `smc` with the potential `max`, tempering `increase` and the resampler `ssp`.

    Each step resamples by $\exp(\lambda_t \max_{s \ge t} v_s / a)$, and the best finished particle is the design. The last
    weight is that of `smc`, so that log Z comes with it.

    Args:
        process: the pretrained chain.
        value: a look-ahead.
        particles: N.
        temperature: a.
        narrowing: how N falls, as in `smc`.
        ess: resample a chain when its effective sample size falls below this part of N; 1 always does.
        **kwargs: `chains`, `rng`, `cond`, `start`, `every`, `window`.

    Cost:
        N T network rows and N T / every reward rows a chain.

    References:
        Zhang et al., arXiv 2505.23614.
    """
    temperature, left = positive(temperature, "bfs"), narrowed(narrowing, particles, process.steps)
    value, select = _best_at_the_end(*weighing(value, ssp, "max", "increase", temperature, ess, process), keep)
    kwargs = begun(process, left, kwargs)
    return run_guided(process, value, select, particles=left, temperature=temperature, **kwargs)


def amc(
    process: Process,
    value: Value,
    *,
    particles: int = 8,
    deviations: float = 0.5,
    narrowing: Narrowing = "none",
    selector: Selector = systematic,
    **kwargs: Any,
) -> Steps:
    r"""Resampling by weights without a scale: $w \propto \exp((\Delta - mean \Delta)/(c \, std \Delta))$ at each step.

    $\Delta = v_s - v_t$ is what a step has gained, and mean and deviation are those of the particles of a chain: the unit of
    the reward does not matter, and there is no temperature to choose. There is no target law and no log Z.

    Args:
        process: the pretrained chain.
        value: a look-ahead.
        particles: N.
        deviations: c, how many standard deviations weigh e times as much; smaller is greedier.
        narrowing: how N falls, as in `smc`.
        selector: the resampler.
        **kwargs: `chains`, `rng`, `cond`, `start`, `every`, `window`.

    Cost:
        N T network rows and N T / every reward rows a chain.

    References:
        The weights of GRAS, 2026.
    """
    left = narrowed(narrowing, particles, process.steps)
    value, select = _best_at_the_end(value, scale_free(selector, deviations), scale_free(keep, deviations))
    kwargs = begun(process, left, kwargs)
    return run_guided(process, value, select, particles=left, **kwargs)
