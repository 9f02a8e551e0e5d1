"""Tables for people: a number with its interval in one cell, and numbers at a readable length."""

from typing import Any

import pandas as pd


def number(value: Any) -> str:
    """Three digits, thousands marked, text as it is."""
    if value is None or value != value:
        return "-"
    if isinstance(value, str | bool):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def readable(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Titles and rows of text; columns `x`, `x_low` and `x_high` become one, `2.1 (1.8 to 2.4)`."""
    names = [name for name in frame.columns if not _is_bound(str(name), frame)]
    rows = [[_with_interval(row, str(name)) for name in names] for row in frame.to_dict("records")]
    return [str(name).replace("_", " ") for name in names], rows


def _is_bound(name: str, frame: pd.DataFrame) -> bool:
    base, _, end = name.rpartition("_")
    return end in ("low", "high") and base in frame.columns


def _with_interval(row: dict[Any, Any], name: str) -> str:
    if f"{name}_low" not in row:
        return number(row[name])
    return f"{number(row[name])} ({number(row[f'{name}_low'])} to {number(row[f'{name}_high'])})"
