"""What a reward is, what it may answer, and what it says of itself.

A reward that works in the background has `submit(designs)`, which returns at once; the answer's `result()` waits for it.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Reward: TypeAlias = Callable[[Any], Any]
Stage = Callable[[Any], Generator[Any, Any, Any]]


@runtime_checkable
class Pending(Protocol):
    """An answer that may not be there yet."""

    def result(self) -> Any:
        """Waits for it."""


class _Later:
    """A plain reward's answer, computed when it is asked for."""

    def __init__(self, reward: Reward, designs: Any) -> None:
        self.reward, self.designs = reward, designs

    def result(self) -> Any:
        return self.reward(self.designs)


class _Nothing:
    """No question: the stage goes on when it is waited for."""

    def result(self) -> None:
        return None


class _Staged:
    """A stage on its way: what it yielded last is being answered."""

    def __init__(self, steps: Generator[Any, Any, Any], ask: Callable[[Any], Pending]) -> None:
        self._steps, self._ask, self._done = steps, ask, False
        self._go(lambda: next(steps))

    def _go(self, move: Callable[[], Any]) -> None:
        try:
            asked = move()
            self._waiting = _Nothing() if asked is None else self._ask(asked)
        except StopIteration as end:
            self._done, self._answer = True, end.value

    def result(self) -> Any:
        while not self._done:
            try:
                answer = self._waiting.result()
            except Exception as error:
                self._go(lambda error=error: self._steps.throw(error))  # type: ignore[misc]
            else:
                self._go(lambda answer=answer: self._steps.send(answer))  # type: ignore[misc]
        return self._answer


def handing_over(reward: Reward) -> Callable[[Any], Pending]:
    """How a reward is given designs: a plain one answers when its answer is waited for."""
    submit: Callable[[Any], Pending] = getattr(reward, "submit", partial(_Later, reward))
    return submit


def in_background(reward: Reward) -> bool:
    """Whether the reward of a few designs can be computed while others are still being made."""
    return hasattr(reward, "submit") and not is_groupwise(reward)


def is_groupwise(reward: Reward) -> bool:
    """Whether a design's reward depends on the designs beside it."""
    return bool(getattr(reward, "groupwise", False))


def staged(reward: Reward, stage: Stage) -> Reward:
    """`reward` inside a stage.

    Args:
        reward: a plain reward, or one with `submit`; the result is of the same kind.
        stage: a generator: given designs, it yields those to ask `reward` for, is sent the answer (or thrown the error),
            as often as it needs, and returns the numbers. It yields None to wait until its own answer is waited for.
    """
    ask = handing_over(reward)

    def submit(designs: Any) -> Pending:
        return _Staged(stage(designs), ask)

    def wrapper(designs: Any) -> Any:
        return submit(designs).result()

    if hasattr(reward, "submit"):
        wrapper.submit = submit  # type: ignore[attr-defined]
    return like(wrapper, reward)


def like(wrapper: Reward, reward: Reward) -> Reward:
    """`wrapper` with what `reward` says of itself: is it groupwise, how many designs it takes at once, its components, ..."""
    for mark in ("groupwise", "at_once", "policy", "key", "components", "takes"):
        if hasattr(reward, mark):
            setattr(wrapper, mark, getattr(reward, mark))
    return wrapper


def close(reward: Reward) -> None:
    """Ends what a reward has started, worker processes and connections; most have nothing to end."""
    getattr(reward, "close", lambda: None)()


def groupwise(reward: Reward) -> Reward:
    """Marks a reward whose numbers depend on the batch, such as a diversity score or a rank.

    A run asks it for whole batches only: nothing is remembered, shared, split or asked again by itself.

    Args:
        reward: a list of designs in, one number each out.
    """
    try:
        reward.groupwise = True  # type: ignore[attr-defined]
    except AttributeError:

        def wrapper(designs: Any) -> Any:
            return reward(designs)

        wrapper.groupwise = True  # type: ignore[attr-defined]
        return wrapper
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
    """

    kind: str
    why: str
    cause: Exception | None = None


def failure(error: Exception) -> Failure:
    """The failure that an exception is."""
    kind = "timeout" if isinstance(error, TimeoutError) else "error"
    return Failure(kind, f"{type(error).__name__}: {error}".removesuffix(": "), error)


class RewardError(ValueError):
    """A reward or a value answered with something that is not one usable number a design."""


def shown(designs: Any, row: int) -> str:
    """One design, for a message."""
    try:
        text = repr(designs[row])
    except (TypeError, KeyError, IndexError):
        return "a design that cannot be shown"
    return text if len(text) <= 80 else text[:77] + "..."


def as_numbers(numbers: Any, n: int, source: str = "reward") -> Float[Tensor, " n"]:
    """`numbers` as n float64 numbers on the CPU, whatever they are.

    Raises:
        RewardError: for a wrong type, length or shape.
    """
    try:
        tensor = numbers.detach() if isinstance(numbers, Tensor) else torch.as_tensor(np.array(numbers))
        if tensor.is_complex():
            raise TypeError
        tensor = tensor.to("cpu", torch.float64, copy=True)  # a reward may write into the same array again
    except (TypeError, ValueError, RuntimeError):
        raise RewardError(
            f"the {source} must return {n} numbers, one a design, but returned a {type(numbers).__name__}: "
            f"{numbers!r:.80}"
        ) from None
    if tensor.shape != (n,):
        raise RewardError(
            f"the {source} was given {n} designs and must return {n} numbers of shape ({n},), "
            f"but returned shape {tuple(tensor.shape)}"
        )
    return tensor


def checked(numbers: Any, designs: Any, n: int, source: str = "reward") -> Float[Tensor, " n"]:
    """`numbers` as n float64 numbers on the CPU, once they are known to be usable.

    Raises:
        RewardError: for a wrong type, length or shape, for NaN and for +inf; it names the rows and shows one design.
    """
    tensor = as_numbers(numbers, n, source)
    bad = (tensor.isnan() | tensor.isposinf()).nonzero().flatten().tolist()
    if bad:
        kind = "NaN" if bool(tensor[bad[0]].isnan()) else "+inf"
        raise RewardError(
            f"the {source} returned {kind} for {len(bad)} of {n} designs (rows {str(bad[:5])[1:-1]}"
            f"{', ...' if len(bad) > 5 else ''}), such as {shown(designs, bad[0])}; "
            "return -inf for an invalid design"
        )
    return tensor
