"""Weighted methods: unbiased log Z and rewards for any value, errors that fall with N, and weights that are carried."""

import math
from functools import lru_cache

import pytest
import torch

import svdd
from exact import checks
from exact.tools import assert_mean, drive, estimates, histogram, total_variation
from svdd.domains.toy import toy
from svdd.method import values
from svdd.method.diagnostics import bellman_residual


@lru_cache
def model(name):
    return getattr(toy, name)()


def assert_unbiased(m, step, temperature, true_reward):
    z, _ = estimates(step, temperature, step.value)
    assert_mean(z / math.exp(m.log_z(temperature)), 1.0)
    assert_mean(estimates(step, temperature, step.value - true_reward)[1], 0.0)


METHODS = {
    "smc": ("smc", {"particles": 8, "ess": 0.9}),
    "smc, always": ("smc", {"particles": 8, "ess": 1.0}),
    "smc, never": ("smc", {"particles": 8, "ess": 0.0}),
    "smc, alone": ("smc", {"particles": 1}),
    "smc, max": ("smc", {"particles": 8, "potential": "max", "ess": 0.9}),
    "smc, max, always": ("smc", {"particles": 8, "potential": "max", "ess": 1.0}),
    "smc, every third": ("smc", {"particles": 8, "every": 3, "ess": 1.0}),
    "smc, window": ("smc", {"particles": 8, "window": (0.8, 0.3), "ess": 1.0}),
    "nested-is": ("nested-is", {"particles": 6, "candidates": 4, "ess": 0.9}),
    "nested-is, always": ("nested-is", {"particles": 6, "candidates": 4, "ess": 1.0}),
    "nested-is, alone": ("nested-is", {"particles": 1, "candidates": 5}),
    "nested-is, one child": ("nested-is", {"particles": 8, "candidates": 1}),
    "nested-is, every third": ("nested-is", {"particles": 6, "candidates": 4, "every": 3}),
    "nested-is, more later": ("nested-is", {"particles": 6, "candidates": lambda step: 1 + step % 4}),
    "best-of-n": ("best-of-n", {"particles": 8}),
}
TWISTS = {
    "posterior mean": lambda m, a: svdd.posterior_mean(m.reward),
    "exact": lambda m, a: m.value(a),
    "random": lambda m, a: svdd.monte_carlo(m.reward, samples=2, temperature=a),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_unbiased_with_a_biased_value(name):
    m, (method, settings) = model("enumerable_a"), METHODS[name]
    step = drive(m, method, svdd.posterior_mean(m.reward), 3000, seed=40, temperature=1.0, **settings)
    assert_unbiased(m, step, 1.0, float(m.tilted(1.0) @ m.rewards))


WITHOUT_HOPE = {
    "smc": ("smc", {"ess": 0.5}),
    "smc, always": ("smc", {"ess": 1.0}),
    "smc, max": ("smc", {"potential": "max", "ess": 0.9}),
    "smc, tempered": ("smc", {"tempering": "adaptive", "ess": 0.9, "particles": 64}),
    "smc, fewer": ("smc", {"narrowing": "psp"}),
    "nested-is": ("nested-is", {"candidates": 3, "ess": 0.5}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHOUT_HOPE)
def test_a_step_whose_look_aheads_are_all_invalid_leaves_the_weights_right(name):
    method, settings = WITHOUT_HOPE[name]
    checks.a_step_without_hope_leaves_the_weights_right(method, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("twist", TWISTS)
@pytest.mark.parametrize("method", ["smc", "nested-is"])
def test_unbiased_for_any_value(method, twist):
    m, a = model("enumerable_b"), 0.5
    settings = {"particles": 6} | ({"candidates": 3} if method == "nested-is" else {})
    step = drive(m, method, TWISTS[twist](m, a), 3000, seed=41, temperature=a, **settings)
    assert_unbiased(m, step, a, float(m.tilted(a) @ m.rewards))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["smc", "nested-is"])
def test_unbiased_under_uniform_noise_with_the_initial_noise_selected(method):
    m, a = model("uniform"), 0.5
    settings = {"particles": 6} | ({"candidates": 3, "prior_candidates": 3} if method == "nested-is" else {})
    step = drive(m, method, svdd.posterior_mean(m.reward), 3000, seed=42, temperature=a, **settings)
    assert_unbiased(m, step, a, float(m.tilted(a) @ m.rewards))


@pytest.mark.slow
def test_the_initial_tilt_is_weighted_too():
    m, a = toy.gaussian_quadratic(steps=10), 2.0
    settings = {"particles": 4, "candidates": 3, "prior_candidates": 4, "temperature": a}
    step = drive(m, "nested-is", svdd.posterior_mean(m.reward), 3000, seed=43, **settings)
    z, weighted = estimates(step, a, step.particles.x.view(3000, 4) - m.tilted(a)[0])
    assert_mean(z / math.exp(m.log_z(a)), 1.0)
    assert_mean(weighted, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "candidates", "sizes"), [("smc", None, (16, 256)), ("nested-is", 3, (8, 128))])
def test_the_error_of_log_z_falls_like_one_over_root_n(method, candidates, sizes):
    m = model("enumerable_a")
    v = svdd.posterior_mean(m.reward)
    options = {} if candidates is None else {"candidates": candidates}
    spread = []
    for particles, chains in zip(sizes, (1200, 150), strict=True):
        step = drive(m, method, v, chains, seed=44, particles=particles, ess=1.0, **options)
        spread.append(float((step.log_w.logsumexp(1) - math.log(particles)).std()))
    assert math.log(spread[1] / spread[0]) / math.log(16) == pytest.approx(-0.5, abs=0.1)


CONVERGENCE = {4: (0.276, 1.419, 6000), 16: (0.144, 1.506, 2000), 64: (0.100, 1.542, 800), 256: (0.068, 1.569, 300)}


@pytest.mark.slow
def test_smc_crosses_the_floor_of_svdd():
    """Posterior mean, a = .2, resampled at every step: SVDD stays at TV .147 however many candidates it has."""
    m, a = model("enumerable_a"), 0.2
    for particles, (distance, reward, chains) in CONVERGENCE.items():
        v = svdd.posterior_mean(m.reward)
        step = drive(m, "smc", v, chains, seed=45, particles=particles, temperature=a, ess=1.0)
        found = histogram(m, step.particles.x) / step.value.numel()
        assert total_variation(found, m.tilted(a)) == pytest.approx(distance, abs=0.025), particles
        assert float(step.value.mean()) == pytest.approx(reward, abs=0.015), particles


NESTED = {(4, 5): (0.115, 1.531, 2500), (16, 5): (0.091, 1.549, 800), (64, 5): (0.064, 1.567, 300)}


@pytest.mark.slow
def test_nested_is_corrects_the_value():
    m, a = model("enumerable_a"), 0.2
    for (particles, candidates), (distance, reward, chains) in NESTED.items():
        settings = {"particles": particles, "candidates": candidates, "temperature": a, "ess": 1.0}
        step = drive(m, "nested-is", svdd.posterior_mean(m.reward), chains, seed=46, **settings)
        found = histogram(m, step.particles.x) / step.value.numel()
        assert total_variation(found, m.tilted(a)) == pytest.approx(distance, abs=0.03), particles
        assert float(step.value.mean()) == pytest.approx(reward, abs=0.02), particles


@pytest.mark.slow
@pytest.mark.parametrize("ess", [0.7, 1.0])
@pytest.mark.parametrize("potential", ["difference", "max", "sum"])
def test_potentials_share_their_target(potential, ess):
    """The look-ahead is tempered: sums of it over all steps would degenerate the weights of any number of particles."""
    m, a = model("enumerable_a"), 1.0
    v = values.tempered(svdd.posterior_mean(m.reward), lambda t: 0.15)
    step = drive(m, "smc", v, 3000, seed=47, particles=8, potential=potential, temperature=a, ess=ess)
    assert_unbiased(m, step, a, float(m.tilted(a) @ m.rewards))


def test_one_particle_weighs_its_reward_whatever_the_potential():
    checks.one_particle_weighs_its_reward()


def test_weights_are_carried_while_nothing_is_resampled():
    checks.weights_are_carried_while_nothing_is_resampled()


def test_resampling_always_costs_lineages():
    """The still chain: 20 multinomial resamplings leave under a tenth of the particles distinct."""
    process = checks.still()

    def value(particles):
        return particles.x[:, 0] * particles.step / process.steps

    settings = {"particles": 8192, "ess": 1.0, "selector": svdd.method.selectors.multinomial}
    step = svdd.last(svdd.smc(process, value, chains=2, rng=svdd.Rng(0, 2), **settings))
    assert float((step.value.mean(1) - 1).abs().max()) < 0.2
    assert len(step.value[0].unique()) < 1200


@pytest.mark.slow
def test_adaptive_and_constant_resampling_agree():
    m = model("enumerable_b")
    found = []
    for ess in (0.0, 0.3, 0.8, 1.0):
        step = drive(m, "smc", svdd.posterior_mean(m.reward), 2000, seed=48, particles=10, ess=ess)
        found.append(estimates(step, 1.0, step.value - float(m.tilted(1.0) @ m.rewards))[1])
    for numbers in found:
        assert_mean(numbers, 0.0)


@pytest.mark.slow
def test_gaussian_linear_by_smc():
    """16 groups of 2000: mean and log Z of the discretised chain, not of its data."""
    m, a = toy.gaussian_linear(), 0.8
    step = drive(m, "smc", svdd.posterior_mean(m.reward), 16, seed=49, particles=2000, temperature=a)
    z, mean = estimates(step, a, step.value)
    assert_mean(z / math.exp(m.log_z(a)), 1.0)
    assert_mean(mean / z, m.tilted(a)[0])


@pytest.mark.slow
def test_mixture_by_smc():
    m, a = toy.mixture(reward=toy.Quadratic(-1.0)), 0.5
    step = drive(m, "smc", svdd.posterior_mean(m.reward), 100, seed=50, particles=200, temperature=a)
    z, weighted = estimates(step, a, step.value - 2.487433)
    assert_mean(z / math.exp(m.log_z(a)), 1.0)
    assert_mean(weighted, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["smc", "nested-is"])
def test_product_state(method):
    m, a = toy.product(), 1.0
    settings = {"particles": 50} | ({"candidates": 3} if method == "nested-is" else {})
    step = drive(m, method, svdd.posterior_mean(m.reward), 200, seed=51, temperature=a, **settings)
    p, mean = m.tilted(a)
    shape = step.value.shape
    z, edge = estimates(step, a, (step.particles.x["edges"][:, 0] == 0).double().view(shape) - p)
    _, node = estimates(step, a, step.particles.x["nodes"][:, 0].view(shape) - mean)
    assert_mean(z / math.exp(m.log_z(a)), 1.0)
    assert_mean(edge, 0.0)
    assert_mean(node, 0.0)


@pytest.mark.slow
def test_a_better_value_makes_log_z_steadier():
    m, a, spread = model("enumerable_a"), 1.0, {}
    settings = {"particles": 20, "candidates": 5, "temperature": a}
    for name, v in {"exact": m.value(a), "none": values.zero(m.reward)}.items():
        step = drive(m, "nested-is", v, 300, seed=52, **settings)
        spread[name] = float(step.log_w.logsumexp(1).std())
    assert spread["exact"] < 0.7 * spread["none"]


@pytest.mark.slow
def test_independent_tokens_by_smc():
    m, a = model("independent_tokens"), 0.5
    step = drive(m, "smc", svdd.posterior_mean(m.reward), 100, seed=53, particles=200, temperature=a)
    w = m.data * (m.rewards / a).exp()
    z, weighted = estimates(step, a, step.value - float(w @ m.rewards / w.sum()))
    assert_mean(z / float(w.sum()), 1.0)
    assert_mean(weighted, 0.0)


def residuals(m, value, a, candidates, chains, seed=54):
    rng = svdd.Rng(seed, chains)
    settings = {"candidates": candidates, "temperature": a, "chains": chains, "rng": rng}
    steps = svdd.svdd(m.process, value, **settings)
    return torch.stack([bellman_residual(step, a)[:, 0] for step in steps][1:])


@pytest.mark.slow
def test_bellman_residual_of_the_exact_value_vanishes():
    m, a = model("enumerable_a"), 0.5
    coarse, fine = (residuals(m, m.value(a), a, k, 100).abs().mean() for k in (20, 2000))
    assert float(fine) == pytest.approx(float(coarse) / 10, rel=0.4)
    assert float(fine) < 0.01
    biased = residuals(m, m.mean_reward_value(), a, 2000, 100).abs().mean()
    assert float(biased) > 5 * float(fine)


@pytest.mark.slow
def test_log_z_of_decode():
    m, a = model("enumerable_b"), 1.0
    result = svdd.decode(m.process, m.reward, method="smc", samples=1000, particles=16, temperature=a, seed=55)
    assert_mean(torch.tensor(result.log_z).double().exp() / math.exp(m.log_z(a)), 1.0)


def test_bellman_ratio():
    checks.soft_values_satisfy_the_bellman_equation(chains=1500)
