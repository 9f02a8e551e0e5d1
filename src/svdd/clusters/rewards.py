"""Rewards on Ray: designs shared out over actors that hold the reward, with resources of their own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from svdd.accounting import between, count
from svdd.clusters.actors import Actors, Resources, answer_of
from svdd.outcomes import judged
from svdd.pending import Reward, is_groupwise, like
from svdd.values import as_numbers


class _Scoring:
    """A reward in a process of its own."""

    def __init__(self, make: Callable[[], Reward]) -> None:
        self.reward = make()

    def score(self, designs: Any) -> list[Any]:
        """A number for every design, or a `svdd.outcomes.Failure` where the reward tells of one."""
        submit = getattr(self.reward, "submit", None)
        answer = self.reward(designs) if submit is None else submit(designs).result()
        return answer if isinstance(answer, list) else as_numbers(answer, count(designs)).tolist()


class RemoteReward:
    """A reward whose designs are shared out over actors, in equal parts; a groupwise reward's stay together."""

    def __init__(self, actors: Sequence[Any], reward: Reward) -> None:
        self.actors = list(actors[:1] if is_groupwise(reward) else actors)
        like(self, reward)

    def __call__(self, designs: Any) -> Any:
        """The rewards, one a design; failures are settled by the policy."""
        return judged(self)(designs)

    def submit(self, designs: Any) -> "_Answers":
        """Hands designs over at once; `result()` is a list with a number, or a `svdd.outcomes.Failure`, for each."""
        n = count(designs)
        size = max(1, -(-n // len(self.actors)))
        parts = [between(designs, i, min(i + size, n)) for i in range(0, n, size)]
        return _Answers([actor.score.remote(part) for actor, part in zip(self.actors, parts, strict=False)])


class _Answers:
    """Answers of several actors, in their order."""

    def __init__(self, references: Sequence[Any]) -> None:
        self.references = references

    def result(self) -> list[Any]:
        return [answer for reference in self.references for answer in answer_of(reference)]


@contextmanager
def reward_on_ray(
    reward: Reward, make: Callable[[], Reward], workers: int, resources: Resources
) -> Iterator[RemoteReward]:
    """The reward in `workers` actors of a Ray cluster, gone at the end of the block.

    Args:
        reward: as it is here, for what it says of itself: whether it is groupwise, what its failures mean.
        make: makes it in an actor.
        workers: actors.
        resources: of each.
    """
    with Actors(_Scoring, workers, resources, make) as actors:
        yield RemoteReward(actors, reward)
