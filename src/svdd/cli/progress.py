"""Progress on stderr: a bar on a terminal, a line now and then elsewhere, nothing if asked."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
        with _bar(total, title, _Paid(usage)) as show:
            yield show
    else:
        yield _lines(total, title, _Paid(usage))


@contextmanager
def _bar(total: int, title: str, paid: _Paid) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    words = TextColumn("{task.fields[title]}", markup=False), TextColumn("{task.fields[values]}", markup=False)
    columns = words[0], BarColumn(), MofNCompleteColumn(), words[1], TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, title=title, values="")
        yield lambda done, step: bar.update(task, completed=done, values=_joined(best_and_median(step), str(paid)))


def _lines(total: int, title: str, paid: _Paid) -> Show:
    started = last = time.monotonic()
    first = 0

    def show(done: int, step: Step) -> None:
        nonlocal last, first
        first = first or done
        if time.monotonic() - last > LINE_SECONDS or done == total:
            last = time.monotonic()
            left = (last - started) / (done - first + 1) * (total - done)
            words = _joined(
                best_and_median(step) or "nothing chosen yet", str(paid), f"{left:.0f} s left" if left else ""
            )
            say(f"{title}: step {done} of {total}, {words}")

    return show
