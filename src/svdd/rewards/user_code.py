"""Errors of a function that the user gave, told apart from those of the library."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from svdd.exits import EndedProgramError, exits_as_errors
from svdd.messages import described


class UserCodeError(Exception):
    """A function that the user gave raised an error; the message names the function and the error."""


def guarded(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """`function`, whose own errors are told apart from the library's; running out of memory passes, chunks handle it.

    Args:
        function: of designs.
        name: what the message calls it.

    Raises:
        UserCodeError: for whatever else it raises.
    """
    import torch

    @wraps(function, updated=())
    def wrapper(*given: Any, **further: Any) -> Any:  # as its signature says, which is the function's
        try:
            with exits_as_errors(name):
                return function(*given, **further)
        except (MemoryError, torch.OutOfMemoryError, EndedProgramError):
            raise
        except Exception as error:
            if "not enough memory" in str(error):
                raise
            raise UserCodeError(f"{name} raised {described(error)}") from error

    return wrapper
