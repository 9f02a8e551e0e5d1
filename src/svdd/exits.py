"""Code of users that ends the program, such as a command line that is called as a function: here that is an error.

`sys.exit(0)` in a reward would end a run without designs as a success. Wherever code of a user runs, in this process, in a
worker or on another machine, it runs in a block of `exits_as_errors`. Ctrl-C is a user's own wish and passes. A process that
the code forks ends where the block does: it would go on with the run a second time.
"""

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from svdd.messages import described


class EndedProgramError(RuntimeError):
    """Code of a user ended the program, or raised what no handler of errors sees; the message names it."""


@contextmanager
def exits_as_errors(name: str) -> Iterator[None]:
    """Runs code of a user.

    Args:
        name: what the message calls it.

    Raises:
        EndedProgramError: where it raises SystemExit, or another BaseException that is neither an Exception nor Ctrl-C.
    """
    ours = os.getpid()
    try:
        with _ends_in_forks(ours):
            yield
    except SystemExit as ended:
        raise EndedProgramError(f"{name} ended the program ({_status(ended.code)})") from ended
    except (Exception, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise EndedProgramError(f"{name} raised {described(error)}") from error


@contextmanager
def _ends_in_forks(ours: int) -> Iterator[None]:
    """Ends a process other than `ours` with the status that it would have had as a program."""
    status = 0
    try:
        yield
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise
    except BaseException:
        status = 1
        if os.getpid() != ours:
            traceback.print_exc()
        raise
    finally:
        if os.getpid() != ours:
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):
                    stream.flush()
            os._exit(status)


def os_exit_raises() -> Callable[[int], Any]:
    """Lets `os._exit` raise SystemExit in the main thread of this process, which is ours alone; returns the plain one.

    Processes that are forked from it end as ever. From another thread it ends the process as a failure, which is said.
    """
    ends, ours = os._exit, os.getpid()

    def ended(status: int) -> Any:
        if os.getpid() != ours:
            ends(status)
        if threading.current_thread() is threading.main_thread():
            raise SystemExit(status)
        with suppress(Exception):
            print(f"svdd: a thread ended the program (os._exit({status}))", file=sys.stderr, flush=True)
        ends(status or 1)

    os._exit = ended  # type: ignore[assignment]
    return ends


def _status(code: Any) -> str:
    """The exit status that a code stands for; text is an error that Python prints."""
    return f"exit status {code or 0}" if code is None or isinstance(code, int) else f"exit status 1: {code}"


def said(error: BaseException) -> str:
    """What an error says of itself: its type and message; an exit is a sentence already."""
    return str(error) if isinstance(error, EndedProgramError) else described(error)


def noted(error: Exception, note: str) -> None:
    """Adds where an error comes from; tracebacks and the command line show it under the message."""
    notes: list[str] = getattr(error, "__notes__", [])
    if note not in notes:
        error.__notes__ = [*notes, note]  # type: ignore[attr-defined]
