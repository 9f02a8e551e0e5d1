"""Progress of what takes long: bars in a terminal and in a notebook, lines where a caller wants them, or nothing.

The rooms below reach this module through `svdd.registry.resolve`, so that a loop imports nothing of it.
"""

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from svdd.messages import number

if TYPE_CHECKING:
    from svdd.cost.ledger import Usage
    from svdd.decoding.decoding import Decoding
    from svdd.method.loop import Step

Tell = Callable[..., None]
"""Takes the title of the work, how much of it is done, how much there is, and perhaps a few words."""
OnStep = Callable[[int, "Step"], None]
"""Called after every step of a run with the number of steps done."""
LINE_SECONDS = 15.0


def silent(title: str, done: int, total: int, words: str = "") -> None:
    """Shows nothing."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


@contextmanager
def bars(keep: bool = False) -> Iterator[Tell]:
    """A bar for each title, one after the other.

    Args:
        keep: whether a bar stays where it is once its work is done.
    """
    kind, shown = _bars(), dict[str, Any]()

    def tell(title: str, done: int, total: int, words: str = "") -> None:
        if title not in shown:
            for earlier in shown.values():
                earlier.close()
            shown[title] = kind(total=total, initial=done, desc=title, leave=keep, file=sys.stderr, dynamic_ncols=True)
        shown[title].set_postfix_str(words, refresh=False)
        shown[title].update(done - shown[title].n)

    try:
        yield tell
    finally:
        for bar in shown.values():
            bar.close()


@contextmanager
def between_bars() -> Iterator[None]:
    """Takes the bars away while something is printed, and shows them again."""
    with _bars().external_write_mode(sys.stderr) if _bars.cache_info().currsize else nullcontext():
        yield


@cache
def _bars() -> Any:
    """The class of bars: widgets where a notebook has them, else text. tqdm.auto would warn of a notebook without widgets."""
    if in_notebook() and importlib.util.find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm
    else:
        from tqdm.std import tqdm

    class Bar(tqdm):  # type: ignore[misc, type-arg, valid-type, unused-ignore]
        monitor_interval = 0  # no thread of its own

    return Bar


def lines(say: Callable[[str], None]) -> Tell:
    """A line about each title every 15 seconds and at its end.

    Args:
        say: prints a line.
    """
    begun, last = dict[str, tuple[float, int]](), time.monotonic()

    def tell(title: str, done: int, total: int, words: str = "") -> None:
        nonlocal last
        started, first = begun.setdefault(title, (time.monotonic(), done))
        if time.monotonic() - last > LINE_SECONDS or done == total:
            last = time.monotonic()
            left = (last - started) / max(done - first, 1) * (total - done)
            say(joined(f"{title}: {done:,} of {total:,}", words, f"{left:.0f} s left" if left else ""))

    return tell


def joined(*words: str) -> str:
    """The words that there are, with commas."""
    return ", ".join(word for word in words if word)


def shown(progress: "bool | Tell" = True, keep: bool = False) -> AbstractContextManager[Tell]:
    """What is told of work and shows it: a bar in a terminal and in a notebook, nothing elsewhere.

    Args:
        progress: False shows nothing; a function is told itself.
        keep: whether a bar stays where it is once its work is done.
    """
    if callable(progress):
        return nullcontext(progress)
    visible = progress and (in_notebook() or sys.stderr.isatty())
    return bars(keep) if visible else nullcontext(silent)


@contextmanager
def following(decoding: "Decoding", progress: "bool | Tell" = True, title: str = "decoding") -> Iterator[OnStep]:
    """Shows the steps of a run; gives what is called after each.

    Args:
        decoding: the run.
        progress: as of `shown`.
        title: of the bar.
    """
    with shown(progress) as tell:
        yield steps_told(decoding, tell, title)


def steps_told(decoding: "Decoding", tell: Tell, title: str = "decoding") -> OnStep:
    """What is called after each step of a run, and tells of it."""
    total, paid = len(decoding), _Paid(decoding.usage)
    tell(title, decoding.done, total)

    def on_step(done: int, step: "Step") -> None:
        tell(title, done, total, joined(best_and_median(step), str(paid)))

    return (lambda done, step: None) if tell is silent else on_step


def best_and_median(step: "Step") -> str:
    """The values of all survivors, not of designs alone, in a few words; nothing before the first choice."""
    value = step.value[~step.value.isneginf()]
    if step.candidates is None or not len(value):
        return ""
    of = "particles: " if step.value.shape[1] > 1 else ""
    return f"{of}best {number(float(value.max()))}, median {number(float(value.median()))}"


class _Paid:
    """What a run has paid, in a few words."""

    def __init__(self, usage: "Usage") -> None:
        self.usage, self.started, self.before = usage, time.monotonic(), usage.reward.rows

    def __str__(self) -> str:
        rate = (self.usage.reward.rows - self.before) / max(time.monotonic() - self.started, 1e-9)
        return f"{self.usage.network.rows:,} network rows, {number(rate)} rewards/s"
