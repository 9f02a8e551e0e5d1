"""`svdd evaluate`: what an evaluation found, as tables for people or as JSON for programs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from svdd.cli.answering import answer
from svdd.cli.listing import show
from svdd.runs.evaluation import FILES, Evaluated
from svdd.runs.json_text import as_json

if TYPE_CHECKING:
    import pandas as pd

    from svdd.metrics.kit import Kit


def show_evaluation(made: Evaluated, json: bool) -> None:
    """Prints the table of an evaluation with its notes, and where it is."""
    if json:
        answer(as_json({"evaluation": made.table.to_dict("records"), "notes": made.notes, "folder": str(made.folder)}))
        return
    show_table(made.table, made.notes, made.kit)
    answer(f"written to {made.folder}: {', '.join(name for name in FILES if (made.folder / name).is_file())}")


def show_table(table: "pd.DataFrame", notes: Sequence[str], kit: "Kit") -> None:
    """Prints a table of measures in sections, then sentences."""
    from svdd.report.tables import sections

    for title, titles, rows in sections(table, kit.all_columns):
        show([dict(zip(titles, row, strict=True)) for row in rows], json=False, title=title)
    answer("\n".join(notes))
