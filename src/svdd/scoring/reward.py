"""What a reward is, what it may answer, and what it says of itself.

A reward is a callable: designs in, one number per design out. One that works in the background has `submit(designs)` too,
which returns at once; the answer's `result()` waits for it. Nothing here imports torch, so that a process which only holds a
reward stays as small as the reward.
"""

import inspect
import sys
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from svdd.exits import said

if TYPE_CHECKING:
    from svdd.scoring.policy import Policy

Reward: TypeAlias = Callable[[Any], Any]
Key: TypeAlias = Callable[[Any], Hashable]
Ask: TypeAlias = Callable[[str, Reward], Reward]
Derive: TypeAlias = Callable[[Any, Mapping[str, list[Any]]], list[Any]]
"""Designs and the columns of components in, a further column out."""


@runtime_checkable
class Pending(Protocol):
    """An answer that may not be there yet."""

    def result(self) -> Any:
        """Waits for it."""


class _Later:
    """The answer of a plain reward: it is computed when its result is wanted."""

    def __init__(self, reward: Reward, designs: Any) -> None:
        self.result = partial(reward, designs)


def hand_over(reward: Reward, designs: Any) -> Pending:
    """Gives a reward designs; a plain reward is called when the result is wanted."""
    submit = getattr(reward, "submit", None)
    return _Later(reward, designs) if submit is None else submit(designs)


@runtime_checkable
class Composite(Protocol):
    """A reward that is put together from its components."""

    @property
    def components(self) -> Mapping[str, Reward]:
        """The components by name."""

    def asking(self, ask: "Ask") -> "Composite":
        """The same reward, each component called through what `ask` makes of its name and itself."""

    def table(self, designs: Any) -> dict[str, list[Any]]:
        """What each component answers; NaN where it was not called, since another one had settled the matter."""

    def __call__(self, designs: Any) -> Any:
        """The rewards."""


@dataclass(frozen=True)
class Traits:
    """What a reward says of itself with attributes of these names; a run reads them once.

    Args:
        groupwise: whether the number of a design depends on the designs beside it.
        at_once: designs per call.
        policy: what its failures mean; any of them stops a run unless given.
        key: what tells one design from others, where designs are not text or numbers.
        components: the rewards that it is made of, by name.
        derived: further columns of its designs by name, computed from those of the components.
        takes: the form of design that it takes, where a domain knows several.
        in_background: whether it has `submit`, and answers while other designs are still being made.
    """

    groupwise: bool = False
    at_once: int = sys.maxsize
    policy: "Policy | None" = None
    key: Key | None = None
    components: Mapping[str, Reward] = field(default_factory=dict)
    derived: Mapping[str, Derive] = field(default_factory=dict)
    takes: str | None = None
    in_background: bool = False


_SAID = ("groupwise", "at_once", "policy", "key", "components", "derived", "takes")


def traits_of(reward: Reward) -> Traits:
    """The traits of a reward: its attribute `traits`, or its other attributes put together."""
    traits = getattr(reward, "traits", None)
    if isinstance(traits, Traits):
        return traits
    said = {name: getattr(reward, name) for name in _SAID if hasattr(reward, name)}
    in_background = hasattr(reward, "submit") and not said.get("groupwise")
    return Traits(**said, in_background=in_background)


def able(reward: Reward, method: str) -> Any:
    """The reward, or its first component, that has a method, such as `poses`; None if none has."""
    for given in (reward, *traits_of(reward).components.values()):
        one = inspect.unwrap(given)
        if callable(getattr(one, method, None)):
            return one
    return None


def like(wrapper: Reward, reward: Reward) -> Reward:
    """`wrapper` with the traits of `reward`; it has a `submit` of its own if it works in the background."""
    wrapper.traits = replace(traits_of(reward), in_background=hasattr(wrapper, "submit"))  # type: ignore[attr-defined]
    return wrapper


def name_of(reward: Reward) -> str:
    """What a reward is called: its name in the registry, or that of its function or class."""
    named = getattr(reward, "named", (reward,))[0]
    return named if isinstance(named, str) else getattr(named, "__name__", type(named).__name__)


def close(reward: Reward) -> None:
    """Ends what a reward has started, worker processes and connections; most have nothing to end."""
    getattr(reward, "close", lambda: None)()


def groupwise(reward: Reward) -> Reward:
    """Marks a reward whose numbers depend on the batch, such as a diversity score or a rank.

    A run gives it whole batches only: nothing is remembered, shared, split or called again by itself.

    Args:
        reward: a list of designs in, one number per design out.
    """
    try:
        reward.groupwise = True  # type: ignore[attr-defined]
    except AttributeError:

        def whole_batches(designs: Any) -> Any:
            return reward(designs)

        whole_batches.groupwise = True  # type: ignore[attr-defined]
        return whole_batches
    return reward


class Invalid(float):
    """-inf that says why: in a list of numbers, the answer for a design that has none.

    A run counts its invalid designs by reason: `result.breakdown.invalid`.

    Args:
        why: a few words, the same for all designs of a kind.
    """

    why: str

    def __new__(cls, why: str) -> "Invalid":
        """-inf, with its reason."""
        made = super().__new__(cls, "-inf")
        made.why = why
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        """What a copy in another process is made from."""
        return (self.why,)

    def __repr__(self) -> str:
        return f"Invalid({self.why!r})"


@dataclass(frozen=True)
class Failure:
    """In the place of a number: why there is none.

    Args:
        kind: `error`, `timeout` or `nan`.
        why: what was said.
        cause: the exception, where it was raised in this process.
        policy: what it means, where another policy than that of the reward decides: that of a component.
    """

    kind: str
    why: str
    cause: Exception | None = None
    policy: "Policy | None" = None

    def under(self, policy: "Policy") -> "Failure":
        """The same failure, which `policy` settles."""
        return replace(self, policy=policy)


def failure(error: Exception) -> Failure:
    """The failure that an exception is."""
    kind = "timeout" if isinstance(error, TimeoutError) else "error"
    return Failure(kind, said(error), error)


class RewardError(ValueError):
    """A reward or a value answered with something that is not one usable number a design."""
