"""Which options of a function are paths: told by what its parameters are declared to be, never by what is on the disk."""

import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, get_args, get_origin

from svdd.user_files import whole


def first_parameter(function: Callable[..., Any]) -> str:
    """The name of a function's first parameter."""
    return next(iter(inspect.signature(function).parameters))


@dataclass(frozen=True)
class PathWhere:
    """Marks an option that is a path or other text: `to: Annotated[str, PathWhere(is_file_name)]`.

    Args:
        holds: whether a text is a path.
    """

    holds: Callable[[str], bool]


HubPath: TypeAlias = Annotated[str, PathWhere(os.path.exists)]  # False for a text that is too long to be a path
"""A file or a folder if there is one, or else the id of one in a hub, as the packages of hubs tell them apart."""


def paths_of(function: Callable[..., Any]) -> dict[str, Callable[[str], bool]]:
    """The parameters of a function that are declared to be paths, each with what tells a path from other text.

    Args:
        function: a parameter is a path if its annotation names `Path` or holds a `PathWhere`.
    """
    try:
        parameters = inspect.signature(function, eval_str=True).parameters
    except NameError:  # an annotation names what is imported for type checkers alone
        parameters = inspect.signature(function).parameters
    found = {name: _path_test(parameter.annotation) for name, parameter in parameters.items()}
    return {name: test for name, test in found.items() if test is not None}


def at_home(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a function, with `~` read as a shell reads it where they are paths."""
    short = {name: value for name, value in options.items() if isinstance(value, str) and value.startswith("~")}
    tests = paths_of(function) if short else {}
    homes = {name: whole(value) for name, value in short.items() if name in tests}
    return {**options, **{name: home for name, home in homes.items() if tests[name](home)}}


def _path_test(annotation: Any) -> Callable[[str], bool] | None:
    if isinstance(annotation, str):
        return (lambda text: True) if re.search(r"\bPath\b", annotation) else None
    for mark in getattr(annotation, "__metadata__", ()):
        if isinstance(mark, PathWhere):
            return mark.holds
    kind = get_origin(annotation) or annotation
    if isinstance(kind, type) and issubclass(kind, os.PathLike):
        return lambda text: True
    return next(filter(None, map(_path_test, get_args(annotation))), None)
