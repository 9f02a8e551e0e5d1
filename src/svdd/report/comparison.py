"""The report of a comparison: the plan, the tables, and reward against naturalness and held-out reward, in one file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from svdd.messages import number
from svdd.metrics.columns import Column, drawn_against
from svdd.metrics.kit import Figure, Kit
from svdd.report.figures import figure
from svdd.report.html import named_extra, write_page
from svdd.report.tables import captioned

_SIZES = ("particles", "width", "candidates", "temperature")
_COSTS = {"network": "network rows", "reward": "reward calls"}


def write_comparison(
    found: pd.DataFrame,
    folder: Path,
    kit: Kit,
    facts: Mapping[str, Any],
    plan: Sequence[Mapping[str, Any]],
    says: Sequence[str],
    notes: Sequence[str],
    settings: Mapping[str, Any],
    citations: Sequence[str],
    figures: Sequence[Figure] = (),
) -> Path:
    """Writes report.html of a comparison.

    Args:
        found: columns `label`, `method`, `temperature`, and `x_low` and `x_high` beside every measure x.
        folder: where to.
        kit: of the domain of the designs.
        facts: on top of the page.
        plan: rows of equal keys, a method each.
        says: what the table shows.
        notes: how it was made.
        settings: that all runs share.
        citations: of the methods.
        figures: further ones.

    Raises:
        ImportError: without jinja2 or matplotlib; it names the extra.
    """
    with named_extra():
        drawn = _figures(found, kit)
    shown = found.drop(columns=[name for name in _SIZES if name in found])
    planned = {
        "title": "Plan", "caption": "What one run of each asks for",
        "titles": [name.replace("_", " ") for name in plan[0]], "rows": [list(row.values()) for row in plan],
    }  # fmt: skip
    return write_page(
        folder,
        title=f"Methods compared {facts['compared']}",
        facts={name: number(value) for name, value in facts.items()},
        says=list(says),
        figures=[*figures, *drawn],
        tables=[*captioned(shown, kit.all_columns), planned],
        notes=list(notes),
        settings=dict(settings),
        citations=list(citations),
    )


def _figures(found: pd.DataFrame, kit: Kit) -> list[Figure]:
    """Rewards by row, and the trade-offs: a line per method over its temperatures."""
    from svdd.report.plots import against, quantile_bars

    order = found["method"].factorize()[0]
    lines = found.assign(point=_points(found), order=order).sort_values(["order", "temperature"], kind="stable")
    said = "Median guiding reward and {}, a point per row of the tables, whiskers 95 %; lines join a method's temperatures."
    bars = "Bar: 10 to 90 % of the designs; point: median, with its 95 % interval."
    made = figure("Guiding reward", bars, quantile_bars(found, "reward", "guiding reward"))
    made += figure("Held-out reward", bars, quantile_bars(found, "judge", "held-out reward"))
    for column in _natural(found, kit):
        drawn = against(lines, "reward_median", column.name, "median guiding reward", column.title)
        made += figure("Reward and naturalness", said.format(column.title), drawn)
    drawn = against(lines, "reward_median", "judge_median", "median guiding reward", "median held-out reward")
    return made + figure("Reward and held-out reward", said.format("held-out reward"), drawn) + _priced(found)


def _priced(found: pd.DataFrame) -> list[Figure]:
    """The reward that judges, or else the one that guides, against what a design asked for."""
    from svdd.report.plots import against

    judged = "judge_median" in found and found["judge_median"].notna().any()
    name, words = ("judge_median", "held-out reward") if judged else ("reward_median", "guiding reward")
    made, rows = list[Figure](), found.drop(columns="method")
    for part, cost in _COSTS.items():
        if f"{part}_rows_asked" in rows:
            priced = rows.assign(cost=rows[f"{part}_rows_asked"] / rows["designs"])
            drawn = against(priced, "cost", name, f"{cost} per design", f"median {words}", "log")
            made += figure(
                f"{words.capitalize()} and {cost}", f"A point per row of the tables; {cost} are those asked for.", drawn
            )
    return made


def _natural(found: pd.DataFrame, kit: Kit) -> list[Column]:
    """The first column that was measured of how like natural designs they are, or of their diversity."""
    wanted = [*drawn_against(kit.columns), *(one for one in kit.columns if one.name == "diversity")]
    return [one for one in wanted if one.name in found and found[one.name].notna().any()][:1]


def _points(found: pd.DataFrame) -> list[str]:
    """What tells the points of a method apart: the temperature, where there are several."""
    several = found["method"].duplicated(keep=False)
    pairs = zip(found["temperature"], several, strict=True)
    return [f"{temperature:g}" if shown and temperature == temperature else "" for temperature, shown in pairs]
