"""Budgets: the forecast is what a run asks for, the plan fits, and no run goes beyond."""

import pytest
import torch

import processes
from processes import SETTINGS, designs_a_chain, masked
from svdd.accounting import Usage
from svdd.algorithms import METHODS
from svdd.best import Best
from svdd.budget import Budget, BudgetSpent, Spending, forecast, plan
from svdd.decoding import decode
from svdd.values import monte_carlo, posterior_mean, rollout, zero

VALUES = {"posterior-mean": posterior_mean, "log-mean-exp": monte_carlo, "rollout": rollout, "zero": zero}


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::svdd.algorithms.OverTiltWarning", "ignore::svdd.decoding.DegenerateProposalWarning"
)
@pytest.mark.parametrize("name", SETTINGS)
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
    "ignore::svdd.algorithms.OverTiltWarning", "ignore::svdd.decoding.DegenerateProposalWarning"
)
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("value", ["posterior-mean", "rollout"])
def test_the_forecast_knows_of_moves(name, value, each):
    method, options = SETTINGS[name]
    process = masked(steps=3, move=lambda x, posterior, t, rng: x, move_each=each)
    samples = 2 * designs_a_chain(method, options)
    usage = decode(process, processes.reward, method=method, value=value, samples=samples, share=False, **options).usage
    one = forecast(METHODS[method], options, process, VALUES[value])
    assert (usage.reward.rows, usage.network.rows) == (2 * one.rewards, 2 * one.rows)


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
    spending = Spending(Budget(rewards=5), usage)
    f = spending.reward(lambda designs: [1.0] * len(designs))
    assert f(["a"] * 5) == [1.0] * 5
    usage.reward.rows = 4
    with pytest.raises(BudgetSpent, match="the budget of 5 reward calls is spent: 4 reward calls and 0 network rows"):
        f(["a", "b"])
    assert f(["a"]) == [1.0]


def test_spending_counts_what_is_on_its_way():
    class Slow:
        def submit(self, designs):
            return self

        def result(self):
            return [1.0] * 3

        def __call__(self, designs):
            return self.result()

    f = Spending(Budget(rewards=5), Usage()).reward(Slow())
    first = f.submit(["a"] * 3)
    with pytest.raises(BudgetSpent):
        f.submit(["a"] * 3)
    first.result()
    f.submit(["a"] * 3)


def test_spending_watches_the_clock():
    usage = Usage(seconds=9.9)
    spending = Spending(Budget(seconds=10), usage)
    f = spending.reward(lambda designs: [1.0] * len(designs))
    spending.start()
    f(["a"])
    spending._until -= 0.2
    with pytest.raises(BudgetSpent, match="10 seconds"):
        f(["a"])


# --- the best so far ---------------------------------------------------------------------------------------------


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_the_best_are_different_valid_and_in_order():
    best = Best(3)
    best.add(["a", "b"], numbers(1, -torch.inf))
    assert (best.designs, best.rewards.tolist()) == (["a"], [1])
    best.add(["a", "c", "d", "e"], numbers(1, 3, 2, 0))
    assert (best.designs, best.rewards.tolist()) == (["c", "d", "a"], [3, 2, 1])
    best.add(["f", "g"], numbers(0.5, 2.5))
    assert best.designs == ["c", "g", "d"]
    again = Best(3)
    again.resume(best.state())
    assert again.designs == best.designs


def test_the_best_of_tensors():
    best = Best(2)
    x = torch.arange(4.0)[:, None]
    best.add(x, numbers(1, 4, 2, 3))
    best.add(x + 10, numbers(0, 0, 5, 0))
    assert best.designs.flatten().tolist() == [12, 1]
