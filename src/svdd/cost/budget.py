"""Budgets: what a run may spend, in reward calls, network rows or seconds, and the guard that stops it in time."""

import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from svdd.chain.denoisers import Denoiser
from svdd.chain.tree import Tree, rows
from svdd.cost.clock import BudgetSpent, within
from svdd.cost.ledger import Usage
from svdd.messages import check_known


class BudgetWarning(UserWarning):
    """A run was planned smaller than asked, or stopped, to stay within its budget."""


@dataclass(frozen=True)
class Budget:
    """What a run may spend at most.

    Args:
        rewards: designs that the reward is computed for.
        rows: states that the network is computed for.
        seconds: wall time, kept to within one call; sizes are not planned for it.

    Raises:
        ValueError: for nothing, or numbers that are not positive.
    """

    rewards: int | None = None
    rows: int | None = None
    seconds: float | int | None = None

    def __post_init__(self) -> None:
        given = self.record()
        if not given or not all(isinstance(v, int | float) and v > 0 for v in given.values()):
            raise ValueError(
                f"a budget is some of rewards=..., rows=... and seconds=..., all above 0, got {given or 'none'}"
            )

    @classmethod
    def of(cls, given: "Budget | Mapping[str, Any]") -> "Budget":
        """A budget from its parts.

        Raises:
            ValueError: for an unknown part.
        """
        if isinstance(given, Budget):
            return given
        for name in given:
            check_known("part of a budget", name, cls.__dataclass_fields__)
        return cls(**given)

    def record(self) -> dict[str, int | float]:
        """The parts that are given."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def __str__(self) -> str:
        words = {"rewards": "reward calls", "rows": "network rows", "seconds": "seconds"}
        return " and ".join(f"{value:,} {words[name]}" for name, value in self.record().items())


class Unlimited:
    """The guard of a run without a budget: it lets everything pass."""

    limited = False

    def start(self) -> None:
        """The clock runs from here."""

    def reserve(self, rewards: int) -> None:
        """Sets so many reward calls aside, until `release`.

        Raises:
            BudgetSpent: if they would go beyond the budget.
        """

    def release(self, rewards: int) -> None:
        """Gives back what `reserve` set aside, once it is counted or failed."""

    def clock(self) -> AbstractContextManager[None]:
        """What is called in here can see how much time is left."""
        return nullcontext()

    def network(self, denoiser: Denoiser, rows_each: int) -> Denoiser:
        """`denoiser` within the budget; raises as `reserve` does."""
        return denoiser


UNLIMITED = Unlimited()


class Guard(Unlimited):
    """Keeps a run within its budget: every call passes here first.

    Args:
        budget: what may be spent.
        usage: what has been.
    """

    limited = True

    def __init__(self, budget: Budget, usage: Usage) -> None:
        self.budget, self.usage = budget, usage
        self._reserved, self._until = 0, math.inf

    def start(self) -> None:
        """The clock runs from here, less what an earlier part of the run took."""
        self._until = time.monotonic() + (self.budget.seconds or math.inf) - self.usage.seconds

    def reserve(self, rewards: int) -> None:
        """See `Unlimited`."""
        self._check("rewards", self.usage.reward.rows + self._reserved + rewards)
        self._reserved += rewards

    def release(self, rewards: int) -> None:
        """See `Unlimited`."""
        self._reserved -= rewards

    def clock(self) -> AbstractContextManager[None]:
        """See `Unlimited`."""
        return within(self._until)

    def network(self, denoiser: Denoiser, rows_each: int) -> Denoiser:
        """See `Unlimited`."""

        def guarded_denoiser(x: Tree, t: Tensor, cond: Tree) -> Any:
            self._check("rows", self.usage.network.rows + rows(x) * rows_each)
            return denoiser(x, t, cond)

        return guarded_denoiser

    def _check(self, part: str, then: int) -> None:
        limit, usage = getattr(self.budget, part), self.usage
        if (limit is not None and then > limit) or time.monotonic() > self._until:
            raise BudgetSpent(
                f"the budget of {self.budget} is spent: {usage.reward.rows:,} reward calls "
                f"and {usage.network.rows:,} network rows"
            )
