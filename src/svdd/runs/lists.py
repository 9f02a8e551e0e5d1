"""What there is: models, rewards and methods, as rows for whoever prints them and as tables."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from svdd.method.table import METHODS
from svdd.registry import MODELS, REWARDS, SCHEMES, locate

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]


def _bundled(kind: str, names: Mapping[str, Any]) -> list[Row]:
    rows = []
    for name in names:
        function = locate(kind, name, names)
        options = list(inspect.signature(function).parameters)
        rows.append({"name": name, "summary": _first_line(function), "options": options})
    return rows


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def models() -> list[Row]:
    """The bundled models, and the kinds of checkpoints of other projects."""
    rows = _bundled("model", MODELS)
    for row in _bundled("model", SCHEMES):
        rows.append(row | {"name": f"{row['name']}:PATH", "options": row["options"][1:]})
    return rows


def rewards() -> list[Row]:
    """The bundled rewards."""
    return _bundled("reward", REWARDS)


def methods() -> list[Row]:
    """The method table, with what a chain costs; T steps, M candidates, N particles."""
    return [
        {
            "name": name, "summary": row.summary, "samples_from": row.target, "network_rows": row.network_rows,
            "reward_rows": row.reward_rows, "options": list(row.options),
        }
        for name, row in METHODS.items()
    ]  # fmt: skip


def list_models() -> "pd.DataFrame":
    """The bundled models and the kinds of checkpoints of other projects, with their options."""
    return _table(models())


def list_rewards() -> "pd.DataFrame":
    """The bundled rewards, with their options."""
    return _table(rewards())


def list_methods() -> "pd.DataFrame":
    """The methods: what each samples from, what a chain costs, and its options."""
    return _table(methods())


def _table(rows: list[Row]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rows)
