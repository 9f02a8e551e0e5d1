"""Steps of flows on normal data: the law of the discretised chain at every step, and its tilt, in closed form."""

import math

import pytest
import torch

from exact import flow_checks
from exact.gaussian_flow import MEAN, STD, Flow, chain_states
from exact.tools import assert_mean, drive, estimates, grid_moments
from svdd.chain.process import Particles
from svdd.chain.rng import Rng
from svdd.domains.toy.toy import Quadratic
from svdd.method.values import posterior_mean

KINDS = [("cps", 0.4), ("cps", 1.0), ("sde", 0.7), ("posterior", 1.0)]
REWARDS = {"linear": Quadratic(slope=1.0, constant=0.2), "quadratic": Quadratic.around(1.5, 3.0)}
CHECKS = (
    flow_checks.cps_has_its_law,
    flow_checks.flow_sde_has_its_law,
    flow_checks.flow_posterior_has_its_law,
    flow_checks.noise_stays_on_the_path,
    flow_checks.without_eta_a_step_is_eulers,
)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_check(check):
    check()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "eta"), [*KINDS, ("cps", 0.0)])
def test_the_law_of_the_chain_at_every_step(name, eta):
    flow = Flow(name, eta, Quadratic())
    for x, (mean, variance) in zip(chain_states(flow.process, 6000), flow.laws, strict=True):
        assert_mean(x[:, 0], mean)
        assert_mean((x[:, 0] - mean) ** 2, variance)


@pytest.mark.parametrize(("name", "eta"), [("cps", 0.0), ("sde", 0.7), ("sde", 1.0), ("posterior", 1.0)])
def test_on_a_fine_grid_the_chain_has_the_law_of_the_data(name, eta):
    assert Flow(name, eta, Quadratic(), steps=2000).laws[-1] == pytest.approx((MEAN, STD**2), rel=0.01)


def test_fresh_noise_in_every_step_narrows_the_law_on_any_grid():
    """Each step renews a share of the noise, so more steps renew more of it: no grid has the law of the data."""
    for steps in (10, 100, 1000):
        spread = [Flow("cps", eta, Quadratic(), steps=steps).laws[-1][1] for eta in (0.0, 0.4, 1.0)]
        assert spread[0] > spread[1] > spread[2]
    assert Flow("cps", 1.0, Quadratic(), steps=1000, std=1.0).laws[-1][1] == pytest.approx(0.5, abs=0.01)


def test_the_sde_alone_leaves_noise_in_the_sample():
    left = [Flow("sde", 0.7, Quadratic(), steps=steps, std=0.0).laws[-1][1] for steps in (5, 10, 40)]
    assert left[0] > left[1] > left[2] > 1e-4
    for name in ("cps", "posterior"):
        assert Flow(name, 0.7, Quadratic(), steps=5, std=0.0).laws[-1][1] < 1e-20


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize(("name", "eta"), KINDS)
def test_the_optimal_kernels_sample_the_target(name, eta, reward):
    flow = Flow(name, eta, REWARDS[reward])
    assert flow.policy(0.5) == pytest.approx(flow.tilted(0.5), rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize(("name", "eta"), KINDS)
def test_svdd_has_the_law_of_finitely_many_candidates(name, eta, reward):
    flow, a, candidates = Flow(name, eta, REWARDS[reward], steps=5), 0.5, 4
    tables = flow.soft_values(a)
    step = drive(flow, "svdd", flow.value(a), 6000, seed=3, candidates=candidates, temperature=a, prior_candidates=4)
    mean, variance = grid_moments(
        flow.process, lambda k, x: tables[k](x), candidates, a, lambda x: -(x[:, 0] ** 2) / 2, prior_candidates=4
    )
    assert_mean(step.particles.x[:, 0], mean)
    assert_mean((step.particles.x[:, 0] - mean) ** 2, variance)


@pytest.mark.slow
@pytest.mark.parametrize("value", ["exact", "posterior mean"])
@pytest.mark.parametrize("method", ["smc", "nested-is"])
@pytest.mark.parametrize(("name", "eta"), KINDS)
def test_weighted_methods_are_unbiased_for_the_tilted_law(name, eta, method, value):
    flow, a = Flow(name, eta, REWARDS["quadratic"], steps=6), 2.0
    settings = {"particles": 6, "ess": 0.9} | ({"candidates": 3} if method == "nested-is" else {})
    used = flow.value(a) if value == "exact" else posterior_mean(flow.reward)
    step = drive(flow, method, used, 2000, seed=5, temperature=a, **settings)
    z, _ = estimates(step, a, step.value)
    assert_mean(z / math.exp(flow.log_z(a)), 1.0)
    x, (mean, variance) = step.particles.x.view(2000, -1), flow.tilted(a)
    assert_mean(estimates(step, a, x - mean)[1], 0.0)
    assert_mean(estimates(step, a, (x - mean) ** 2 - variance)[1], 0.0)


@pytest.mark.slow
def test_soft_values_are_those_of_the_chain_simulated():
    """From one state in the middle, by brute force."""
    flow, a, chains = Flow("cps", 0.7, REWARDS["linear"], steps=6), 0.8, 20_000
    particles = Particles(flow.process, 2, torch.full((chains, 1), 0.3, dtype=torch.float64), rng=Rng(8, chains))
    known = float(flow.soft_values(a)[2](particles.x[:1]))
    while not particles.final:
        particles = particles.propose(1)
    assert_mean((flow.reward(particles.x) / a).exp(), math.exp(known / a))
