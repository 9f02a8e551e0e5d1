"""A move at the particles' own time: a Gaussian chain with a Langevin corrector, whose composite step is Gaussian."""

import math
from dataclasses import replace
from functools import lru_cache

import pytest

import svdd
from exact.tools import assert_mean, assert_variance, drive, estimates, first_designs
from svdd.domains.toy import toy
from svdd.domains.toy.toy_gaussian import Gaussian

STRENGTH, STEPS, TEMPERATURE = 0.3, 6, 0.7


def corrector(x, posterior, t, rng):
    """One Langevin step with the score of a standard normal, -x: a move that does not keep it quite as it is."""
    return (1 - STRENGTH) * x + math.sqrt(2 * STRENGTH) * rng.normal(x.shape, dtype=x.dtype)


@lru_cache
def corrected(each=False):
    """The chain with the move, and what is known of its composite step x -> g (1 - h) x + N(0, S + 2 h g^2)."""
    plain = toy.gaussian_linear(steps=STEPS)
    moved = Gaussian(replace(plain.process, move=corrector, move_each=each), plain.reward)
    moved.__dict__["gains"] = [(gain * (1 - STRENGTH), noise + 2 * STRENGTH * gain**2) for gain, noise in plain.gains]
    return moved


def kernel_noise_only():
    """The same gains, and the noise of the kernels without that of the moves."""
    plain = toy.gaussian_linear(steps=STEPS)
    chain = Gaussian(plain.process, plain.reward)
    chain.__dict__["gains"] = [(gain * (1 - STRENGTH), noise) for gain, noise in plain.gains]
    return chain


@pytest.mark.slow
@pytest.mark.parametrize("each", [False, True])
def test_the_pretrained_law_is_the_composite_one(each):
    m = corrected(each)
    x = first_designs(drive(m, "pretrained", svdd.posterior_mean(m.reward), 8_000, seed=3))[:, 0]
    assert_mean(x, 0.0)
    assert_variance(x, m.variance())
    assert abs(m.variance() - toy.gaussian_linear(steps=STEPS).variance()) > 0.1  # the test can tell


@pytest.mark.slow
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize(
    ("method", "settings"),
    [("smc", {"particles": 4}), ("nested-is", {"particles": 2, "candidates": 3}), ("best-of-n", {"particles": 4})],
)
@pytest.mark.parametrize("exact", [True, False])
def test_weights_estimate_z_of_the_chain_with_its_moves(method, settings, each, exact):
    m = corrected(each)
    value = m.value(TEMPERATURE) if exact else svdd.posterior_mean(m.reward)
    step = drive(m, method, value, 3_000, seed=4, temperature=TEMPERATURE, **settings)
    z, f = estimates(step, TEMPERATURE, step.particles.x.view(step.value.shape))
    assert_mean(z, math.exp(m.log_z(TEMPERATURE)))
    assert_mean(f, math.exp(m.log_z(TEMPERATURE)) * m.tilted(TEMPERATURE)[0])


@pytest.mark.slow
@pytest.mark.parametrize("candidates", [2, 5])
def test_svdd_with_a_move_of_every_child_chooses_among_whole_steps(candidates):
    m = corrected(each=True)
    x = moves_and_choices(m, candidates)
    mean, variance = m.finite_moments(candidates, TEMPERATURE)
    assert_mean(x, mean)
    assert_variance(x, variance)


@pytest.mark.slow
@pytest.mark.parametrize("candidates", [2, 5])
def test_svdd_with_a_shared_move_chooses_among_kernels_only(candidates):
    m, chosen = corrected(), kernel_noise_only()
    x = moves_and_choices(m, candidates)
    mean, variance = chosen.finite_moments(candidates, TEMPERATURE)
    gains = [gain / (1 - STRENGTH) for gain, _ in chosen.gains]
    steps = zip(gains, chosen.ahead[1:], strict=True)
    of_moves = sum((to_end * gain) ** 2 * 2 * STRENGTH for gain, (to_end, _) in steps)
    assert_mean(x, mean)
    assert_variance(x, variance + of_moves)
    assert mean < corrected(each=True).finite_moments(candidates, TEMPERATURE)[0]


def moves_and_choices(m, candidates):
    value = m.value(TEMPERATURE)
    step = drive(m, "svdd", value, 8_000, seed=5, temperature=TEMPERATURE, candidates=candidates)
    return step.particles.x[:, 0]


def test_many_candidates_with_a_move_each_sample_the_tilted_law():
    m = corrected(each=True)
    target = m.tilted(TEMPERATURE)[0]
    errors = [abs(m.finite_moments(candidates, TEMPERATURE)[0] - target) for candidates in (4, 16, 64, 256)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02 * target
    shared = kernel_noise_only().finite_moments(256, TEMPERATURE)[0]
    assert shared < 0.9 * target  # a shared move is never chosen, whatever the number of candidates
