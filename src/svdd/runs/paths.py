"""Paths of a job made whole, so that it runs from anywhere.

Whether a text is a path is told by what the option is declared to be, never by what happens to be on the disk.
"""

from collections.abc import Callable, Mapping
from typing import Any

from svdd.registry import MODELS, REWARD_SCHEMES, REWARDS, SCHEMES, Card, first_parameter, in_place, locate, paths_of
from svdd.user_files import whole as whole

_BUNDLED: dict[str, Mapping[str, Card]] = {"model": MODELS, "reward": REWARDS}
_SCHEMES = {"model": SCHEMES, "reward": REWARD_SCHEMES}


def whole_name(kind: str, name: str) -> str:
    """The name of a model or a reward with a whole path, if it holds one.

    Args:
        kind: `model` or `reward`.
        name: of a file of Python with a function, or of a scheme whose function takes a path first.

    Raises:
        ImportError: if the function of the scheme cannot be imported.
    """
    scheme, colon, path = name.partition(":")
    if colon and scheme in _SCHEMES[kind]:
        function = locate(kind, scheme, _SCHEMES[kind])
        is_path = paths_of(function).get(first_parameter(function))
        return f"{scheme}:{whole(path)}" if path and is_path is not None and is_path(path) else name
    return in_place(name)


def whole_options(kind: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a model or a reward, with whole paths where the function behind it takes paths.

    Args:
        kind: `model` or `reward`.
        name: of the model or the reward.
        options: of it.

    Raises:
        ValueError: for an unknown name.
        ImportError: if the function cannot be imported.
    """
    texts = {option: value for option, value in options.items() if isinstance(value, str) and value}
    tests = _path_tests(kind, name) if texts else {}
    return {**options, **{k: whole(v) for k, v in texts.items() if k in tests and tests[k](v)}}


def _path_tests(kind: str, name: str) -> dict[str, Callable[[str], bool]]:
    """The options that are paths, each with what tells a path from other text."""
    scheme, colon, _ = name.partition(":")
    if colon and scheme in _SCHEMES[kind]:
        return paths_of(locate(kind, scheme, _SCHEMES[kind]))
    if kind == "reward" and name not in REWARDS:
        return {}  # a function of designs is the reward itself, and takes no options
    return paths_of(locate(kind, name, _BUNDLED[kind]))
