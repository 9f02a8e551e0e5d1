"""Narrowing: how many particles of a chain are left after each of its steps. Nothing here imports torch.

Every rule begins with about 2 N particles and ends with fewer than N, so that a chain asks for about N T network rows.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from svdd.messages import check, check_known

Narrowing = Literal["none", "psp", "linear", "halves"]


def _psp(n: int, done: float) -> int:
    """Progressive seed pruning: 2 N for a quarter of the steps, N until half of them, then N / 2."""
    return 2 * n if done < 0.25 else n if done < 0.5 else max(1, n // 2)


def _linear(n: int, done: float) -> int:
    """A funnel: from 2 N - 1 down to 1 along a line."""
    return round(1 + 2 * (n - 1) * (1 - done))


def _halves(n: int, done: float) -> int:
    """A funnel: 2 N, N, N / 2 and N / 4, for a quarter of the steps each."""
    return max(1, 2 * n >> min(int(4 * done), 3))


NARROWINGS: Mapping[str, Callable[[int, float], int]] = {
    "none": lambda n, done: n,
    "psp": _psp,
    "linear": _linear,
    "halves": _halves,
}
"""By name, how many particles are left of N when a part of the steps is done."""


def narrowed(rule: str, n: Any, steps: int) -> Callable[[int], int]:
    """The particles of a chain after a step, as a function of the step's number; -1 stands for the start.

    A look-ahead asks the network where the next step starts from, for all candidates. So a step leaves as many as there are
    two states later, and the network rows of a run are those of the rule.

    Args:
        rule: a name of `NARROWINGS`.
        n: N; beside the rule `none` a function of the step's number will do.
        steps: T.

    Raises:
        ValueError: for an unknown rule, and for another rule than `none` beside a function.
    """
    check_known("narrowing", rule, NARROWINGS)
    if callable(n):
        check(
            rule == "none",
            f"narrowing={rule} needs a whole number of particles, got a function; leave out one of the two",
        )
        return lambda step: n(max(step, 0))  # type: ignore[no-any-return]

    def left(step: int) -> int:
        state = 0 if step < 0 else step + 2
        return NARROWINGS[rule](n, 1.0 if step == steps - 1 else min(state + 0.5, steps - 0.5) / steps)

    return left


def widest(rule: str, n: int) -> int:
    """The most particles of a chain at one time."""
    return NARROWINGS[rule](n, 0.0)


def finally_left(rule: str, n: Any) -> Any:
    """The particles of a chain at its end."""
    return NARROWINGS[rule](n, 1.0)
