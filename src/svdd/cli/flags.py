"""Flags made from the fields of a job, and the settings that given flags stand for."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel

from svdd.runs.guided import flat
from svdd.runs.objectives import read_objective
from svdd.runs.options import read_options
from svdd.runs.pairs import as_yaml, pairs
from svdd.runs.replacing import left_of
from svdd.runs.settings import Setting, settings_of

_OPTIONS = {"model_options": "model", "reward_options": "reward"}
"""Fields whose values are read as the function behind a model or a reward declares them."""


def flags_of(model: type[BaseModel]) -> dict[str, inspect.Parameter]:
    """A parameter for every field, by the field's name; those for every day come first under each heading."""
    said = settings_of(model)
    panels = list(dict.fromkeys(one.panel for one in said.values()))
    order = sorted(said, key=lambda name: (panels.index(said[name].panel), not said[name].daily))
    return {name: _parameter(name, said[name], model.model_fields[name].annotation) for name in order}


def _parameter(name: str, said: Setting, annotation: Any) -> inspect.Parameter:
    option = typer.Option(help=said.help, rich_help_panel=said.panel, show_default=False)
    kind = Annotated[(said.kind or _kind(annotation)) | None, option]  # type: ignore[operator]
    return inspect.Parameter(said.flag or name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def _kind(annotation: Any) -> Any:
    """The type of a flag: lists and pairs are repeated texts, else the first type that the field may have."""
    first = next((one for one in get_args(annotation) if one is not NoneType), annotation)
    container = get_origin(annotation)
    if container in (list, dict):
        return list[str]
    return _kind(first) if container is not None else annotation


def settings(model: type[BaseModel], flags: Mapping[str, Any], file: Mapping[str, Any]) -> dict[str, Any]:
    """Settings from a file and from flags, which win.

    Args:
        model: whose fields they are.
        flags: by name, None where they are not given.
        file: the settings of the file.

    Raises:
        ValueError: for text that is not NAME=VALUE, or not of the type that an option has.
        OSError: if the file of an objective cannot be read.
    """
    fields = {said.flag or name: name for name, said in settings_of(model).items()}
    given = {fields[flag]: value for flag, value in flags.items() if value not in (None, [])}
    read = {name: _READ.get(name, _plain)(value) for name, value in given.items()}
    made = {**left_of(flat(file), read), **read}
    for name, kind in _OPTIONS.items():
        if name in given:
            made[name] = read_options(kind, str(made.get(kind)), pairs(f"{kind}-option", given[name]))
    flag_of = {field: flag for flag, field in fields.items()}
    for name in given.keys() - _OPTIONS.keys():
        if get_origin(model.model_fields[name].annotation) is dict:
            made[name] = {key: as_yaml(text) for key, text in pairs(flag_of[name], given[name]).items()}
    return made


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _window(text: str) -> list[float]:
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--window takes two times, such as 0.8,0.2, got {text!r:.80}") from None
    return [first, second]


_READ: dict[str, Callable[[Any], Any]] = {"window": _window, "objective": read_objective}
