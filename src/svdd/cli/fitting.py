"""Fitting a value from the command line: checked first, with progress, written once it is whole."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from svdd.cli.progress import LINE_SECONDS, bars
from svdd.cli.sentences import say

Tell = Callable[[str, int, int], None]


def fit(settings: dict[str, Any], out: Path, *, force: bool, quiet: bool, json: bool) -> None:
    """Fits, saves and shows the card.

    Args:
        settings: `model`, `steps`, `length` and `model_options` of the process, `reward` and `reward_options`, and those of
            `svdd.fit_value`.
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

    model, model_options = settings.pop("model"), settings.pop("model_options", {})
    reward, reward_options = settings.pop("reward"), settings.pop("reward_options", {})
    shape = {name: settings.pop(name) for name in ("steps", "length") if name in settings}
    make_settings(settings)
    check_folder(out, force)
    process, scored = load(model, **(model_options | shape)), make_reward(reward, reward_options)
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
        with bars(transient=False) as tell:
            yield tell
    else:
        yield _lines()


def _lines() -> Tell:
    last = time.monotonic()

    def tell(words: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > LINE_SECONDS or done == total:
            last = time.monotonic()
            say(f"{words}: {done:,} of {total:,}")

    return tell
