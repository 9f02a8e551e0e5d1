"""Fitting a value from the command line: checked first, with progress, written once it is whole."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from svdd.cli.progress import LINE_SECONDS, bars
from svdd.cli.sentences import say
from svdd.cli.watching import Terminal

if TYPE_CHECKING:
    from svdd.runs.value_job import ValueJob

Tell = Callable[[str, int, int], None]


def fit(job: "ValueJob", *, force: bool, quiet: bool, json: bool) -> None:
    """Fits, saves and shows the card.

    Args:
        job: the model, the reward, the settings of the fit and the folder to write.
        force: replace a value that is in it.
        quiet: no progress.
        json: print the card as JSON.
    """
    from svdd.fitting import fit_value
    from svdd.fitting.card import as_text
    from svdd.fitting.settings import make_settings
    from svdd.fitting.value import check_folder
    from svdd.runs.folder import as_json
    from svdd.runs.make import job_reward, make_process
    from svdd.runs.running import tell_code
    from svdd.scoring.reward import close

    job.check_names()
    out, settings = job.folder(), job.settings()
    make_settings(settings)
    check_folder(out, force)
    tell_code(job, Terminal(quiet))
    process, scored = make_process(job), job_reward(job)
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
