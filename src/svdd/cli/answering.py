"""Standard output is for what a command answers; whatever else is printed while it runs goes to standard error.

Code of users prints from Python, from C and from processes of its own. None of that may get between the lines of JSON that a
program reads, or be what ends a run whose designs are paid for.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from svdd.cli.sentences import say
from svdd.exits import os_exit_raises

WORKING = ("run", "resume", "demo", "evaluate", "compare", "fit-value")
"""Commands whose work is in a folder: they end well whatever standard output can take."""


class _Answers:
    """Standard output, of which a reader may have had enough.

    Args:
        stream: where answers go.
        forgives: whether what it cannot take is a note and no error.
    """

    def __init__(self, stream: Any, forgives: bool) -> None:
        self._stream, self._forgives, self._ended = stream, forgives, False

    def write(self, text: str) -> int:
        """Writes all of it, or nothing more."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._try(lambda: self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding)))
        return len(text)

    def flush(self) -> None:
        """Sees that it is written."""
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            if not self._ended:
                act()
        except BrokenPipeError:  # `svdd ... | head` has seen enough
            self._ended = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())  # where what is left of it goes
        except (OSError, ValueError) as error:
            if not self._forgives:
                raise
            self._ended = True
            say(f"note: standard output takes no answer ({getattr(error, 'strerror', None) or error})")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_current: list[_Answers] = []


def output() -> Any:
    """Where answers go."""
    return _current[-1] if _current else sys.stdout


def answer(text: str) -> None:
    """Prints what a command answers."""
    print(text, file=output(), flush=True)


@contextmanager
def answers_apart(command: str) -> Iterator[None]:
    """Keeps standard output for answers while a command runs.

    Args:
        command: its name.
    """
    with ExitStack() as kept:
        stream = sys.stdout
        if _number(stream) == 1:  # else it is somebody's object, such as that of a test
            stream.flush()
            stream = kept.enter_context(_renumbered(stream))
        before, sys.stdout = sys.stdout, kept.enter_context(_beside())
        kept.callback(setattr, sys, "stdout", before)
        _current.append(_Answers(stream, command in WORKING))
        kept.callback(_current.pop)
        yield


@contextmanager
def _renumbered(stream: Any) -> Iterator[Any]:
    """Standard output under another number; what is written under its own goes to standard error."""
    ours = os.dup(1)
    os.dup2(2, 1)
    moved = open(ours, "w", encoding=stream.encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
    try:
        yield moved
    finally:
        with suppress(OSError):
            moved.close()
        os.dup2(ours, 1)
        os.close(ours)


class _Beside(io.TextIOWrapper):
    """Standard error for code of users, which does not fail where nothing can be shown."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


@contextmanager
def _beside() -> Iterator[Any]:
    """Standard error, in a stream that code of users may close."""
    if _number(sys.stderr) != 2:
        yield sys.stderr
        return
    number = open(os.dup(2), "wb")  # noqa: SIM115
    stream = _Beside(number, encoding=sys.stderr.encoding, errors="backslashreplace", line_buffering=True)
    try:
        yield stream
    finally:
        with suppress(OSError):
            stream.close()


def _number(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return None


@contextmanager
def a_process_of_ours(name: str) -> Iterator[None]:
    """Makes this process one in which a command can run: it has three streams, and code of users cannot end it unseen.

    Args:
        name: that the process was started by, which is all that code of users finds of its words.
    """
    for number in range(3):  # a number that is free would be that of the next file
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    nowhere = [word for word in ("stdout", "stderr") if getattr(sys, word) is None]
    for word in nowhere:
        setattr(sys, word, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    words, stream, ends = sys.argv, sys.stdout, os_exit_raises()
    sys.argv = [name]
    if _number(stream) == 1:
        sys.stdout = _Answers(stream, forgives=False)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.argv, sys.stdout, os._exit = words, stream, ends  # type: ignore[assignment]


def no_more_answers() -> None:
    """Sends what code of users prints while the program ends to standard error; for a process that is ours alone."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        if (_number(sys.stdout), _number(sys.stderr)) == (1, 2):
            os.dup2(2, 1)
