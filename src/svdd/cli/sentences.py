"""Errors as people meet them: one sentence on stderr, never a traceback unless they ask for it."""

import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from svdd.cli.extras import about_import
from svdd.messages import described


def say(text: str) -> None:
    """One line on stderr, as it is: no markup is read in it."""
    from svdd.report.progress import between_bars

    with between_bars():
        print(f"svdd: {' '.join(text.split())}", file=sys.stderr, flush=True)


def sentence(error: Exception) -> str:
    """What went wrong and what to do about it, in one sentence."""
    usage = getattr(error, "format_message", None)
    if usage is not None:
        return f"{usage().rstrip('.')}; see svdd --help and svdd COMMAND --help"
    if type(error).__name__ == "UserCodeError":  # told by its name: its module imports torch
        return f"{error}; add --debug for the traceback"
    if isinstance(error, ImportError):
        return about_import(error)
    if type(error).__name__ in ("MemoryError", "OutOfMemoryError"):
        return "out of memory; go in smaller pieces: --chunk network=64, --chunk decode=8, or a smaller --batch"
    if isinstance(error, OSError) and error.strerror:
        place = "the output" if error.filename is None else error.filename  # standard output has no name
        return f"cannot use {place}: {error.strerror}"
    if isinstance(error, ValueError | OSError) and str(error):
        return str(error)
    return f"stopped by {described(error)}; add --debug for the traceback"


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
