"""Tables for people: a number with its interval in one cell."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from svdd.messages import number
from svdd.metrics.columns import COST, HELD_OUT, SECTIONS, Column


def readable(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Titles and rows of text; columns `x`, `x_low` and `x_high` become one, `2.1 (1.8 to 2.4)`."""
    names = [name for name in frame.columns if not _is_bound(str(name), frame)]
    rows = [[bracketed(row, str(name)) for name in names] for row in frame.to_dict("records")]
    return [str(name).replace("_", " ") for name in names], rows


def _is_bound(name: str, frame: pd.DataFrame) -> bool:
    base, _, end = name.rpartition("_")
    return end in ("low", "high") and base in frame.columns


def bracketed(row: Mapping[Any, Any], name: str) -> str:
    """A number with its interval, `2.1 (1.8 to 2.4)`; the number alone where there is no interval."""
    if f"{name}_low" not in row or row[name] != row[name] or row[f"{name}_low"] != row[f"{name}_low"]:
        return number(row[name])
    return f"{number(row[name])} ({number(row[f'{name}_low'])} to {number(row[f'{name}_high'])})"


def sections(frame: pd.DataFrame, columns: Sequence[Column]) -> list[tuple[str, list[str], list[list[str]]]]:
    """An evaluation as a few narrow tables: title, titles of columns and rows; what no row has is left out.

    Args:
        frame: a row per method or run; numbers that no column declares are in the last table.
        columns: those that there may be.
    """
    known = {column.name for column in columns}
    measured = [name for name in frame.select_dtypes("number") if not _is_bound(str(name), frame)]
    groups = {title: [column.name for column in columns if column.section == title] for title in SECTIONS}
    further = [str(name) for name in measured if name not in known]
    twins = [name for name in further if name.startswith("judge_")]  # of the components of an objective
    groups[HELD_OUT] += twins
    groups[SECTIONS[-1]] += [name for name in further if name not in twins]
    made = []
    for title, names in groups.items():
        shown = [name for name in names if name in measured and not frame[name].isna().all()]
        bounds = [f"{name}_{end}" for name in shown for end in ("low", "high") if f"{name}_{end}" in frame]
        made += [(title, *readable(frame[["label", *shown, *bounds]]))] if shown else []
    return made


def captioned(frame: pd.DataFrame, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The sections of an evaluation as tables of a page."""
    made = []
    for title, titles, rows in sections(frame, columns):
        brackets = any(" to " in cell for row in rows for cell in row[1:])
        said = "; brackets hold 95 % intervals" if brackets else ""
        caption = f"{title}{', summed over the runs of a row' if title == COST else said}"
        made.append({"title": title, "caption": caption, "titles": titles, "rows": rows})
    return made


def measures(row: dict[str, Any]) -> list[list[str]]:
    """One row of an evaluation as lines of measure and value; what was not measured is left out."""
    titles, (cells,) = readable(pd.DataFrame([row]))
    return [[title, cell] for title, cell in zip(titles, cells, strict=True) if cell not in ("-", "")]
