"""Tables for people, and JSON for programs."""

from collections.abc import Sequence
from typing import Any

from svdd.cli.answering import answer, output
from svdd.runs.json_text import as_json
from svdd.runs.lists import ABOUT_METHODS, Row
from svdd.runs.lists import methods as methods
from svdd.runs.lists import models as models
from svdd.runs.lists import rewards as rewards


def show(rows: Sequence[Row], json: bool, title: str = "") -> None:
    """Prints rows of equal keys, as a table or as JSON; no markup is read in them."""
    if json:
        answer(as_json(list(rows)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=output())
    if not console.is_terminal:
        console = Console(file=output(), width=160)
    table = Table(title=Text(title) if title else None, title_justify="left")
    for name in rows[0] if rows else ():
        table.add_column(Text(name.replace("_", " ")), overflow="fold", no_wrap=name == "name")  # which is to be copied
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console.print(table)


def show_methods(json: bool) -> None:
    """Prints the table of methods, and below it, for people, what its letters mean and where the value filtered fails."""
    show(methods(), json)
    if not json:
        answer("\n".join(ABOUT_METHODS))


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
