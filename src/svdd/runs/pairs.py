"""NAME=VALUE, as flags and job files write settings."""

from typing import Any

import yaml


def pair(flag: str, text: str) -> tuple[str, Any]:
    """NAME=VALUE of a flag, the value as YAML reads it.

    Raises:
        ValueError: for other text.
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"--{flag.replace('_', '-')} takes NAME=VALUE, got {text!r}")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        return name, value
