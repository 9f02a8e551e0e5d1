"""Options of models and rewards, read and checked by the annotations of the function behind a name.

An option that is declared to be text stays the text that was typed: `smarts=[OH]`, `target=010` and `answer=no` are text.
"""

import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import PurePath
from typing import Any

import yaml
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from svdd.registry import MODELS, REWARD_SCHEMES, REWARDS, SCHEMES, locate
from svdd.runs.pairs import as_yaml
from svdd.runs.wrong_values import wrong
from svdd.runs.yaml_text import YamlError, read_yaml

_BUNDLED: dict[str, Mapping[str, Any]] = {"model": MODELS, "reward": REWARDS}
_SCHEMES: dict[str, Mapping[str, Any]] = {"model": SCHEMES, "reward": REWARD_SCHEMES}
_ANY_TYPE = ConfigDict(arbitrary_types_allowed=True)

Parameters = Mapping[str, inspect.Parameter]


def read_options(kind: str, name: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Options of a model or a reward from text, each as its annotation says, or as YAML where there is none.

    Args:
        kind: `model` or `reward`.
        name: of the model or the reward; an unknown one is left to whoever makes it.
        texts: the options.

    Raises:
        ValueError: for text that is not of the annotated type.
    """
    known = _parameters(kind, name) if texts else {}
    return {option: _read(text, known.get(option), f"{option} of {name}") for option, text in texts.items()}


def check_options(kind: str, name: str, options: Mapping[str, Any]) -> None:
    """Looks whether options are of the types that the function behind a name declares.

    Args:
        kind: `model` or `reward`.
        name: of the model or the reward.
        options: of it; unknown ones are left to whoever makes it.

    Raises:
        ValueError: for a value of another type.
    """
    known = _parameters(kind, name) if options else {}
    for option in options.keys() & known.keys():
        _check(options[option], known[option], f"{option} of {name}")


def takes(kind: str, name: str, option: str) -> bool:
    """Whether the function behind the name of a model or a reward has an option.

    Raises:
        ValueError: for an unknown name.
    """
    known = _parameters(kind, name)
    return option in known or any(one.kind is one.VAR_KEYWORD for one in known.values())


def _parameters(kind: str, name: str) -> Parameters:
    """The parameters of the function behind a name; none of a reward that is itself a function of designs."""
    scheme, colon, _ = name.partition(":")
    functions = _SCHEMES[kind] if colon and scheme in _SCHEMES[kind] else _BUNDLED[kind]
    called = scheme if functions is _SCHEMES[kind] else name
    if called not in functions and (kind == "reward" or not colon):
        return {}
    function = locate(kind, called, functions)
    try:
        return inspect.signature(function, eval_str=True).parameters
    except (NameError, AttributeError):  # an annotation names what is imported for type checkers alone
        return inspect.signature(function).parameters


def _adapter(parameter: inspect.Parameter | None) -> Any:
    """What reads and checks a parameter's values; None where its annotation says nothing that can be checked."""
    annotation = inspect.Parameter.empty if parameter is None else parameter.annotation
    if annotation in (inspect.Parameter.empty, Any) or isinstance(annotation, str):
        return None
    try:
        return TypeAdapter(annotation, config=_ANY_TYPE)
    except PydanticUserError:  # a type with a configuration of its own, or one that pydantic does not know
        return None


def _read(text: str, parameter: inspect.Parameter | None, called: str) -> Any:
    adapter = _adapter(parameter)
    if adapter is None:
        return as_yaml(text)
    refused: dict[bool, ValidationError] = {}
    for value, strict in _readings(text):
        try:
            read = adapter.validate_python(value, strict=strict)
            return str(read) if isinstance(read, PurePath) else read
        except ValidationError as error:
            refused[value is text] = error
    raise ValueError(f"{called} {_said(refused[True])}, got {text!r:.80}")


def _readings(text: str) -> Iterator[tuple[Any, bool]]:
    """What a text may mean, the likeliest first, each with whether only the very type will do.

    A list of one, `[OH]`, is rather text where both will do.
    """
    with suppress(ValueError):
        number = json.loads("null" if text == "None" else text)  # or true, false, nothing; 010 is none of these
        yield from () if isinstance(number, str | list | dict) else ((number, True),)
    listed = _listed(text)
    yield from ((listed, False),) if len(listed) > 1 else ()
    yield text, False
    yield listed, False


def _listed(text: str) -> Any:
    """A list or a mapping of YAML, all its elements as text; an empty list for other text."""
    try:
        read_yaml(text)
    except YamlError:
        return []
    read = yaml.load(text, Loader=yaml.BaseLoader)  # it makes nothing but text, lists and mappings
    return read if isinstance(read, list | dict) else []


def _check(value: Any, parameter: inspect.Parameter, called: str) -> None:
    adapter = _adapter(parameter)
    if adapter is None or value is parameter.default:
        return
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError as refused:
        if not _is_written_so(adapter, value):
            raise ValueError(f"{called} {wrong(refused.errors()[0])}") from None


def _is_written_so(adapter: Any, value: Any) -> bool:
    """Whether a value is how files write one of the type: a list for a tuple, text for a path."""
    try:
        adapter.validate_json(json.dumps(value), strict=True)
    except (ValidationError, TypeError, ValueError):
        return False
    return True


def _said(error: ValidationError) -> str:
    return str(error.errors()[0]["msg"]).replace("Input should", "should")
