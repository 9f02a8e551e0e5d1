"""Tensors of our own where a user has set a default device or type of torch.

A default device is for the user's own code: what is computed here is on the CPU, or where the state is, and gives the same
numbers whatever the defaults are. So tensors are made with `device=`, and what makes them out of our reach (constructors of
networks, packages of others) is called inside `usual_defaults`. The user's own functions are never called inside it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

P = ParamSpec("P")
T = TypeVar("T")
# Makers of tensors that take the default type unless told.
_FLOATING = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.linspace, torch.logspace, torch.eye}
_BY_CONTENT = {torch.tensor, torch.full, torch.arange, torch.as_tensor, torch.asarray, torch.scalar_tensor}


class _Single(TorchFunctionMode):
    """New floating-point tensors are of single precision, unless it is said otherwise."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if given.get("dtype") is None and (func in _FLOATING or (func in _BY_CONTENT and _has_numbers(args[:2]))):
            given["dtype"] = torch.float32
        return func(*args, **given)


def _has_numbers(value: Any) -> bool:
    """Whether there is a Python number that is not whole in it."""
    if isinstance(value, list | tuple):
        return any(map(_has_numbers, value))
    return isinstance(value, float)


@contextmanager
def usual_defaults() -> Iterator[None]:
    """What is made inside is made as if nobody had set a default device or type; nothing global is touched.

    Not for code that calls functions of users.
    """
    if torch.empty(0).device.type == "cpu" and torch.get_default_dtype() == torch.float32:
        yield  # modes are not free
        return
    with torch.device("cpu"), _Single():
        yield


def as_usual(function: Callable[P, T]) -> Callable[P, T]:
    """A function that is called inside `usual_defaults`."""

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        with usual_defaults():
            return function(*args, **kwargs)

    return called


def as_tensor(value: Any) -> Tensor:
    """A tensor as it is, wherever it is; anything else as a tensor on the CPU."""
    return value if isinstance(value, Tensor) else torch.as_tensor(value, device="cpu")
