"""The reward of a job: in this process, in worker processes, in another program or at an address."""

import inspect
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svdd.cli.sentences import guarded
from svdd.locate import REWARD_SCHEMES, REWARDS, load_reward
from svdd.pending import Reward, like

if TYPE_CHECKING:
    from svdd.cli.jobs import Job

OUTSIDE = tuple(f"{scheme}:" for scheme in REWARD_SCHEMES)


def make_reward(name: str, options: Mapping[str, Any] | None = None) -> Reward:
    """A reward by name; what a user's own function raises is told as such."""
    given = dict(options or {})
    reward = load_reward(name, **given)
    if name in REWARDS or name.startswith(OUTSIDE):
        return reward
    wrapper = like(guarded(reward, f"the reward {name}"), reward)
    wrapper.named = (name, given)  # type: ignore[attr-defined]
    return wrapper


def job_reward(job: "Job") -> Reward:
    """The reward that guides a job's run, where and how the job says.

    Raises:
        ValueError: for an unknown reward or option, and for settings of a kind of reward that this is not.
    """
    limits = {"timeout": job.reward_timeout, "batch": job.reward_batch}
    given: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    if job.workers is not None:
        from svdd.rewards.workers import workers

        more = given | ({"memory_mb": job.reward_memory} if job.reward_memory is not None else {})
        return workers(job.reward, job.workers, **more, **job.reward_options)
    if job.reward_memory is not None:
        raise ValueError("reward_memory bounds worker processes: add --workers 2, for example")
    for name in given:
        if not (job.reward.startswith(OUTSIDE) and name in _parameters(job.reward)):
            remedy = "chunks: reward=" if name == "batch" else "workers"
            raise ValueError(
                f"reward_{name} is for rewards in workers and outside of Python; {job.reward} is neither: give {remedy}"
            )
    return make_reward(job.reward, given | job.reward_options)


def _parameters(name: str) -> list[str]:
    from svdd.locate import locate

    scheme = name.partition(":")[0]
    return list(inspect.signature(locate("reward", scheme, REWARD_SCHEMES)).parameters)


def whole_command(name: str) -> str:
    """A command with whole paths in place of those of files there are, so that it runs from anywhere."""
    words = shlex.split(name.removeprefix("cmd:"))
    return "cmd:" + shlex.join(str(Path(word).absolute()) if Path(word).is_file() else word for word in words)
