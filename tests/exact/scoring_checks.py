"""Checks of the way to a reward: whose policy settles a failure, and what a run returns that its budget stopped."""

import warnings

import pytest
import torch

import svdd
from support.processes import masked, words
from svdd.rewards.objectives import weighted_sum
from svdd.scoring.best_designs import BestDesigns
from svdd.scoring.first_rewards import ENOUGH, FirstRewards, FlatRewardWarning
from svdd.scoring.policy import IN_WORKERS
from svdd.scoring.reward import Failure


class Outside:
    """A reward that works elsewhere, where one design in three fails."""

    policy = IN_WORKERS

    def __call__(self, designs):
        return [Failure("timeout", "3 s") if len(set(one)) == 1 else 1.0 for one in designs]


def a_component_keeps_its_own_policy():
    """A time-out of a component in processes makes its design invalid; a bug in the component beside it stops the run."""

    def buggy(designs):
        if any("aa" in one for one in designs):
            raise ArithmeticError("a bug")
        return [1.0] * len(designs)

    settings = {"candidates": 2, "samples": 8}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = svdd.decode(masked(decode=words), weighted_sum({"outside": Outside()}), **settings)
        assert result.usage.outcomes.timeout > 0
        with pytest.raises(ArithmeticError):
            svdd.decode(masked(decode=words), weighted_sum({"buggy": buggy, "outside": Outside()}), **settings)


def a_stopped_run_returns_different_designs():
    """The best designs of a run that its budget stopped are different ones, tensors too."""
    decoding = svdd.Decoding(
        masked(steps=8), lambda x: (x == 0).sum(-1).double(), candidates=6, samples=6, batch=2, budget={"seconds": 600}
    )
    steps = iter(decoding)
    for _ in range(10):  # one batch is finished, and the next is begun
        next(steps)
    decoding.scoring.guard._until = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(steps) == []
    result = decoding.result()
    added = result.samples[[chain < 0 for chain in result.chain]]
    finished = result.samples[:2].unique(dim=0)
    assert len(added) > 1
    assert len(torch.cat([added, finished]).unique(dim=0)) == len(added) + len(finished)


def equal_designs_are_one_first_reward():
    """A design that is scored again and again says nothing of a reward; 32 different ones of one reward do."""
    first = FirstRewards(BestDesigns(0).keys)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            first.add(["ab"] * 40, torch.zeros(40))
            first.add([f"a{number}" for number in range(ENOUGH - 2)], torch.zeros(ENOUGH - 2))
            first.warn_if_equal()
        except FlatRewardWarning as early:
            raise AssertionError("the first different designs are too few") from early
    first.add(["b"], torch.zeros(1))
    with pytest.warns(FlatRewardWarning, match="the first 32 rewards are all 0"):
        first.warn_if_equal()
