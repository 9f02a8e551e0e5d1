"""The reward of a job: in this process, in worker processes, in another program or at an address."""

import inspect
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svdd.cli.sentences import guarded
from svdd.scoring.components import Composite
from svdd.registry import REWARD_SCHEMES, REWARDS, load_reward
from svdd.scoring.reward import Reward, like

if TYPE_CHECKING:
    from svdd.runs.job import Job

OUTSIDE = tuple(f"{scheme}:" for scheme in REWARD_SCHEMES)


def make_reward(name: str, options: Mapping[str, Any] | None = None) -> Reward:
    """A reward by name; what a user's own function raises is told as such."""
    given = dict(options or {})
    reward = load_reward(name, **given)
    if name in REWARDS or name.startswith(OUTSIDE):
        return reward
    if isinstance(reward, Composite):
        return reward.asking(
            lambda part, one: _told_apart(one, f"the component {part} of the reward {name}", (one, {}))
        )
    return _told_apart(reward, f"the reward {name}", (name, given))


def _told_apart(reward: Reward, name: str, made_from: tuple[Any, dict[str, Any]]) -> Reward:
    """A user's function, whose errors are told as its own."""
    wrapper = like(guarded(reward, name), reward)
    wrapper.named = made_from  # type: ignore[attr-defined]
    return wrapper


def job_reward(job: "Job") -> Reward:
    """The reward that guides a job's run, where and how the job says.

    Raises:
        ValueError: for an unknown reward or option, and for settings of a kind of reward that this is not.
    """
    limits = {
        "timeout": job.reward_timeout,
        "batch": job.reward_batch,
        "workers": job.workers,
        "memory_mb": job.reward_memory,
    }
    if job.objective is None:
        return placed_reward(job.reward, job.reward_options, limits)
    from svdd.runs.objectives import make_objective

    if job.reward_options or any(limits.values()):
        raise ValueError(
            "an objective has no options, workers or limits of its own: give options:, workers:, timeout:, batch: and "
            "memory: to the component that they are for"
        )
    return make_objective(job.objective)


def placed_reward(reward: str, options: Mapping[str, Any], limits: Mapping[str, Any]) -> Reward:
    """A reward by name, in processes of its own if it is given workers.

    Args:
        reward: its name.
        options: of it.
        limits: `timeout`, `batch`, `workers` and `memory_mb`, None where not given.

    Raises:
        ValueError: for an unknown reward or option, and for limits of a kind of reward that this is not.
    """
    given: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    taken = _parameters(reward)
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
    return make_reward(reward, given | dict(options))


def makes_processes(name: str) -> bool:
    """Whether a reward puts itself into worker processes."""
    return "workers" in _parameters(name)


def _parameters(name: str) -> list[str]:
    """What the function behind a reward that is told by text takes; nothing of any other."""
    from svdd.registry import locate

    if not name.startswith(OUTSIDE):
        return []
    return list(inspect.signature(locate("reward", name.partition(":")[0], REWARD_SCHEMES)).parameters)


def whole_command(name: str) -> str:
    """A command with whole paths in place of those of files there are, so that it runs from anywhere."""
    words = shlex.split(name.removeprefix("cmd:"))
    return "cmd:" + shlex.join(str(Path(word).absolute()) if Path(word).is_file() else word for word in words)
