"""Components: the rewards that a reward is made of; a run asks each once for a design, and gives each a column.

A reward tells of them with `components`, a mapping of names to functions of designs, and that is all that a column takes.
A `Composite` reward is put together from them: a run puts its memory and its files of scores between the two.
"""

import math
import sys
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from svdd.accounting import Cost, count, metered, picked
from svdd.invalid import Invalid
from svdd.memo import Key, Shelves, first_of, keys_of
from svdd.outcomes import Failure, RewardFailureWarning, separated
from svdd.pending import Pending, Reward, handing_over
from svdd.result import COLUMNS
from svdd.values import RewardError, shown

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


def check_columns(reward: Reward, scores: Iterable[str]) -> None:
    """Looks whether components and further scores have names of their own.

    Raises:
        ValueError: for a name that another column has.
    """
    components = names_of(reward)
    for name in (*components, *scores):
        if name in COLUMNS:
            what = "component" if name in components else "score"
            raise ValueError(f"a {what} cannot be named {name!r}: every result has that column already")
    for name in scores:
        if name in components:
            raise ValueError(
                f"a score cannot be named {name!r}: it is a component of the reward, which has that column"
            )


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


class Remembered:
    """A component, or another reward than the run's own, as a run asks it: once for each design, also over an interruption.

    Args:
        reward: what is asked.
        source: what it is called, for messages.
        cost: where to count.
        shelf: its scores on disk.
        key: what tells designs apart, where they are not text or numbers.
    """

    def __init__(self, reward: Reward, source: str, cost: Cost, shelf: Shelves | None, key: Key | None) -> None:
        self.source, self.cost, self.shelf, self.key = source, cost, shelf, key
        self._submit = handing_over(metered(reward, cost))
        self._at_once = getattr(reward, "at_once", sys.maxsize) if hasattr(reward, "submit") else sys.maxsize
        self._known: dict[Hashable, float] = {}
        self.components: Mapping[str, Reward] = getattr(reward, "components", {})

    def __call__(self, designs: Any) -> list[Any]:
        """A number for each design, `Invalid` or a `Failure`; failures and NaN are not remembered."""
        keys = keys_of(designs, self.key, bits=self.shelf is not None)
        if keys is None:
            return self._listed(designs, self._submit(designs))
        fresh = first_of(keys, lambda key: key not in self._known)
        self.cost.hits += len(keys) - len(fresh)
        if self.shelf is not None and fresh:
            found, _ = self.shelf.look([keys[i] for i in fresh], self.cost)
            self._known |= {key: _invalid(*told) for key, told in found.items()}
            fresh = [i for i in fresh if keys[i] not in found]
        now = dict(zip((keys[i] for i in fresh), self._new(designs, fresh), strict=True))
        return [self._known[key] if key in self._known else now[key] for key in keys]

    def _new(self, designs: Any, rows: list[int]) -> list[Any]:
        """Asks for designs, all at once of what works in the background, and keeps what will stay so as it arrives."""
        parts = [picked(designs, rows[i : i + self._at_once]) for i in range(0, len(rows), self._at_once)]
        handed_over = [(part, self._submit(part)) for part in parts]
        return [one for part, answer in handed_over for one in self._kept(part, self._listed(part, answer))]

    def _listed(self, designs: Any, answer: Pending) -> list[Any]:
        return listed(answer.result(), count(designs), self.source)

    def _kept(self, asked: Any, values: list[Any]) -> list[Any]:
        """Answers, those that will stay so in memory and on the shelf."""
        lasting = [i for i, one in enumerate(values) if isinstance(one, float) and one < math.inf]
        kept = picked(asked, lasting)
        keys = keys_of(kept, self.key, bits=self.shelf is not None)
        assert keys is not None, "designs that were told apart still are"
        numbers = [values[i] for i in lasting]
        self._known |= dict(zip(keys, numbers, strict=True))
        if self.shelf is not None and lasting:
            told = {i: f"invalid: {one.why}" for i, one in enumerate(numbers) if isinstance(one, Invalid)}
            self.shelf.keep(kept, torch.tensor(numbers, dtype=torch.float64), told)
        return values


def _invalid(score: float, told: str) -> float:
    return Invalid(told.partition(": ")[2]) if told.startswith("invalid: ") else score


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
