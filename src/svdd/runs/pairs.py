"""NAME=VALUE, as flags and scores write settings."""

from collections.abc import Iterable
from typing import Any

from svdd.runs.yaml_text import YamlError, read_yaml


def pair(flag: str, text: str) -> tuple[str, str]:
    """The name and the value of NAME=VALUE, both as text.

    Raises:
        ValueError: for other text.
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"--{flag.replace('_', '-')} takes NAME=VALUE, got {text!r:.80}")
    return name, value


def pairs(flag: str, texts: Iterable[str]) -> dict[str, str]:
    """The values by name of some NAME=VALUE.

    Raises:
        ValueError: for other text.
    """
    return dict(pair(flag, text) for text in texts)


def as_yaml(text: str) -> Any:
    """A value as YAML reads it, text where it cannot."""
    try:
        return read_yaml(text)
    except YamlError:
        return text
