"""Alarms of runs: each is given by a small run that deserves it, and not by one that does not; none stops a run."""

import hashlib
import warnings

import numpy as np
import pytest
import torch

import svdd
from support.processes import masked, reward, words
from svdd.decoding.alarms import DegenerateProposalWarning, LookAheadWarning, rank_correlation, values_on_the_way
from svdd.decoding.decoding import BudgetWarning
from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.masked import masked_sequences
from svdd.scoring.first_rewards import FlatRewardWarning


def toy(steps=8):
    """Masked sequences of 12 letters that do not depend on each other."""
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4])
    return masked_sequences(lambda x, t, cond: shares.expand(*x.shape, 4), DNA, length=12, steps=steps)


def count_g(designs):
    return [float(design.count("G")) for design in designs]


def noise(designs):
    """A number of the whole design that no part of it tells."""
    return [int(hashlib.sha256(design.encode()).hexdigest()[:6], 16) / 16**6 for design in designs]


def alarms(*given, **settings):
    """The alarms of a run, which ends well."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = svdd.decode(*given, progress=False, **settings)
    assert len(result) == settings["samples"]
    kinds = (FlatRewardWarning, LookAheadWarning)
    return [one for one in caught if issubclass(one.category, kinds)]


def test_a_reward_that_says_the_same_of_all_is_told_once():
    (alarm,) = alarms(toy(), lambda designs: [0.0] * len(designs), samples=64, candidates=3)
    assert alarm.category is FlatRewardWarning
    assert str(alarm.message).startswith(
        "the first 32 rewards are all 0, and so are those after them, so nothing leads the run;"
    )


def test_moves_that_find_something_before_half_of_them_are_over_are_no_alarm():
    seen = []

    def late(designs):
        seen.extend(designs)
        return [float(design.count("G")) if len(seen) > 60 else -np.inf for design in designs]

    moves = {"method": "refine", "moves": 10, "fraction": 0.5, "samples": 16}
    assert alarms(toy(), late, **moves) == []
    (alarm,) = alarms(toy(), lambda designs: [0.0] * len(designs), **moves)
    assert str(alarm.message).startswith("the first 32 rewards are all 0")


def test_equal_rewards_are_told_where_a_budget_stops_the_run():
    """Before half of its moves are over."""
    calls = []

    def flat(designs):
        calls.append(designs)
        if len(calls) == 6:
            decoding.scoring.guard._until = 0
        return [0.0] * len(designs)

    decoding = svdd.Decoding(toy(), flat, method="refine", moves=50, fraction=0.5, samples=16, budget={"seconds": 1000})
    with pytest.warns(FlatRewardWarning, match="the first 32 rewards are all 0"), pytest.warns(BudgetWarning):
        list(decoding)


def test_designs_that_are_all_invalid_are_told_as_such():
    (alarm,) = alarms(toy(), lambda designs: [-np.inf] * len(designs), samples=64, method="best-of-n", particles=2)
    assert str(alarm.message).startswith("the first 32 designs are all invalid, and so are those after")


def test_a_reward_of_which_one_of_the_first_differs_is_no_alarm():
    def rare(designs):
        return [float(design.count("A") > 2) for design in designs]

    assert alarms(toy(), rare, samples=200, method="best-of-n", particles=1) == []


def test_few_different_designs_are_no_alarm():
    assert alarms(masked(decode=words), lambda d: [1.0] * len(d), samples=15, method="best-of-n", particles=2) == []


def test_the_models_own_designs_follow_no_reward():
    assert alarms(toy(), lambda d: [1.0] * len(d), samples=64, method="pretrained") == []


def test_a_run_that_goes_on_does_not_look_again():
    decoding = svdd.Decoding(toy(), count_g, samples=64, batch=16, candidates=2)
    steps = iter(decoding)
    for _ in range(9):
        next(steps)
    state = decoding.state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = svdd.Decoding(toy(), lambda designs: [0.0] * len(designs), samples=64, batch=16, candidates=2)
        other.settings["reward"] = decoding.settings["reward"]
        for _ in other.resume(state | {"identity": ""}):
            pass


def test_a_look_ahead_that_says_nothing_of_the_reward_is_told():
    (alarm,) = alarms(toy(), noise, samples=400, candidates=2, temperature=1.0)
    assert alarm.category is LookAheadWarning
    assert "does not correlate with the final reward: rank correlation" in str(alarm.message)
    assert "the rewards of 400 chains" in str(alarm.message)


@pytest.mark.parametrize(
    "settings",
    [
        {"candidates": 4},
        {"candidates": 2, "temperature": 1.0},
        {"method": "smc", "particles": 4},
        {"method": "blocks", "candidates": 4, "block_length": 2},
        {"method": "nested-is", "particles": 2, "candidates": 3, "every": 2},
    ],
    ids=str,
)
def test_a_look_ahead_that_leads_is_no_alarm(settings):
    assert alarms(toy(), count_g, samples=64, **settings) == []


def test_few_chains_and_runs_that_choose_at_their_end_alone_are_no_alarm():
    assert alarms(toy(), noise, samples=16, candidates=2) == []
    assert alarms(toy(), noise, samples=64, method="best-of-n", particles=2) == []
    assert alarms(toy(), noise, samples=64, method="pretrained") == []


def test_moves_have_no_look_ahead_that_could_mislead():
    """Where all steps are taken again, the design of the middle tells nothing of the last one, and nobody relies on it."""
    settings = {"method": "refine", "moves": 10, "fraction": 1.0, "temperature": 1e9, "returns": "draw"}
    assert alarms(toy(), noise, samples=400, **settings) == []


def test_moves_that_change_nothing_are_told_with_a_remedy_of_theirs():
    with pytest.warns(DegenerateProposalWarning, match="give moves a larger fraction"):
        svdd.decode(toy(64), count_g, method="refine", moves=5, fraction=0.01, samples=8, progress=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["svdd", "smc", "beam"])
def test_values_on_the_way_are_those_of_the_ancestors(method):
    """Against the steps themselves, followed from child to parent."""
    sizes = {"svdd": {"candidates": 3}, "smc": {"particles": 5}, "beam": {"width": 3, "candidates": 2}}[method]
    decoding = svdd.Decoding(masked(steps=7), reward, method=method, samples=8, batch=4, **sizes)
    middle, end, kept = [], [], []
    for step in decoding:
        kept.append(step)
        if len(kept) == 7:
            children = [one.candidates.value.shape[-1] for one in kept]
            for chain in range(4):
                place = 0
                end.append(kept[-1].value[chain, 0].item())
                for one, m in reversed(list(zip(kept[4:], children[4:], strict=True))):
                    place = one.ancestor[chain, place].item() // m
                middle.append(kept[3].value[chain, place].item())
            kept = []
    found = values_on_the_way(decoding.trace)
    np.testing.assert_allclose(found[0], middle, rtol=1e-6)
    np.testing.assert_allclose(found[1], end, rtol=1e-6)


def test_ranks_share_what_equal_numbers_have():
    one, other = np.array([1.0, 2.0, 2.0, 5.0]), np.array([3.0, 1.0, 4.0, 9.0])
    ranks = np.corrcoef([1, 2.5, 2.5, 4], [2, 1, 3, 4])[0, 1]
    assert rank_correlation(one, other) == pytest.approx(ranks)
    assert rank_correlation(one, np.exp(one)) == pytest.approx(1)
