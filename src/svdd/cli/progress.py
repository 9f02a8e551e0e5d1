"""Progress on stderr: a bar on a terminal, a line now and then elsewhere, nothing if asked."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from svdd.cli.sentences import say
from svdd.loop import Step

Show = Callable[[int, Step], None]
LINE_SECONDS = 15.0


def best_and_median(step: Step) -> str:
    """The values of the survivors in a few words; nothing before the first choice."""
    value = step.value[~step.value.isneginf()]
    if step.candidates is None or not len(value):
        return ""
    return f"best {float(value.max()):.3g}, median {float(value.median()):.3g}"


@contextmanager
def progress(total: int, quiet: bool, title: str = "decoding") -> Iterator[Show]:
    """A function to call after every step with the number of steps done."""
    if quiet:
        yield lambda done, step: None
    elif sys.stderr.isatty():
        with _bar(total, title) as show:
            yield show
    else:
        yield _lines(total, title)


@contextmanager
def _bar(total: int, title: str) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    words = TextColumn("{task.fields[title]}", markup=False), TextColumn("{task.fields[values]}", markup=False)
    columns = words[0], BarColumn(), MofNCompleteColumn(), words[1], TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, title=title, values="")
        yield lambda done, step: bar.update(task, completed=done, values=best_and_median(step))


def _lines(total: int, title: str) -> Show:
    last = time.monotonic()

    def show(done: int, step: Step) -> None:
        nonlocal last
        if time.monotonic() - last > LINE_SECONDS or done == total:
            last = time.monotonic()
            say(f"{title}: step {done} of {total}, {best_and_median(step) or 'nothing chosen yet'}")

    return show
