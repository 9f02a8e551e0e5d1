"""What is left of a job's settings once others replace some of them: what belongs to a thing goes with it."""

import warnings
from collections.abc import Mapping
from typing import Any

from svdd.method.table import METHODS
from svdd.runs.guided import REWARD_SETTINGS
from svdd.runs.job import SETTINGS
from svdd.runs.objectives import NAME as OBJECTIVE

_WITH_OBJECTIVE = ("reward", *(name for name in REWARD_SETTINGS.values() if name not in ("reward", "on_failure")))
"""Settings of one reward, in whose place an objective stands."""


def left_of(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that belong to a model, a reward or a method that is replaced; a warning names them.

    Args:
        settings: by name, as `flat` gives them.
        changes: of them, which win.
    """
    gone = {
        name: replaced for replaced in ("model", "reward", "method", OBJECTIVE)
        if changes.get(replaced) not in (None, settings.get(replaced))
        for name in _belonging(replaced, changes) if settings.get(name) not in (None, {}) and name not in changes
    }  # fmt: skip
    for replaced in dict.fromkeys(gone.values()):
        names = ", ".join(name for name, of in gone.items() if of == replaced)
        warnings.warn(f"--{replaced} replaces what these settings of the file are for: {names}", stacklevel=2)
    return {name: value for name, value in settings.items() if name not in gone}


def _belonging(replaced: str, changes: Mapping[str, Any]) -> tuple[str, ...]:
    """The settings that mean nothing to what takes the place of a thing."""
    if replaced == OBJECTIVE:
        return _WITH_OBJECTIVE
    if replaced == "method":
        taken = METHODS[changes["method"]].options if changes["method"] in METHODS else SETTINGS
        return (*(name for name in SETTINGS if name not in taken), "returns")
    return ("model_options",) if replaced == "model" else ("reward_options", OBJECTIVE)
