"""Pending answers: rewards that are computed elsewhere while the run goes on.

A reward that works in the background has `submit(designs)`, which returns at once; the answer's `result()` waits for it.
What a run puts round a reward (counting, memory, budgets) is a *stage*, written once for rewards of both kinds.
"""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Protocol, runtime_checkable

Reward = Callable[[Any], Any]
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
