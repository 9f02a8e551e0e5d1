"""The model and the rewards of a run, loaded where they are given by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from svdd.chain.process import Process
from svdd.registry import find_process, find_reward
from svdd.scoring.reward import Reward


@dataclass(frozen=True)
class Loaded:
    """What a run is of.

    Args:
        process: the model.
        reward: that guides.
        scores: further rewards by the name of their column.
        ours: those of the rewards that were given by name, which the run ends.
    """

    process: Process
    reward: Reward
    scores: Mapping[str, Reward]
    ours: list[Reward]


def loaded(
    process: Process | str, reward: Reward | str, scores: Mapping[str, Reward | str],
    model_options: Mapping[str, Any] | None, reward_options: Mapping[str, Any] | None,
) -> Loaded:  # fmt: skip
    """Loads what is given by name, once every name is checked; arguments as `decode`.

    Raises:
        ValueError: for an unknown name or option.
    """
    model, guide = find_process(process, model_options), find_reward(reward, reward_options)
    columns = {name: find_reward(score) for name, score in scores.items()}
    made, guiding, further = model(), guide(), {name: make() for name, make in columns.items()}
    given = zip((reward, *scores.values()), (guiding, *further.values()), strict=True)
    return Loaded(made, guiding, further, [one for asked, one in given if isinstance(asked, str)])
