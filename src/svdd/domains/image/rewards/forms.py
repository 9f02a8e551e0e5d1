"""Forms: whether an error of a reward comes from the form in which it was given its images."""

import re
from typing import Any


def wants_another_form(error: BaseException, images: Any) -> bool:
    """Whether a function failed on its images, which it takes in another form: it asked them for what they do not have.

    Args:
        error: what it raised; where another wrapped it, the cause counts.
        images: what it was given, a list of PIL images, an array or a tensor.
    """
    cause = error.__cause__ or error
    if not len(images):
        return False
    if isinstance(cause, AttributeError):
        return _is_of(cause.obj, images)
    return isinstance(cause, TypeError) and _names(str(cause), images) and _held(cause, images)


def _is_of(thing: Any, images: Any) -> bool:
    """Whether something is the images, some of them, or one."""
    single = type(images[0]) if isinstance(images, list) else type(images)
    some = isinstance(thing, list | tuple) and bool(thing) and isinstance(thing[0], single)
    return thing is images or some or isinstance(thing, single)


def _names(message: str, images: Any) -> bool:
    """Whether a message speaks of the type of the images."""
    types = {type(images).__name__, *(cls.__name__ for cls in type(images[0]).__mro__[:-1])}
    return "not str" not in message and any(re.search(rf"\b{re.escape(name)}\b", message) for name in types)


def _held(error: BaseException, images: Any) -> bool:
    """Whether the code that failed had images in its hands."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and any(_is_of(value, images) for value in trace.tb_frame.f_locals.values())
