"""Code of users that ends the program, such as a command line that is called as a function: here that is an error.

`sys.exit(0)` in a reward would end a run without designs as a success. Wherever code of a user runs, in this process, in a
worker or on another machine, it runs in a block of `exits_as_errors`. Ctrl-C is a user's own wish and passes.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    try:
        yield
    except SystemExit as ended:
        raise EndedProgramError(f"{name} ended the program ({_status(ended.code)})") from ended
    except (Exception, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise EndedProgramError(f"{name} raised {described(error)}") from error


def os_exit_raises() -> Callable[[int], Any]:
    """Lets `os._exit` raise SystemExit in the main thread of this process, which is ours alone; returns the plain one.

    Processes that are forked from it, and other threads, end as ever.
    """
    ends, ours = os._exit, os.getpid()

    def ended(status: int) -> Any:
        if os.getpid() == ours and threading.current_thread() is threading.main_thread():
            raise SystemExit(status)
        ends(status)

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
