"""Columns of the tables of designs: those that each has, and names that scores cannot have."""

from collections.abc import Iterable, Sequence

from svdd.scoring.components import names_of
from svdd.scoring.reward import Reward

COLUMNS = ("id", "chain", "sample", "reward", "valid")
"""The columns that samples.csv has whatever the scores."""
WEIGHT = "log_weight"
"""The column that samples.csv has where every particle of a weighted method is a row."""


class ColumnTakenError(ValueError):
    """A component or a further score has the name of another column."""


def check_columns(reward: Reward, scores: Iterable[str], further: Sequence[str] = ()) -> None:
    """Looks whether components and further scores have names of their own.

    Args:
        reward: that guides.
        scores: names of further scores.
        further: the columns that designs bring with them.

    Raises:
        ColumnTakenError: for a name that another column has, or that designs may bring with them.
    """
    components = names_of(reward)
    for name in (*components, *scores):
        if name in (*COLUMNS, WEIGHT, *further):
            what = "component" if name in components else "score"
            whose = "every result has" if name in COLUMNS else "weights have" if name == WEIGHT else "designs may bring"
            raise ColumnTakenError(f"a {what} cannot be named {name!r}: {whose} that column already")
    for name in scores:
        if name in components:
            raise ColumnTakenError(
                f"a score cannot be named {name!r}: it is a component of the reward, which has that column"
            )
