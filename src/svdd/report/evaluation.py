"""The report of an evaluation: its tables, and reward against held-out reward and likelihood, in one file."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from svdd.metrics.columns import drawn_against
from svdd.metrics.kit import Figure, Kit
from svdd.metrics.measures import REWARDS
from svdd.report.figures import figure
from svdd.report.html import named_extra, write_page
from svdd.report.tables import captioned


def write_evaluation(
    found: pd.DataFrame, folder: Path, kit: Kit, notes: Sequence[str] = (), figures: Sequence[Figure] = ()
) -> Path:
    """Writes report.html of a table with a column `label`, and `x_low` and `x_high` beside every measure x.

    Args:
        found: the table.
        folder: where to.
        kit: of the domain of the designs.
        notes: sentences about the table.
        figures: further ones.

    Raises:
        ImportError: without jinja2 or matplotlib; it names the extra.
    """
    facts = {"rows": len(found), "runs": int(found["runs"].sum()), "designs": int(found["designs"].sum())}
    return write_page(
        folder,
        title=f"Evaluation of {kit.designs}",
        facts=facts,
        tables=captioned(found, kit.all_columns),
        notes=list(notes),
        figures=[*figures, *_figures(found, kit)],
    )


def _figures(found: pd.DataFrame, kit: Kit) -> list[Figure]:
    """The guiding reward against the held-out one, and against how like natural designs they are."""
    with named_extra():
        from svdd.report.plots import against

    reward, judge = (next(one for one in REWARDS if one.name == name) for name in ("reward_mean", "judge_mean"))
    made = []
    for column in (judge, *drawn_against(kit.columns)):
        drawn = against(found, reward.name, column.name, reward.title, column.title)
        says = f"{column.title[:1].upper()}{column.title[1:]} by {reward.title}, a point per row of the tables, whiskers 95 %."
        made += figure(f"Guiding reward and {column.words}", says, drawn)
    return made
