"""Rewards on Ray: designs shared out over actors that hold the reward, with resources of their own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from svdd.clusters.actors import Actors, Resources, answer_of
from svdd.cost.batches import between, count
from svdd.scoring.components import Composite
from svdd.scoring.policy import judged
from svdd.scoring.reward import Reward, as_numbers, handing_over, is_groupwise, like


class _Scoring:
    """A reward in a process of its own."""

    def __init__(self, make: Callable[[], Reward]) -> None:
        self.reward = make()
        self._changed = dict[str, Reward]()

    def change(self, change: Callable[[Reward], Reward], component: str) -> None:
        """The reward, or a component of it, becomes what `change` makes of it."""
        self._changed[component] = change(self._named(component))

    def _named(self, component: str) -> Reward:
        if component in self._changed:
            return self._changed[component]
        return self.reward.components[component] if component else self.reward  # type: ignore[attr-defined]

    def score(self, designs: Any, component: str) -> list[Any]:
        """A number for every design, or a `svdd.scoring.Failure` where the reward, or a component of it, tells of one."""
        answer = handing_over(self._named(component))(designs).result()
        return answer if isinstance(answer, list) else as_numbers(answer, count(designs)).tolist()


class RemoteReward:
    """A reward whose designs are shared out over actors, in equal parts; a groupwise reward's stay together.

    Args:
        actors: that hold the reward.
        reward: as it is here.
        component: its name, for a component of what the actors hold.
    """

    def __init__(self, actors: Sequence[Any], reward: Reward, component: str = "") -> None:
        self.actors = list(actors[:1] if is_groupwise(reward) else actors)
        self.component = component
        like(self, reward)
        for mark in ("identity", "named"):
            with suppress(ValueError):  # of one that cannot be told from others
                if hasattr(reward, mark):
                    setattr(self, mark, getattr(reward, mark))
        within, own = f"{component}." if component else "", getattr(reward, "components", {})
        self.components = {name: RemoteReward(actors, part, within + name) for name, part in own.items()}

    def inside(self, change: Callable[[Reward], Reward]) -> "RemoteReward":
        """The same, what the actors hold changed."""
        for actor in self.actors:
            actor.change.remote(change, self.component)  # which goes before all that it is asked from here on
        return self

    def __call__(self, designs: Any) -> Any:
        """The rewards, one a design; failures are settled by the policy."""
        return judged(self)(designs)

    def submit(self, designs: Any) -> "_Answers":
        """Hands designs over at once; `result()` is a list with a number, or a `svdd.scoring.Failure`, for each."""
        n = count(designs)
        size = max(1, -(-n // len(self.actors)))
        parts = [between(designs, i, min(i + size, n)) for i in range(0, n, size)]
        asked = zip(self.actors, parts, strict=False)
        return _Answers([actor.score.remote(part, self.component) for actor, part in asked])


class _Answers:
    """Answers of several actors, in their order."""

    def __init__(self, references: Sequence[Any]) -> None:
        self.references = references

    def result(self) -> list[Any]:
        return [answer for reference in self.references for answer in answer_of(reference)]


@contextmanager
def reward_on_ray(reward: Reward, make: Callable[[], Reward], workers: int, resources: Resources) -> Iterator[Reward]:
    """The reward in `workers` actors of a Ray cluster, gone at the end of the block.

    Args:
        reward: as it is here, for what it says of itself: whether it is groupwise, what its failures mean, its components.
        make: makes it in an actor.
        workers: actors.
        resources: of each.
    """
    with Actors(_Scoring, workers, resources, make) as actors:
        if isinstance(reward, Composite):
            yield reward.asking(lambda name, component: RemoteReward(actors, component, name))
        else:
            yield RemoteReward(actors, reward)
