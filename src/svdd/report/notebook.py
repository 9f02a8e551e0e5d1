"""What a notebook shows of a result and of a comparison: HTML that needs no package but pandas; every text in it is escaped."""

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from svdd.decoding.result import Result, described
from svdd.messages import number
from svdd.metrics.columns import Column
from svdd.report.tables import readable, sections

SHOWN = 5


def as_html(result: Result) -> str:
    """The best designs, a histogram of the rewards, and the cost; no histogram without matplotlib."""
    best = result.best(SHOWN).drop(columns=["chain", "valid"])
    costs = {name: getattr(result.usage, name) for name in ("network", "decode", "reward", "value")}
    rows = [[name, number(cost.asked), number(cost.rows), f"{cost.seconds:.1f}"] for name, cost in costs.items()]
    return "".join(
        [
            "<div>",
            *(f"<p>{escape(line)}</p>" for line in described(result)),
            as_table("Best designs", *readable(best)),
            _histogram(result),
            as_table("Cost", ["rows of", "asked for", "computed", "seconds"], rows),
            "</div>",
        ]
    )


def measured_as_html(table: pd.DataFrame, columns: Sequence[Column], sentences: Sequence[str]) -> str:
    """A table of measures in sections, then sentences."""
    tables = [as_table(*section) for section in sections(table, columns)]
    return "".join(["<div>", *tables, *(f"<p>{escape(sentence)}</p>" for sentence in sentences), "</div>"])


def as_table(caption: str, titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An HTML table."""
    head = "".join(f'<th style="text-align: left">{escape(title)}</th>' for title in titles)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: Any) -> str:
    return f'<td style="text-align: left; overflow-wrap: anywhere; max-width: 36em">{escape(str(text))}</td>'


def _histogram(result: Result) -> str:
    try:
        from svdd.report.figures import embedded
        from svdd.report.plots import reward_histogram
    except ImportError:
        return ""
    drawn = reward_histogram({str(result.settings.get("method", "designs")): result.rewards.numpy()})
    return f'<img alt="histogram of the rewards" src="{embedded(drawn)}">' if drawn else ""
