"""Tracebacks: how many frames of the library stand between a run and a user's reward."""

import traceback
from pathlib import Path

import pytest

import svdd
from support.processes import masked, words
from svdd.rewards.objectives import weighted_sum

HOME = Path(svdd.__file__).parent


class Broken(Exception):
    """What the reward raises."""


def broken(designs):
    raise Broken


REWARDS = {"plain": broken, "objective": weighted_sum({"a": broken})}


@pytest.mark.parametrize("value", ["posterior-mean", "log-mean-exp"])
@pytest.mark.parametrize("reward", REWARDS.values(), ids=REWARDS)
@pytest.mark.parametrize("more", [{}, {"budget": {"rewards": 100}, "scores": {"s": broken}}], ids=["short", "long"])
def test_few_frames_stand_between_a_run_and_a_reward(reward, value, more):
    with pytest.raises(Broken) as raised:
        svdd.decode(masked(decode=words), reward, candidates=2, samples=2, value=value, **more)
    frames = [Path(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(raised.value.__traceback__)]
    ours = [path.relative_to(HOME).parts[0] for path in frames if HOME in path.parents]
    assert len(ours) <= 16
    assert len(ours) - ours.index("scoring") - 1 <= 8
