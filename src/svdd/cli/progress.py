"""Progress on stderr: a bar on a terminal, a line now and then elsewhere, nothing if asked."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from svdd.cli.sentences import say
from svdd.cost.ledger import Usage
from svdd.messages import number
from svdd.method.loop import Step

Show = Callable[[int, Step], None]
LINE_SECONDS = 15.0


def best_and_median(step: Step) -> str:
    """The values of the survivors in a few words; nothing before the first choice."""
    value = step.value[~step.value.isneginf()]
    if step.candidates is None or not len(value):
        return ""
    return f"best {number(float(value.max()))}, median {number(float(value.median()))}"


class _Paid:
    """What a run has paid, in a few words."""

    def __init__(self, usage: Usage | None) -> None:
        self.usage, self.started = usage, time.monotonic()
        self.before = usage.reward.rows if usage else 0

    def __str__(self) -> str:
        if self.usage is None:
            return ""
        rate = (self.usage.reward.rows - self.before) / max(time.monotonic() - self.started, 1e-9)
        return f"{self.usage.network.rows:,} network rows, {number(rate)} rewards/s"


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)


@contextmanager
def progress(total: int, quiet: bool, title: str = "decoding", usage: Usage | None = None) -> Iterator[Show]:
    """A function to call after every step with the number of steps done; `usage` is the run's bill, to be shown with it."""
    if quiet:
        yield lambda done, step: None
    elif sys.stderr.isatty():
        paid = _Paid(usage)
        with bars(transient=True) as tell:
            tell(title, 0, total)
            yield lambda done, step: tell(title, done, total, _joined(best_and_median(step), str(paid)))
    else:
        yield _lines(total, title, _Paid(usage))


@contextmanager
def bars(transient: bool) -> Iterator[Callable[..., None]]:
    """Bars on a terminal; the function is told the title of one, how much is done of how much, and a few words.

    Args:
        transient: whether they go away at the end.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    words = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[values]}", markup=False)
    columns = words[0], BarColumn(), MofNCompleteColumn(), words[1], TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=transient) as shown:
        tasks: dict[str, Any] = {}

        def tell(title: str, done: int, total: int, values: str = "") -> None:
            if title not in tasks:
                tasks[title] = shown.add_task(title, total=total, values=values)
            shown.update(tasks[title], completed=done, values=values)

        yield tell


def _lines(total: int, title: str, paid: _Paid) -> Show:
    started = last = time.monotonic()
    first = 0

    def show(done: int, step: Step) -> None:
        nonlocal last, first
        first = first or done
        if time.monotonic() - last > LINE_SECONDS or done == total:
            last = time.monotonic()
            left = (last - started) / (done - first + 1) * (total - done)
            ahead = f"{left:.0f} s left" if left else ""
            words = _joined(best_and_median(step) or "nothing chosen yet", str(paid), ahead)
            say(f"{title}: step {done} of {total}, {words}")

    return show
