"""Columns: a measure of designs, declared once: what it is of designs, and how tables, reports and comparisons show it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

REWARD, HELD_OUT, NATURALNESS = "Reward", "Held-out reward", "Naturalness"
DIVERSITY, COMPOSITION, STRUCTURE, COST = "Diversity and novelty", "Composition", "Structure", "Cost"
SECTIONS = (REWARD, HELD_OUT, NATURALNESS, DIVERSITY, COMPOSITION, COST, STRUCTURE)
"""The parts of a table of measures, in their order."""

Measure: TypeAlias = Any
"""A `svdd.metrics.intervals.Statistic`, a number without an interval, or None where it cannot be taken."""


def _always(view: Any) -> bool:
    return True


def _nowhere(view: Any) -> Measure:
    raise AssertionError("a column of costs is measured by the run")


@dataclass(frozen=True)
class Column:
    """A measure.

    Args:
        name: of the column.
        words: what it is, for people, as in "by the WORDS".
        section: of `SECTIONS`.
        statistic: of designs, seen as the domain's kit sees them (`svdd.metrics.View`).
        unit: of its numbers; empty for a number without one.
        better: `higher`, `lower`, or empty where neither is.
        given: whether it can be asked of these designs at all; a table has no such column where it cannot.
        centred: whether its interval is centred, as that of a correlation is, and within -1 to 1.
        axis: whether reports draw it against the reward: how like natural designs they are.
        price: whether comparisons say it as what guidance costs.
    """

    name: str
    words: str
    section: str
    statistic: Callable[[Any], Measure] = _nowhere
    unit: str = ""
    better: str = ""
    given: Callable[[Any], bool] = _always
    centred: bool = False
    axis: bool = False
    price: bool = False

    @property
    def title(self) -> str:
        """What it is with its unit, as on an axis."""
        return f"{self.words}, {self.unit}" if self.unit else self.words


def costs() -> tuple[Column, ...]:
    """What runs cost, summed over the runs of a row."""
    rows = [(part, what) for part in ("network", "value", "reward") for what in ("asked", "computed")]
    spent = [Column(f"{part}_rows_{what}", f"{part} rows {what}", COST, better="lower") for part, what in rows]
    seconds = Column("seconds", "seconds", COST, unit="s", better="lower")
    return (*spent, seconds, Column("elbo_rows", "rows of the bound", COST), Column("judge_rows", "judge rows", COST))


def drawn_against(columns: Sequence[Column]) -> list[Column]:
    """Those that reports draw against the reward."""
    return [column for column in columns if column.axis]
