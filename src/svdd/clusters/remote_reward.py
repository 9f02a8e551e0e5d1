"""Rewards on Ray: designs shared out over actors that hold the reward, with resources of their own."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from svdd.clusters.actors import Actors, Resources, answer_of
from svdd.cost.batches import between, count
from svdd.exits import exits_as_errors
from svdd.rewards.in_worker import changed_by
from svdd.rewards.worker_pool import Answers
from svdd.scoring.answers import plain_numbers
from svdd.scoring.reward import Composite, Reward, hand_over, name_of, traits_of
from svdd.scoring.scorer import Scorer
from svdd.user_files import pickled


class _Scoring:
    """A reward in a process of its own."""

    def __init__(self, make: Callable[[], Reward]) -> None:
        self.reward = make()
        self._changed = dict[tuple[str, tuple[bytes, ...]], Reward]()

    def _part(self, component: str, changes: tuple[bytes, ...]) -> Reward:
        """The reward, or a component of it, with these changes; made once."""
        if (component, changes) not in self._changed:
            part = self.reward.components[component] if component else self.reward  # type: ignore[attr-defined]
            self._changed[component, changes] = changed_by(part, changes)
        return self._changed[component, changes]

    def score(self, designs: Any, component: str, changes: tuple[bytes, ...]) -> list[Any]:
        """A number for every design, or a `svdd.scoring.Failure` where the reward, or a component of it, tells of one."""
        part = self._part(component, changes)
        with exits_as_errors(f"the reward {name_of(part)}"):
            answer = hand_over(part, designs).result()
        return plain_numbers(answer, count(designs))


class RemoteReward:
    """A reward whose designs are shared out over actors, in equal parts; a groupwise reward's stay together.

    Args:
        actors: that hold the reward.
        reward: as it is here.
        component: its name, for a component of what the actors hold.
    """

    def __init__(self, actors: Sequence[Any], reward: Reward, component: str = "") -> None:
        self.actors = list(actors[:1] if traits_of(reward).groupwise else actors)
        self.component, self.changes = component, tuple[bytes, ...]()
        for mark in ("identity", "origin", "stands_for", "named"):
            with suppress(AttributeError, ValueError):  # of one without it, and of one that cannot be told from others
                setattr(self, mark, getattr(reward, mark))
        within, own = f"{component}." if component else "", traits_of(reward)
        self.components = {name: RemoteReward(actors, part, within + name) for name, part in own.components.items()}
        self.traits = replace(own, components=self.components, in_background=not own.groupwise)

    def inside(self, change: Callable[[Reward], Reward]) -> "RemoteReward":
        """The reward changed by `change`, a function of a module, on the same actors; this one stays as it is.

        One that was changed so last is returned itself.
        """
        data = pickled(change)
        if self.changes[-1:] == (data,):
            return self
        changed = copy.copy(self)
        changed.changes = (*self.changes, data)
        changed.components = {name: part.inside(change) for name, part in self.components.items()}
        changed.traits = replace(self.traits, components=changed.components)
        return changed

    def __call__(self, designs: Any) -> Any:
        """The rewards, one a design; failures are settled by the policy."""
        return Scorer(self, share=False)(designs)

    def submit(self, designs: Any) -> Answers:
        """Hands designs over at once; `result()` is a list with a number, or a `svdd.scoring.Failure`, for each."""
        n = count(designs)
        size = max(1, -(-n // len(self.actors)))
        parts = [between(designs, i, min(i + size, n)) for i in range(0, n, size)]
        asked = zip(self.actors, parts, strict=False)
        return Answers(answer_of, [actor.score.remote(part, self.component, self.changes) for actor, part in asked])


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

        def remote(component: str, part: Reward) -> RemoteReward:
            return RemoteReward(actors, part, component)

        yield reward.asking(remote) if isinstance(reward, Composite) else remote("", reward)
