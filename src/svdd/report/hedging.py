"""The page of a hedge: its sentences, the expected judge against temperature and against N, in one file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from svdd.messages import number
from svdd.metrics.hedging import Curve
from svdd.report.curves import curve_figures, table_of
from svdd.report.html import named_extra, write_page


def write_hedge(
    path: str | Path, facts: Mapping[str, Any], says: Sequence[str], notes: Sequence[str], curves: tuple[Curve, Curve],
    names: tuple[str, str],
) -> Path:  # fmt: skip
    """Writes the page of a hedge.

    Args:
        path: the file, or a folder for `report.html`.
        facts: on top of the page.
        says: what it shows.
        notes: how it was made.
        curves: against temperature, and against N.
        names: of the guide and of the judge.

    Raises:
        ImportError: without jinja2 or matplotlib; it names the extra.
    """
    guide, judge = names
    with named_extra():
        drawn = curve_figures(*curves, judge)
    tables = [table_of(curve, title) for curve, title in zip(curves, ("temperature", "N"), strict=True)]
    return write_page(
        path,
        title=f"How far {guide} can be followed, by {judge}",
        facts={name: number(value) for name, value in facts.items()},
        says=list(says),
        figures=drawn,
        tables=[{"title": f"By {one['titles'][0]}", **one} for one in tables],
        notes=list(notes),
    )
