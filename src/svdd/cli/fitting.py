"""Fitting a value from the command line: checked first, with progress, written once it is whole."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from svdd.cli.sentences import say

Tell = Callable[[str, int, int], None]
LINE_SECONDS = 15.0


def fit(
    model: str,
    shape: dict[str, Any],
    reward: str,
    settings: dict[str, Any],
    out: Path,
    *,
    force: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Fits, saves and shows the card.

    Args:
        model: name of the process.
        shape: `steps`, `length` and `model_options`.
        reward: name of the reward.
        settings: of `svdd.fit_value`, and `reward_options`.
        out: folder to write.
        force: replace a value that is in it.
        quiet: no progress.
        json: print the card as JSON.
    """
    from svdd.fitting import fit_value
    from svdd.fitting.card import as_text
    from svdd.fitting.settings import make_settings
    from svdd.fitting.value import check_folder
    from svdd.registry import load
    from svdd.runs.folder import as_json
    from svdd.runs.make import make_reward
    from svdd.scoring.reward import close

    reward_options = settings.pop("reward_options", {})
    make_settings(settings)
    check_folder(out, force)
    options = shape.pop("model_options", {}) | shape
    process, scored = load(model, **options), make_reward(reward, reward_options)
    try:
        with progress(quiet) as tell:
            fitted = fit_value(process, scored, **settings, progress=tell)
        fitted.save(out, force)
    finally:
        close(scored)
    print(as_json(fitted.card) if json else as_text(fitted.card, plotted=False))
    if not json:
        print(f"written to {out}; use it with: svdd run ... --value {out}")


@contextmanager
def progress(quiet: bool) -> Iterator[Tell]:
    """A function that is told how far which part of the work is."""
    if quiet:
        yield lambda words, done, total: None
    elif sys.stderr.isatty():
        with _bars() as tell:
            yield tell
    else:
        yield _lines()


@contextmanager
def _bars() -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def tell(words: str, done: int, total: int) -> None:
            if words not in tasks:
                tasks[words] = bars.add_task(words, total=total)
            bars.update(tasks[words], completed=done)

        yield tell


def _lines() -> Tell:
    last = time.monotonic()

    def tell(words: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > LINE_SECONDS or done == total:
            last = time.monotonic()
            say(f"{words}: {done:,} of {total:,}")

    return tell
