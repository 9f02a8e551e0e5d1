"""The time that a run has left, for rewards that would wait: they look at it first, and do not wait in vain."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_UNTIL = ContextVar("svdd_until", default=math.inf)


class BudgetSpent(ValueError):
    """The next call would go beyond the budget."""


@contextmanager
def within(until: float) -> Iterator[None]:
    """Calls in here have time until then.

    Args:
        until: as `time.monotonic` counts.
    """
    before = _UNTIL.set(until)
    try:
        yield
    finally:
        _UNTIL.reset(before)


def seconds_left() -> float:
    """The seconds until the budget of the run that calls is spent; without a budget of seconds there is no end."""
    return _UNTIL.get() - time.monotonic()


def wait(seconds: float, what: str) -> None:
    """Waits, unless the run's budget of seconds would be spent before.

    Args:
        seconds: how long.
        what: is waited for.

    Raises:
        BudgetSpent: if it would.
    """
    left = seconds_left()
    if seconds > left:
        raise BudgetSpent(
            f"the budget has {max(left, 0):.1f} seconds left, too few to wait {seconds:,.1f} s for {what}"
        )
    time.sleep(seconds)
