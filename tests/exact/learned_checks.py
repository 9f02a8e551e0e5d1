"""Checks of learned values against enumerated ones, for the exact tests and for the mutants of `svdd.fitting`."""

import math

import pytest
import torch
from sklearn.linear_model import Ridge
from torch import nn

import svdd
from svdd.cost.ledger import Usage
from svdd.decoding import metering
from svdd.domains.toy import toy
from svdd.domains.toy.enumeration import place
from svdd.fitting import LowTemperatureWarning
from svdd.fitting.fingerprint import FingerprintError, take_fingerprint

QUICK = {"held_out": 0, "candidates": 0}


class Table(nn.Module):
    """One free number for every state and step: what it learns is what the loss asks for, with nothing in between."""

    def __init__(self, m):
        super().__init__()
        self.steps, self.symbols, self.states = m.process.steps, m.symbols, len(m.states)
        self.numbers = nn.Parameter(torch.zeros(self.steps * self.states))

    def forward(self, x, t):
        step = ((1 - t) * self.steps).round().long().expand(len(x)).clamp(max=self.steps - 1)
        return self.numbers[step * self.states + place(x, self.symbols)]


def fitted(m, target, rollouts, temperature=None, **settings):
    settings = {"train_steps": 400, "batch": 1024, "learning_rate": 0.05, "states": 99} | QUICK | settings
    return svdd.fit_value(
        m.process, m.reward, target=target, temperature=temperature, network=Table(m), rollouts=rollouts, **settings
    )


def errors(m, value, tables):
    """Bias and root mean square error at every step, states weighted as the chain meets them."""
    law, rows = m.prior, []
    for step in range(m.process.steps):
        error = value.predictor(m.states, m.process.times[step], ()).double() - tables[step]
        rows.append((float(law @ error), math.sqrt(float(law @ error**2))))
        law = law @ m.kernel(step)
    return rows


def small():
    return toy.enumerable_b(steps=3)


def soft_fit_is_the_soft_value(rollouts=3000, bound=0.22):
    m = small()
    rows = errors(m, fitted(m, "soft", rollouts, 0.5), m.soft_values(0.5))
    assert max(rmse for _, rmse in rows) < bound, rows
    assert max(abs(bias) for bias, _ in rows) < 0.06, rows


def soft_q_is_the_bellman_solution(rollouts=1500):
    """Two children a state: regressing squares on their log-mean-exp would be low by a lot."""
    m = small()
    value = fitted(m, "soft-q", rollouts, 0.3, children=2, train_steps=500)
    rows = errors(m, value, m.soft_values(0.3))
    assert max(rmse for _, rmse in rows) < 0.33, rows
    assert max(abs(bias) for bias, _ in rows) < 0.08, rows


def equal_states_are_valued_once():
    m, usage = small(), Usage()
    calls = []
    value = metering.accounted_value(
        svdd.learned(lambda x, t, c: calls.append(len(x)) or x.sum(1), m.reward), usage, {}
    )
    process, _ = metering.accounted(m.process, m.reward, Usage(), {})
    start = process.start(30, (), svdd.Rng(0, 30)).propose(4)
    distinct = len(start.x.unique(dim=0))
    assert torch.equal(value(start), start.x.sum(1).double())
    assert (usage.value.rows, usage.value.asked, sum(calls)) == (distinct, 120, distinct)


def another_reward_is_refused():
    m = small()
    x = m.states[torch.tensor([63, 57, 12])]
    fingerprint = take_fingerprint(m.process, m.reward, x, torch.tensor([0, 1, 2]), m.designs[:8])
    fingerprint.check(m.process, m.reward)
    with pytest.raises(FingerprintError, match="reward"):
        fingerprint.check(m.process, lambda designs: m.reward(designs) + 0.3)
    other = toy.masked(m.data.flip(0), m.rewards, 3, 3, 3)
    with pytest.raises(FingerprintError, match="model"):
        fingerprint.check(other.process, m.reward)


def small_temperatures_are_told():
    m = toy.gaussian_linear(steps=2)
    with pytest.warns(LowTemperatureWarning, match="carry the soft value"):
        svdd.fit_value(m.process, m.reward, target="soft", temperature=0.05, rollouts=200, network=Ridge(), **QUICK)
