"""What a function says of itself, read from its source: lists show options and summaries of what nobody has imported yet."""

import ast
import inspect
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_LEAVE_SIGNATURES = ("as_usual",)
"""Decorators of ours whose functions take what they took before."""


@dataclass(frozen=True)
class Said:
    """What lists show of a function.

    Args:
        options: its parameters, by name.
        summary: the first line of its docstring.
    """

    options: tuple[str, ...]
    summary: str


def said_by(target: str) -> Said | None:
    """What a target says of itself in the source of its module, or None where only importing it tells.

    Args:
        target: `module:name`.

    Raises:
        ModuleNotFoundError: if a package of the module cannot be found; what the package itself raises is passed on.
    """
    home, _, name = target.partition(":")
    if home in sys.modules:
        return None  # it costs nothing to ask the function itself, which may be another one by now
    found = [node for node in _tree(home) if getattr(node, "name", "") == name]
    if len(found) != 1 or not isinstance(found[0], ast.FunctionDef):
        return None
    if any(getattr(one, "id", "") not in _LEAVE_SIGNATURES for one in found[0].decorator_list):
        return None
    given = found[0].args
    kinds: list[Any] = [given.posonlyargs, given.args, [given.vararg], given.kwonlyargs, [given.kwarg]]
    options = tuple(one.arg for kind in kinds for one in kind if one is not None)
    return Said(options, (ast.get_docstring(found[0]) or "").partition("\n")[0])


def said_by_function(function: Any) -> Said:
    """The same of a function that was imported."""
    return Said(tuple(inspect.signature(function).parameters), (inspect.getdoc(function) or "").partition("\n")[0])


@cache
def _tree(module: str) -> tuple[ast.stmt, ...]:
    """The statements of a module's source; none where it has no source."""
    spec = find_spec(module)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)
    if not spec.origin or not spec.origin.endswith(".py"):
        return ()
    return tuple(ast.parse(Path(spec.origin).read_bytes()).body)
