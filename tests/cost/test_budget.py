"""Budgets: the forecast is what a run asks for, the plan fits, and no run goes beyond."""

from types import SimpleNamespace

import pytest
import torch

from support import processes
from support.processes import SETTINGS, designs_a_chain, masked
from svdd.cost.budget import Budget, BudgetSpent, Guard
from svdd.cost.ledger import Usage
from svdd.decoding.decoding import decode
from svdd.decoding.planning import forecast, plan
from svdd.domains.image.pipelines.sizes import slots_of
from svdd.method.cadence import SizesDoNotFit
from svdd.method.filtered_values import filtered
from svdd.method.loop import search
from svdd.method.selectors import multinomial
from svdd.method.table import METHODS, Method, Size
from svdd.method.values import monte_carlo, posterior_mean, rollout, zero
from svdd.method.values_by_name import rehearsed
from svdd.scoring.best_designs import BestDesigns
from svdd.scoring.scorer import Scorer

VALUES = {
    "posterior-mean": posterior_mean, "log-mean-exp": monte_carlo, "rollout": rollout, "zero": zero, "filtered": filtered,
    "filtered,samples=3": lambda reward: filtered(reward, 3),
}  # fmt: skip
KNOWN_BEFOREHAND = sorted(SETTINGS.keys() - {"refine adapted", "refine exact"})
"""Settings whose rows do not depend on what is accepted, or drawn."""


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::svdd.method.algorithms.OverTiltWarning",
    "ignore::svdd.decoding.alarms.DegenerateProposalWarning",
)
@pytest.mark.parametrize("name", KNOWN_BEFOREHAND)
@pytest.mark.parametrize("value", VALUES)
def test_the_forecast_is_what_a_run_asks_for(name, value):
    method, options = SETTINGS[name]
    process = masked(steps=5)
    samples = 2 * designs_a_chain(method, options)
    usage = decode(process, processes.reward, method=method, value=value, samples=samples, share=False, **options).usage
    one = forecast(METHODS[method], options, process, VALUES[value])
    assert (usage.reward.rows, usage.network.rows) == (2 * one.rewards, 2 * one.rows)


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::svdd.method.algorithms.OverTiltWarning",
    "ignore::svdd.decoding.alarms.DegenerateProposalWarning",
)
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("name", KNOWN_BEFOREHAND)
@pytest.mark.parametrize("value", ["posterior-mean", "rollout"])
def test_the_forecast_knows_of_moves(name, value, each):
    method, options = SETTINGS[name]
    process = masked(steps=3, move=lambda x, posterior, t, rng: x, move_each=each)
    samples = 2 * designs_a_chain(method, options)
    usage = decode(process, processes.reward, method=method, value=value, samples=samples, share=False, **options).usage
    one = forecast(METHODS[method], options, process, VALUES[value])
    assert (usage.reward.rows, usage.network.rows) == (2 * one.rewards, 2 * one.rows)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("svdd", {"candidates": 5}),
        ("beam", {"width": 2, "candidates": 4}),
        ("blocks", {"candidates": 4, "block_length": 2}),
    ],
)
def test_the_forecast_of_a_screen_is_what_a_run_asks_for(method, options):
    process = masked(steps=5)
    usage = decode(
        process, processes.reward, method=method, value="filtered,rescore=2", samples=2, share=False, **options
    ).usage
    one = forecast(METHODS[method], options, process, rehearsed("filtered,rescore=2", options))
    assert (usage.reward.rows, usage.network.rows) == (2 * one.rewards, 2 * one.rows)
    assert method != "svdd" or (one.rows, one.rewards) == (1 + 4 * 2, 5 * 5 + 4 * 2)


@pytest.mark.parametrize(("method", "options"), [("svdd", {"temperature": 0.5}), ("nested-is", {"particles": 2})])
def test_the_forecast_of_a_screen_is_enough_above_temperature_zero(method, options):
    options = METHODS[method].defaults() | options | {"candidates": 5}
    one = forecast(METHODS[method], options, masked(steps=5), rehearsed("filtered,rescore=2", options))
    for seed in range(5):
        settings = {"value": "filtered,rescore=2", "samples": 1, "share": False, "seed": seed}
        usage = decode(masked(steps=5), processes.reward, method=method, **settings, **options).usage
        assert usage.reward.rows <= one.rewards
        assert usage.network.rows <= one.rows


@pytest.mark.parametrize(("each", "rows"), [(False, 1 + 4 * 3 + 5), (True, 1 + 4 * 3 + 5 * 3)])
def test_a_move_costs_a_row_a_step_or_a_row_a_candidate(each, rows):
    process = masked(steps=5, move=lambda x, posterior, t, rng: x, move_each=each)
    assert forecast(METHODS["svdd"], {"candidates": 3}, process, posterior_mean).rows == rows
    still = forecast(METHODS["svdd"], {"candidates": 3}, masked(steps=5), posterior_mean).rows
    assert still == 1 + 4 * 3


def test_siblings_that_would_be_equal_are_not_asked_for():
    process = processes.gaussian(steps=5)  # its last step has no noise
    usage = decode(process, processes.reward, samples=2, candidates=3, share=False).usage
    one = forecast(METHODS["svdd"], {"candidates": 3}, process, posterior_mean)
    assert usage.reward.rows == 2 * one.rewards - 2 * 2


def planned(budget, method="svdd", samples=4, steps=8, **options):
    return plan(Budget(**budget), METHODS[method], options, masked(steps=steps), posterior_mean, samples)


def test_what_fits_is_left_alone():
    made = planned({"rewards": 4 * 8 * 10}, candidates=10)
    assert made.options == {"candidates": 10}
    assert made.forecast == (320, 4 * (1 + 7 * 10))
    assert made.sentence == "a budget of 320 reward calls: at most 320 reward calls and 284 network rows"


@pytest.mark.slow
def test_candidates_come_down_first():
    made = planned({"rewards": 4 * 8 * 10 - 1}, candidates=10)
    assert made.options == {"candidates": 9}
    assert "candidates 10 -> 9" in made.sentence


@pytest.mark.slow
def test_then_the_cadence_widens_and_candidates_return():
    made = planned({"rewards": 63}, candidates=10)
    assert made.options == {"candidates": 3, "every": 2} or made.forecast.rewards <= 63
    assert made.options["every"] == 2
    assert made.forecast.rewards <= 63
    more = made.options | {"candidates": made.options["candidates"] + 1}
    assert forecast(METHODS["svdd"], more, masked(steps=8), posterior_mean).rewards * 4 > 63


@pytest.mark.slow
def test_then_particles_come_down():
    made = planned({"rewards": 40}, "nested-is", candidates=10, particles=16)
    assert made.forecast.rewards <= 40
    assert 1 < made.options["particles"] < 16
    assert made.options["every"] == 8


@pytest.mark.slow
def test_network_rows_and_both():
    assert planned({"rows": 4 * (1 + 7 * 5)}, candidates=10).options == {"candidates": 5}
    assert planned({"rows": 4 * (1 + 7 * 5), "rewards": 4 * 8 * 3}, candidates=10).options == {"candidates": 3}


@pytest.mark.slow
def test_a_size_that_was_left_open_is_the_largest_that_fits():
    assert planned({"rewards": 4 * 8 * 7 + 5}).options == {"candidates": 7}
    assert planned({"rewards": 4 * 30}, "best-of-n").options == {"particles": 30}
    assert planned({"rewards": 10**6}).options == {"candidates": 100}


@pytest.mark.slow
def test_svdd_r_keeps_designs_a_multiple_of_particles():
    made = planned({"rewards": 12 * 8}, "svdd-r", samples=12, candidates=4, particles=12, replace=None)
    assert made.forecast.rewards <= 96
    assert 12 % made.options["particles"] == 0


def test_seconds_are_not_planned():
    assert planned({"seconds": 0.001}, candidates=10).options == {"candidates": 10}


def test_a_budget_that_covers_nothing():
    with pytest.raises(ValueError, match="does not cover 4 designs of 8 steps, which ask for at least 8 reward calls"):
        planned({"rewards": 3}, candidates=10)
    with pytest.raises(ValueError, match="at least 4 reward calls and 32 network rows"):
        planned({"rewards": 3}, "pretrained")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "smc", "particles": 4, "ess": 2.0}, "ess is a fraction"),
        ({"method": "smc", "particles": 4, "temperature": 0.0}, "needs temperature > 0"),
        ({"method": "svdd", "candidates": 0}, "must be whole and at least 1, got 0"),
        ({"method": "svdd", "candidates": 2, "every": 0}, "every must be at least 1 step"),
        ({"method": "svdd", "candidates": 2, "value": "rollout,steps=0"}, "steps"),
    ],
)
def test_a_mistake_is_said_with_a_budget_as_it_is_without(settings, said):
    for budget in (None, {"rewards": 10**6}, {"seconds": 60}):
        with pytest.raises(ValueError, match=said) as raised:
            decode(masked(steps=4), processes.reward, samples=2, budget=budget, **settings)
        assert not isinstance(raised.value, SizesDoNotFit)


def test_sizes_that_go_together_nowhere_are_not_the_budgets_fault():
    with pytest.raises(SizesDoNotFit, match=r"window \(0.1, 0.05\) .* chooses nowhere"):
        planned({"rewards": 10**6}, candidates=2, window=(0.1, 0.05), every=4)
    with pytest.raises(SizesDoNotFit, match="samples must be a multiple of 4, got 6"):
        planned({"seconds": 60}, "svdd-r", samples=6, particles=4, candidates=2)


def test_a_budget_that_is_too_small_is_said_where_wider_cadences_choose_nowhere():
    for rewards in (4, 20):  # a window without the last step: every=8 would choose nowhere
        with pytest.raises(ValueError, match=f"budget of {rewards} reward calls does not cover 4 designs") as raised:
            planned({"rewards": rewards}, candidates=10, window=(1.0, 0.4))
        assert not isinstance(raised.value, SizesDoNotFit)


def swarm(process, value, *, agents, branches, **given):
    return search(process, value, multinomial, particles=agents, children=branches, temperature=1.0, **given)


@pytest.fixture
def with_swarm(monkeypatch):
    """A method whose sizes have names of its own."""
    sizes = {"agents": Size("particles"), "branches": Size("children", fewest=3)}
    row = Method(f"{__name__}:swarm", "", "all", "", "", "", {"agents": 2, "branches": 3}, sizes=sizes)
    monkeypatch.setitem(METHODS, "swarm", row)


def test_sizes_are_planned_by_what_they_count_and_not_by_their_names(with_swarm):
    assert planned({"rewards": 2 * 8 * 12}, "swarm", agents=2, branches=10).options == {"agents": 2, "branches": 6}
    assert planned({"rewards": 4 * 8 * 3}, "swarm", agents=4, branches=10).options == {"agents": 4, "branches": 3}
    assert planned({"rewards": 10**6}, "swarm", samples=100).options == {"agents": 100, "branches": 100}
    result = decode(masked(steps=4), processes.reward, method="swarm", samples=6, agents=3, branches=2)
    assert result.chain == [0, 0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match="positive multiple of 4"):
        decode(masked(steps=4), processes.reward, method="swarm", samples=6, agents=4, branches=2)


def test_a_steered_call_has_room_for_sizes_of_any_name(with_swarm):
    assert slots_of(METHODS["swarm"], {"agents": 3, "branches": lambda step: 1 + step}, 4) == 12
    assert slots_of(METHODS["beam"], {"width": 2, "candidates": 5}, 4) == 10
    assert slots_of(METHODS["svdd"], {"candidates": 2, "prior_candidates": 7}, 4) == 7
    assert slots_of(METHODS["pretrained"], {}, 4) == 1


@pytest.mark.parametrize("method", ["svdd", "smc", "beam"])
def test_sizes_that_nobody_gives_are_planned_and_not_those_of_the_table(method):
    options = METHODS[method].options
    more = {name: 12 for name in METHODS[method].sizes if name != "prior_candidates"}
    rewards = forecast(METHODS[method], more, masked(steps=8), posterior_mean).rewards
    found = planned({"rewards": 2 * rewards}, method, samples=2).options
    assert any(found[name] > options[name] for name in more)


def test_every_size_of_a_method_is_one_of_its_options():
    for name, method in METHODS.items():
        assert {*method.sizes} <= {*method.options}, name


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "got none"),
        ({"rewards": 0}, "all above 0"),
        ({"rewrads": 3}, "did you mean rewards"),
        ({"rows": -1}, "above 0"),
    ],
)
def test_budgets_that_make_no_sense(given, said):
    with pytest.raises(ValueError, match=said):
        Budget.of(given)


def test_spending_stops_before_a_call_goes_beyond():
    usage = Usage()
    f = Scorer(lambda designs: [1.0] * len(designs), cost=usage.reward, budget=Guard(Budget(rewards=5), usage))
    assert f(["a", "b", "c", "d"]).tolist() == [1.0] * 4
    with pytest.raises(BudgetSpent, match="the budget of 5 reward calls is spent: 4 reward calls and 0 network rows"):
        f(["e", "f"])
    assert f(["e", "a"]).tolist() == [1.0, 1.0]


def test_a_guard_counts_what_is_on_its_way():
    class Slow:
        def submit(self, designs):
            return SimpleNamespace(result=lambda: [1.0] * len(designs))

        def __call__(self, designs):
            return self.submit(designs).result()

    usage = Usage()
    f = Scorer(Slow(), share=False, cost=usage.reward, budget=Guard(Budget(rewards=6), usage))
    first = f.submit(["a"] * 4)
    with pytest.raises(BudgetSpent):
        f.submit(["a"] * 3)
    first.result()
    f.submit(["a"] * 2)


def test_a_guard_watches_the_clock():
    usage = Usage(seconds=9.9)
    guard = Guard(Budget(seconds=10), usage)
    guard.start()
    guard.reserve(1)
    guard._until -= 0.2
    with pytest.raises(BudgetSpent, match="10 seconds"):
        guard.reserve(1)


# --- the best so far ---------------------------------------------------------------------------------------------


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_the_best_are_different_valid_and_in_order():
    best = BestDesigns(3)
    best.add(["a", "b"], numbers(1, -torch.inf))
    assert (best.designs, best.rewards.tolist()) == (["a"], [1])
    best.add(["a", "c", "d", "e"], numbers(1, 3, 2, 0))
    assert (best.designs, best.rewards.tolist()) == (["c", "d", "a"], [3, 2, 1])
    best.add(["f", "g"], numbers(0.5, 2.5))
    assert best.designs == ["c", "g", "d"]
    again = BestDesigns(3)
    again.resume(best.state())
    assert again.designs == best.designs


def test_the_best_of_tensors():
    best = BestDesigns(2)
    x = torch.arange(4.0)[:, None]
    best.add(x, numbers(1, 4, 2, 3))
    best.add(x + 10, numbers(0, 0, 5, 0))
    assert best.designs.flatten().tolist() == [12, 1]
