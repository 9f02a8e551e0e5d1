"""Names of models, rewards and methods: whether there can be such a thing, and whether it is a user's own code."""

from collections.abc import Mapping
from typing import Any

from svdd.messages import check, unknown
from svdd.method.table import METHODS
from svdd.registry import MODELS, REWARD_SCHEMES, REWARDS, SCHEMES, unknown_name


def check_name(kind: str, name: str) -> None:
    """Looks whether a name can be that of a model, a reward or a method, before anything is imported.

    Raises:
        ValueError: for an unknown one; it lists the nearest.
    """
    names: dict[str, Mapping[str, Any]] = {"model": MODELS, "reward": REWARDS, "method": METHODS}
    if kind != "method" and ":" in name:
        return
    said = unknown if kind == "method" else unknown_name
    check(name in names[kind], said(kind, name, names[kind]))


def is_code(name: str) -> bool:
    """Whether a model or a reward of this name is code of a user's own: a function or a program."""
    scheme = name.partition(":")[0]
    if scheme in REWARD_SCHEMES:
        return bool(REWARD_SCHEMES[scheme].runs_code)
    return not (name in MODELS or name in REWARDS or scheme in SCHEMES)
