"""Errors as people meet them: one sentence on stderr, never a traceback unless they ask for it."""

import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from svdd.cli.extras import about_import
from svdd.exits import EndedProgramError
from svdd.messages import described


def say(text: str) -> None:
    """One line on stderr, as it is: no markup is read in it."""
    from svdd.report.progress import between_bars

    with suppress(OSError, ValueError), between_bars():  # a run goes on where nothing can be shown
        print(f"svdd: {' '.join(text.split())}", file=sys.stderr, flush=True)


def sentence(error: Exception) -> str:
    """What went wrong, where, and what to do about it, in one sentence."""
    where = "".join(f", {note}" for note in getattr(error, "__notes__", []))
    return _sentence(error, where)


def _sentence(error: Exception, where: str) -> str:
    usage = getattr(error, "format_message", None)
    if usage is not None:
        return f"{usage().rstrip('.')}; see svdd --help and svdd COMMAND --help"
    if isinstance(error, EndedProgramError) or type(error).__name__ == "UserCodeError":  # whose module imports torch
        return f"{error}; add --debug for the traceback"
    if isinstance(error, ImportError):
        return about_import(error) + where
    if type(error).__name__ in ("MemoryError", "OutOfMemoryError"):
        return "out of memory; go in smaller pieces: --chunk network=64, --chunk decode=8, or a smaller --batch"
    if isinstance(error, OSError) and error.strerror:
        place = "the output" if error.filename is None else error.filename  # standard output has no name
        return f"cannot use {place}: {error.strerror}{where}"
    if isinstance(error, ValueError | OSError) and str(error):
        return str(error) + where
    return f"stopped by {described(error)}{where}; add --debug for the traceback"


def report(error: Exception, debug: bool) -> None:
    """Prints the sentence, under the traceback if asked for."""
    if debug:
        traceback.print_exception(error)
    say(sentence(error))


@contextmanager
def notes() -> Iterator[None]:
    """Warnings for users become one line each, once; others stay as they are."""
    shown = set[str]()

    def note(message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any) -> None:
        text = str(message)
        if text not in shown:
            shown.add(text)
            say(f"note: {text}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = note  # type: ignore[assignment]
        yield
