"""The cadence of methods: at which steps they choose, counted back from the last, and how many particles they begin with."""

from collections.abc import Callable, Iterator
from typing import Any

from svdd.chain.process import Process
from svdd.messages import check
from svdd.method.loop import Count, Step, begin, search
from svdd.method.selectors import Selector
from svdd.method.values import Value

Steps = Iterator[Step]
Window = tuple[float, float]
Settings = dict[str, Any]

EVERYWHERE: Window = (float("inf"), 0.0)


class SizesDoNotFit(ValueError):
    """Sizes of a run do not go together; each may be right beside other ones."""


def guided_steps(process: Process, every: int, window: Window) -> frozenset[int]:
    """Which steps choose."""
    check(every >= 1, f"every must be at least 1 step, got {every}")
    times, last = process.times.tolist(), process.steps - 1
    steps = (k for k in range(last + 1) if (last - k) % every == 0)
    chosen = frozenset(k for k in steps if window[1] <= times[k + 1] <= window[0])
    if not chosen:
        raise SizesDoNotFit(
            f"window {tuple(window)} (from, to, with from >= to) with every={every} chooses nowhere; "
            f"times run from {times[0]:.4g} to {times[-1]:.4g}"
        )
    return chosen


def only_last(process: Process) -> Callable[[int], bool]:
    """The last step alone."""
    return lambda step: step == process.steps - 1


def run_guided(
    process: Process,
    value: Value,
    select: Selector,
    *,
    children: Count = 1,
    particles: Count = 1,
    every: int = 1,
    window: Window = EVERYWHERE,
    sparing: bool = False,
    **kwargs: Any,
) -> Steps:
    """`search` under a cadence: unguided steps have one child, and only the last of them is scored.

    Args:
        process: the pretrained chain.
        value: a look-ahead.
        select: who survives.
        children: of a particle.
        particles: of a chain, after a step.
        every: steps from one choice to the next.
        window: times between which there are choices.
        sparing: whether a step that leaves all candidates alive is not scored, since its values would decide nothing.
        **kwargs: as `search`.
    """
    guided, last = guided_steps(process, every, window), only_last(process)
    in_turn = sorted(guided)
    before = dict(zip(in_turn, [-1, *in_turn], strict=False))

    def offspring(step: int) -> int:
        return _number(children, step) if step in guided else 1

    def decides(step: int) -> bool:
        return offspring(step) > 1 or _number(particles, step) < _number(particles, before[step])

    def scored(step: int) -> bool:
        return last(step) or (step in guided and (not sparing or decides(step)))

    return search(process, value, select, children=offspring, particles=particles, scored=scored, **kwargs)


def _number(count: Count, step: int) -> int:
    return count(step) if callable(count) else count


def begun(process: Process, left: Callable[[int], int], kwargs: Settings) -> Settings:
    """The settings of a run, which begins with more particles than its first step leaves if `left` says so."""
    if kwargs.get("start") is not None or left(-1) == left(0):
        return kwargs
    given = {"cond": kwargs.get("cond", ()), "chains": kwargs["chains"], "rng": kwargs["rng"]}
    return kwargs | {"start": begin(process, particles=left(-1), **given)}


def positive(temperature: float, method: str) -> float:
    """The temperature of a method that weighs.

    Raises:
        ValueError: unless it is above 0.
    """
    if not temperature > 0:
        raise ValueError(
            f"{method} weighs particles by exp(value / temperature) and needs temperature > 0, got {temperature}"
        )
    return temperature
