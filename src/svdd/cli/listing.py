"""What there is: models, rewards, methods and citations, as tables for people and as JSON for programs."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from svdd.method.table import METHODS
from svdd.registry import MODELS, REWARDS, SCHEMES, locate
from svdd.runs.folder import as_json

Row = dict[str, Any]


def show(rows: Sequence[Row], json: bool, title: str = "") -> None:
    """Prints rows of equal keys, as a table or as JSON; no markup is read in them."""
    if json:
        print(as_json(list(rows)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    table = Table(title=Text(title) if title else None, title_justify="left")
    for name in rows[0] if rows else ():
        table.add_column(Text(name.replace("_", " ")), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


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
