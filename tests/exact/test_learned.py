"""Learned values against the enumerated ones: what each target converges to, and how fast."""

import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

import svdd
from exact import learned_checks
from exact.learned_checks import QUICK, errors, fitted, small
from exact.tools import assert_law, histogram
from svdd.domains.toy import toy

pytestmark = pytest.mark.slow


def test_the_soft_target_is_the_soft_value():
    learned_checks.soft_fit_is_the_soft_value()


def test_soft_q_is_the_bellman_solution():
    learned_checks.soft_q_is_the_bellman_solution()


def test_equal_states_are_valued_once():
    learned_checks.equal_states_are_valued_once()


def test_another_reward_is_refused():
    learned_checks.another_reward_is_refused()


def test_small_temperatures_are_told():
    learned_checks.small_temperatures_are_told()


def test_the_error_falls_with_roll_outs():
    m = small()
    few, many = (errors(m, fitted(m, "soft", n, 0.5), m.soft_values(0.5)) for n in (200, 5000))
    assert max(rmse for _, rmse in many) < 0.16
    assert sum(rmse for _, rmse in many) < 0.5 * sum(rmse for _, rmse in few)


def test_the_mean_target_is_the_mean_and_lies_below_the_soft_value():
    m = small()
    value = fitted(m, "mean", 4000)
    rows = errors(m, value, m.mean_reward_values())
    assert max(rmse for _, rmse in rows) < 0.2, rows
    soft = m.soft_values(0.5)
    law = m.prior
    for step in range(m.process.steps):
        mean = value.predictor(m.states, m.process.times[step], ()).double()
        assert float(law @ (soft[step] - mean)) > 0
        law = law @ m.kernel(step)


def test_the_network_of_the_package_learns_the_soft_value():
    m = small()
    value = svdd.fit_value(
        m.process, m.reward, target="soft", temperature=0.5, rollouts=3000, train_steps=500, batch=256,
        network_options={"channels": 24, "kernel": 3, "layers": 1, "dropout": 0.0}, learning_rate=5e-3, **QUICK,
    )  # fmt: skip
    rows = errors(m, value, m.soft_values(0.5))
    assert max(rmse for _, rmse in rows) < 0.2, rows


def test_svdd_with_a_learned_soft_value_has_the_law_of_that_value():
    """Tables of what was learned, put into the exact law of Algorithm 1."""
    m = small()
    value = fitted(m, "soft", 2000, 0.5)
    tables = [value.predictor(m.states, t, ()).double() for t in m.process.times[:-1]]
    law = m.finite_law([*tables, m.soft_values(0.5)[-1]], 3, 0.5)
    result = svdd.decode(m.process, m.reward, value=value, candidates=3, temperature=0.5, samples=4000)
    assert_law(histogram(m, result.samples), law)


def test_invalid_designs_weigh_nothing():
    """A third of the designs is invalid: the soft value is that of an indicator times exp(r/a)."""
    m = small()
    bad = torch.arange(len(m.rewards)) % 3 == 0

    def reward(designs):
        return torch.where(bad[m.place(designs)], -torch.inf, m.reward(designs))

    value = svdd.fit_value(
        m.process, reward, target="soft", temperature=0.5, network=learned_checks.Table(m), rollouts=3000, states=9,
        train_steps=400, batch=1024, learning_rate=0.05, **QUICK,
    )  # fmt: skip
    weight = torch.where(bad, 0.0, (m.rewards / 0.5).exp())
    exact = 0.5 * (m.p_pre() @ weight).log()
    got = value.predictor(m.states[-1:], m.process.times[0], ())
    assert float(got) == pytest.approx(float(exact), abs=0.06)


def moments(x, t, cond):
    """1, x and x^2, once for each of eight steps: E[r | x_t] is linear in these."""
    step = ((1 - t) * 8).round().long().reshape(-1).expand(len(x))
    which = torch.nn.functional.one_hot(step, 8).double()
    return torch.cat([which, which * x, which * x**2], 1)


def test_a_regressor_of_a_table_learns_a_gaussian_chain():
    m = toy.gaussian_quadratic(steps=8, curvature=1.0, centre=1.0)
    value = svdd.fit_value(
        m.process, m.reward, network=LinearRegression(fit_intercept=False), features=moments, rollouts=4000, **QUICK
    )
    x = torch.linspace(-1.5, 1.5, 7, dtype=torch.float64)[:, None]
    b, a, c = m.reward.slope, m.reward.curvature, m.reward.constant
    for step, (gain, rest) in enumerate(m.ahead[:-1]):
        exact = b * gain * x - a / 2 * (gain**2 * x**2 + rest) + c
        got = torch.as_tensor(value.predictor(x, m.process.times[step], ()))
        assert float((got - exact[:, 0]).abs().max()) < 0.35
        assert float((got - exact[:, 0]).abs().mean()) < 0.12


def test_a_tree_learns_the_soft_value_through_weights():
    m = small()
    value = svdd.fit_value(
        m.process, m.reward, target="soft", temperature=0.5, network=DecisionTreeRegressor(min_samples_leaf=25, random_state=0),
        rollouts=4000, states=9, **QUICK,
    )  # fmt: skip
    rows = errors(
        m,
        svdd.learned(lambda x, t, c: torch.as_tensor(value.predictor(x, t, c))),
        m.soft_values(0.5),
    )
    assert max(rmse for _, rmse in rows) < 0.28, rows
