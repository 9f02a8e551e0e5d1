"""Components: the rewards that a reward is made of; a run asks each once for a design, and gives each a column.

A reward tells of them with `components`, a mapping of names to functions of designs, and that is all that a column takes.
A `Composite` reward is put together from them: a run puts its memory and its files of scores between the two.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from svdd.cost.batches import count, picked
from svdd.scoring.policy import RewardFailureWarning, separated
from svdd.scoring.reward import Failure, Invalid, Reward, RewardError, handing_over, shown

Ask = Callable[[str, Reward], Reward]


Columns = Callable[[Any], dict[str, Tensor]]


@runtime_checkable
class Composite(Protocol):
    """A reward that is put together from its components."""

    @property
    def components(self) -> Mapping[str, Reward]:
        """The components by name."""

    def asking(self, ask: Ask) -> "Composite":
        """The same reward, each component asked through what `ask` makes of its name and itself."""

    def table(self, designs: Any) -> dict[str, list[Any]]:
        """What each component answers; NaN where it was not asked, since another one had settled the matter."""

    def __call__(self, designs: Any) -> Any:
        """The rewards."""


def apart(reward: Reward, ask: Ask) -> tuple[Reward, Columns]:
    """A reward with its components asked through `ask`, and the columns that they are to designs.

    Args:
        reward: any; without components there are no columns.
        ask: makes a component what a run asks.
    """
    asked = reward.asking(ask) if isinstance(reward, Composite) else reward

    def columns(designs: Any) -> dict[str, Tensor]:
        return {name: _numbers(values) for name, values in table_of(asked, designs).items()}

    return asked, columns


def names_of(reward: Reward) -> list[str]:
    """The names of the columns that a reward brings with it."""
    return list(getattr(reward, "components", {}))


def listed(answer: Any, n: int, source: str) -> list[Any]:
    """The answer of a component, or of another reward, as a list of numbers; `Invalid` and `Failure` stay what they are.

    Raises:
        RewardError: for an answer that is not one number a design.
    """
    numbers, told = separated(answer, n, source)
    values: list[Any] = numbers.tolist()
    for row, one in told.items():
        if one.kind != "nan":
            values[row] = Invalid(one.why) if one.kind == "invalid" else one
    return values


def answered(reward: Reward, designs: Any, name: str) -> list[Any]:
    """Asks a component; one that works in the background tells of failures, and they are not settled here."""
    return listed(handing_over(reward)(designs).result(), count(designs), f"component {name}")


def table_of(reward: Reward, designs: Any) -> dict[str, list[Any]]:
    """The columns of designs as lists; where a component fails, as it did in the run, that design alone has none."""
    n = count(designs)
    if not n:
        return {name: [] for name in names_of(reward)}
    try:
        if isinstance(reward, Composite):
            return reward.table(designs)
        parts: Mapping[str, Reward] = getattr(reward, "components", {})
        return {name: answered(part, designs, name) for name, part in parts.items()}
    except RewardError:
        raise
    except Exception as error:
        if n == 1:
            warnings.warn(
                f"the components of {shown(designs, 0)} stay open ({type(error).__name__}: {error})",
                RewardFailureWarning,
                stacklevel=2,
            )
            return {name: [math.nan] for name in names_of(reward)}
        tables = [table_of(reward, picked(designs, [i])) for i in range(n)]
        return {name: [one for table in tables for one in table[name]] for name in tables[0]}


def _numbers(values: list[Any]) -> Tensor:
    return torch.tensor([math.nan if isinstance(one, Failure) else float(one) for one in values], dtype=torch.float64)
