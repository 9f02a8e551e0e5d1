"""Finding models and rewards by name: bundled, `module:function`, or `file.py:function`."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from svdd.process import Process
from svdd.suggestions import unknown
from svdd.values import Reward

MODELS: dict[str, str] = {
    "dna-enhancer": "svdd.models.dna:dna_enhancer",
    "toy-gaussian": "svdd.models.toy:gaussian_process",
    "toy-masked": "svdd.models.toy:masked_process",
}
REWARDS: dict[str, str] = {
    "hepg2": "svdd.rewards.dna:hepg2",
    "hepg2-judge": "svdd.rewards.dna:hepg2_judge",
    "gc-content": "svdd.rewards.dna:gc_content",
}


def _module(name: str) -> Any:
    """A module by its dotted name, or the file it is in."""
    if not name.endswith(".py"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ValueError(f"cannot import {name!r}: {error}; a file is given as {name}.py:function") from error
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"there is no file {name!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def locate(kind: str, name: str, bundled: Mapping[str, str]) -> Any:
    """The function behind a bundled name, `module:function` or `file.py:function`.

    Raises:
        ValueError: for an unknown name (it lists the nearest), module, file or function.
    """
    target = bundled.get(name, name)
    home, colon, attribute = target.rpartition(":")
    if not colon:
        raise ValueError(f"{unknown(kind, name, bundled)} (or give module:function or file.py:function)")
    module = _module(home)
    if not hasattr(module, attribute):
        names = [n for n in vars(module) if not n.startswith("_")]
        raise ValueError(f"{home} has no {attribute!r}: {unknown('name', attribute, names)}")
    return getattr(module, attribute)


def load(name: str, **options: Any) -> Process:
    """A process by name.

    Args:
        name: a bundled model, `module:function` or `file.py:function`; the function returns a `Process`.
        **options: passed to it, such as `steps` or `length`.

    Raises:
        ValueError: for an unknown name or option, or a function that does not return a process.
    """
    made = _called(locate("model", name, MODELS), name, options)
    if not isinstance(made, Process):
        raise ValueError(f"{name} must return a svdd.Process, but returned a {type(made).__name__}")
    return made


def load_reward(name: str, **options: Any) -> Reward:
    """A reward by name: a bundled one, or any function of a list of designs.

    Raises:
        ValueError: for an unknown name, or something that cannot be called.
    """
    found = locate("reward", name, REWARDS)
    if name in REWARDS:
        return _called(found, name, options)  # type: ignore[no-any-return]
    if not callable(found):
        raise ValueError(f"{name} is a {type(found).__name__}, not a function of designs")
    return found


def _called(function: Callable[..., Any], name: str, options: dict[str, Any]) -> Any:
    import inspect

    parameters = inspect.signature(function).parameters
    known = [k for k, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for option in options:
        if option not in known and not takes_any:
            raise ValueError(unknown(f"option of {name}", option, known))
    try:
        inspect.signature(function).bind(**options)
        return function(**options)
    except TypeError as error:
        raise ValueError(f"{name} cannot be made with {options or 'no options'}: {error}") from error
