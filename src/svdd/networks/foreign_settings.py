"""What a weight file, or the configuration beside it, says of a training run: plain values by dotted names."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from svdd.networks.foreign_files import METADATA
from svdd.networks.foreign_pickles import opened
from svdd.user_texts import json_of

Plain = bool | int | float | str | None | list[Any]

# Keys that hold settings, and say nothing themselves.
_HOLDERS = {
    "config", "cfg", "conf", "args", "opt", "hparams", "hyper_parameters", "hyperparameters", "settings", "model_args",
    "model_config", "configuration", "_content", "_val", "_attributes", METADATA,
}  # fmt: skip
_DEPTH = 8
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def settings_of(content: Mapping[Any, Any], beside: Any) -> dict[str, Plain]:
    """Settings by names such as `model.length`; those in the file win over those beside it.

    Args:
        content: of the weight file.
        beside: of the configuration in its folder.
    """
    inside = {
        name: value
        for name, value in content.items()
        if name in _HOLDERS or isinstance(value, bool | int | float | str)
    }
    found = dict(_flat(beside)) | dict(_flat(inside))
    return {name: _resolved(value, found) for name, value in found.items()}


def _flat(value: Any, place: tuple[str, ...] = (), depth: int = _DEPTH) -> Iterator[tuple[str, Plain]]:
    """Leaves by dotted names, without the names of what only holds settings."""
    value = opened(value)
    if isinstance(value, Mapping):
        for name, one in value.items() if depth else ():
            held = opened(_json(one)) if name in _HOLDERS else one
            holds = name in _HOLDERS and isinstance(held, Mapping)
            yield from _flat(held, place if holds else (*place, str(name)), depth - 1)
    elif place and _is_plain(value):
        yield ".".join(place), value
    elif place and isinstance(value, list | tuple):
        plain = [opened(one) for one in value]
        if all(map(_is_plain, plain)):
            yield ".".join(place), plain


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _json(value: Any) -> Any:
    """A text of JSON, as the headers of safetensors hold settings, as what it says; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    try:
        return json_of(value)
    except ValueError:
        return value


def _resolved(value: Plain, found: Mapping[str, Plain]) -> Plain:
    """A setting that stands for another, as OmegaConf writes it: `${model.length}`."""
    reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return found.get(reference[1], value) if reference else value
