"""Rewards by name: in this process, in worker processes, in another program or at an address."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from svdd.registry import REWARD_SCHEMES, REWARDS, load_reward, locate
from svdd.rewards.user_code import guarded
from svdd.scoring.reward import Composite, Reward, like

OUTSIDE = tuple(f"{scheme}:" for scheme in REWARD_SCHEMES)


def make_reward(name: str, options: Mapping[str, Any] | None = None) -> Reward:
    """A reward by name; what a user's own function raises is told as such."""
    given = dict(options or {})
    reward = load_reward(name, **given)
    if name in REWARDS or name.startswith(OUTSIDE):
        return reward
    if isinstance(reward, Composite):
        of = f"of the reward {name}"
        return reward.asking(lambda part, one: _told_apart(one, f"the component {part} {of}", (one, {})))
    return _told_apart(reward, f"the reward {name}", (name, given))


def _told_apart(reward: Reward, name: str, made_from: tuple[Any, dict[str, Any]]) -> Reward:
    """A user's function, whose errors are told as its own."""
    wrapper = like(guarded(reward, name), reward)
    wrapper.named, wrapper.stands_for = made_from, reward  # type: ignore[attr-defined]
    return wrapper


@dataclass(frozen=True)
class Placement:
    """Where a reward is computed, and within which limits; what is None is left to the reward.

    Args:
        workers: processes.
        timeout: seconds, of a design in a worker, of a call outside of Python.
        batch: designs that a worker or an address is given at a time.
        memory_mb: MB that a worker may take beyond the loaded reward.
        command_folder: the folder that a program starts in, if it is one.
    """

    workers: int | None = None
    timeout: float | int | None = None
    batch: int | None = None
    memory_mb: float | int | None = None
    command_folder: str | None = None

    def limits(self) -> dict[str, Any]:
        """The workers and limits that are not None."""
        names = ("workers", "timeout", "batch", "memory_mb")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def options(self, reward: str) -> dict[str, Any]:
        """The options that a reward gets from where it is computed."""
        in_folder = reward.startswith("cmd:") and self.command_folder is not None
        return {"folder": self.command_folder} if in_folder else {}


def placed_reward(reward: str, options: Mapping[str, Any], placement: Placement) -> Reward:
    """A reward by name, in processes of its own if it is given workers.

    Args:
        reward: its name.
        options: of it.
        placement: where it is computed.

    Raises:
        ValueError: for an unknown reward or option, and for limits of a kind of reward that this is not.
    """
    given, options, taken = placement.limits(), placement.options(reward) | dict(options), _parameters(reward)
    if "workers" in given and "workers" not in taken:
        from svdd.rewards.worker_pool import workers

        return workers(reward, **given, **options)
    if "memory_mb" in given and "memory_mb" not in taken:
        raise ValueError("reward_memory bounds worker processes: add --workers 2, for example")
    for name in given:
        if name not in taken:
            remedy = "chunks: reward=" if name == "batch" else "workers"
            raise ValueError(
                f"reward_{name} is for rewards in workers and outside of Python; {reward} is neither: give {remedy}"
            )
    return make_reward(reward, given | options)


def makes_processes(name: str) -> bool:
    """Whether a reward puts itself into worker processes."""
    return "workers" in _parameters(name)


def _parameters(name: str) -> list[str]:
    """What the function behind a reward that is told by text takes; nothing of any other."""
    if not name.startswith(OUTSIDE):
        return []
    return list(inspect.signature(locate("reward", name.partition(":")[0], REWARD_SCHEMES)).parameters)
