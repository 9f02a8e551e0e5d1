r"""Desirability: a reward brought to the range from 0 to 1, where 1 is as good as can be wanted.

Every shape is a function of one number; a `Desirability` is a reward seen through it, and a reward itself.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from svdd.registry import as_reward
from svdd.scoring.identity import reward_identity, source_of
from svdd.scoring.reward import Invalid, Reward

Number = int | float
Shape = Callable[[float], float]


@dataclass(frozen=True)
class _Shape:
    """What shapes share: finite numbers."""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, bool) or not isinstance(value, Number) or not math.isfinite(value):
                raise ValueError(f"{one.name} of {type(self).__name__.lower()} is a finite number, got {value!r}")
            object.__setattr__(self, one.name, float(value))


@dataclass(frozen=True)
class Sigmoid(_Shape):
    """1 / (1 + exp(-steepness (x - middle)))."""

    middle: Number
    steepness: Number = 1.0

    def __call__(self, x: float) -> float:
        return 0.5 + 0.5 * math.tanh(0.5 * self.steepness * (x - self.middle))


@dataclass(frozen=True)
class Ramp(_Shape):
    """A straight line from 0 at `zero` to 1 at `one`, level beyond both."""

    zero: Number
    one: Number

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.zero == self.one:
            raise ValueError(f"a ramp rises or falls between two numbers, got {self.zero:g} twice; at_least is a step")

    def __call__(self, x: float) -> float:
        return min(1.0, max(0.0, (x - self.zero) / (self.one - self.zero)))


@dataclass(frozen=True)
class Interval(_Shape):
    """1 from `low` to `high`; outside it falls to 0 over `margin`, at once where that is 0."""

    low: Number
    high: Number
    margin: Number = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low <= self.high or self.margin < 0:
            raise ValueError(
                f"an interval goes from low to high, with a margin of 0 or more, got {self.low:g}, {self.high:g} and "
                f"{self.margin:g}"
            )

    def __call__(self, x: float) -> float:
        outside = max(self.low - x, x - self.high, 0.0)
        return max(0.0, 1.0 - outside / self.margin) if self.margin else float(outside == 0)


@dataclass(frozen=True)
class AtLeast(_Shape):
    """1 from a bound on, 0 below."""

    bound: Number

    def __call__(self, x: float) -> float:
        return float(x >= self.bound)


@dataclass(frozen=True)
class AtMost(_Shape):
    """1 up to a bound, 0 above."""

    bound: Number

    def __call__(self, x: float) -> float:
        return float(x <= self.bound)


_BESIDE = ("close", "poses")


@dataclass(frozen=True)
class Desirability:
    """A reward seen through a shape.

    Args:
        reward: any reward.
        shape: of its numbers; themselves unless given.
        must: whether a design below 1 is invalid.
    """

    reward: Reward
    shape: Shape | None = None
    must: bool = False

    def __call__(self, designs: Any) -> list[Any]:
        from svdd.cost.batches import count  # here, since both bring torch, and jobs need only the shapes
        from svdd.scoring.answers import plain_numbers

        values = plain_numbers(self.reward(designs), count(designs))
        return [self._answer(one) if isinstance(one, float) and math.isfinite(one) else one for one in values]

    def _answer(self, x: float) -> float:
        return self.of(x) if self.met(x) else Invalid("a condition is not met")

    def of(self, x: float) -> float:
        """What a number of the reward is worth."""
        return self.shape(x) if self.shape is not None else x

    def met(self, x: float) -> bool:
        """Whether it may be so."""
        return not self.must or self.of(x) >= 1

    def __getattr__(self, name: str) -> Any:
        """What the reward has beside numbers: poses, and processes to close."""
        if name in _BESIDE:
            return getattr(self.reward, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    @property
    def identity(self) -> str:
        """What decides its numbers."""
        return f"{self.shape} {self.must} of {reward_identity(self.reward)} {source_of(type(self))}"


def _shaped(reward: Reward | str, shape: Shape) -> Desirability:
    reward = as_reward(reward)
    if isinstance(reward, Desirability) and (reward.shape is not None or reward.must):
        raise ValueError(f"the reward has the shape {reward.shape} already; give the plain reward")
    return Desirability(reward, shape)


def sigmoid(reward: Reward | str, middle: Number, steepness: Number = 1.0) -> Desirability:
    """A smooth rise from 0 to 1: 1 / (1 + exp(-steepness (r - middle))).

    Args:
        reward: any reward, or its name.
        middle: where it is a half, in units of the reward.
        steepness: of the rise, in 1 / units of the reward; negative falls.
    """
    return _shaped(reward, Sigmoid(middle, steepness))


def ramp(reward: Reward | str, zero: Number, one: Number) -> Desirability:
    """A straight rise from 0 to 1, level beyond: min(1, max(0, (r - zero) / (one - zero))).

    Args:
        reward: any reward, or its name.
        zero: where it is 0, in units of the reward.
        one: where it is 1; below `zero`, it falls.

    Raises:
        ValueError: if both are the same.
    """
    return _shaped(reward, Ramp(zero, one))


def interval(reward: Reward | str, low: Number, high: Number, margin: Number = 0.0) -> Desirability:
    """1 between two numbers, 0 outside or falling to it over a margin.

    Args:
        reward: any reward, or its name.
        low: lower end, in units of the reward.
        high: upper end.
        margin: how far outside it is 0.

    Raises:
        ValueError: for ends the wrong way round, and a negative margin.
    """
    return _shaped(reward, Interval(low, high, margin))


def at_least(reward: Reward | str, bound: Number) -> Desirability:
    """A condition: 1 where the reward is `bound` or more, 0 elsewhere."""
    return _shaped(reward, AtLeast(bound))


def at_most(reward: Reward | str, bound: Number) -> Desirability:
    """A condition: 1 where the reward is `bound` or less, 0 elsewhere."""
    return _shaped(reward, AtMost(bound))


def must(reward: Reward | str) -> Desirability:
    """A condition that vetoes: a design whose desirability is below 1 is invalid, whatever else is good about it.

    In an objective it has no weight, and nothing that is listed after it is asked about such a design.

    Args:
        reward: a condition, as `at_least` and `at_most` make it, or a reward that is 1 where it is met, or its name.
    """
    reward = as_reward(reward)
    return replace(reward if isinstance(reward, Desirability) else Desirability(reward), must=True)
