"""Flows: velocity networks, the path they are run along, and the steps made for them."""

import re

import pytest
import torch

import svdd
from support.places import DOCS
from support.processes import DIMENSION, streams
from svdd.chain import flows
from svdd.chain.denoisers import from_x0
from svdd.chain.process import Particles, Process
from svdd.chain.schedules import time_grid, vp_cosine, vp_linear
from svdd.chain.transitions import ddim

TIMES = (1.0, 0.7, 0.2, 0.01)


def at(t):
    return torch.tensor(t, dtype=torch.float64)


def wave(x, t, cond):
    """A velocity that is no gradient of anything."""
    return torch.sin(2 * x) + t * x.flip(-1)


def states(n=5, dtype=torch.float64):
    return streams(n).normal((n, DIMENSION), dtype=dtype)


def process(step, steps=5, network=wave):
    def prior(n, rng):
        return rng.normal((n, DIMENSION), dtype=torch.float64)

    return Process(prior, flows.from_velocity(network), step, time_grid(steps))


@pytest.mark.parametrize("t", TIMES)
def test_a_velocity_says_what_is_clean_and_what_is_noise(t):
    clean, noise = states(), streams(5, seed=1).normal((5, DIMENSION), dtype=torch.float64)
    x = (1 - t) * clean + t * noise
    said = flows.from_velocity(lambda x, t, cond: noise - clean)(x, at(t), ())
    torch.testing.assert_close(said.mode(), clean)
    torch.testing.assert_close(said.noise(x, at(t)), noise)


def test_answers_are_gathered_with_their_velocity():
    x = states()
    said = flows.from_velocity(wave)(x, at(0.5), ())
    chosen = said[torch.tensor([3, 1, 1])]
    assert torch.equal(chosen.velocity, said.velocity[[3, 1, 1]])
    assert torch.equal(chosen.mode(), said.mode()[[3, 1, 1]])


def test_a_network_in_half_precision_leaves_the_state_its_own():
    x = states(dtype=torch.float32)
    said = flows.from_velocity(lambda x, t, cond: wave(x, t, cond).bfloat16())(x, at(0.5).float(), ())
    assert said.mode().dtype == said.velocity.dtype == torch.float32


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("t", "s"), [(1.0, 0.75), (0.6, 0.2), (0.2, 0.0)])
def test_cps_with_the_true_noise_stays_on_the_path(eta, t, s):
    """If x_t is (1 - t) x_0 + t epsilon with unit noise, the mean and the fresh noise add up to (1 - s) x_0 and s."""
    clean, noise = states(), streams(5, seed=1).normal((5, DIMENSION), dtype=torch.float64)
    x = (1 - t) * clean + t * noise
    kernel = flows.cps(eta)(x, flows.Velocity(clean, noise - clean), at(t), at(s))
    old = (kernel.mean - (1 - s) * clean) / noise
    torch.testing.assert_close(old**2 + kernel.std**2, torch.full_like(old, s**2))


def test_cps_of_one_makes_all_noise_anew():
    x, (t, s) = states(), (at(0.8), at(0.5))
    said = flows.from_velocity(wave)(x, t, ())
    kernel = flows.cps(1.0)(x, said, t, s)
    torch.testing.assert_close(kernel.mean, 0.5 * said.mode())
    assert torch.equal(kernel.std.unique(), torch.tensor([0.5], dtype=torch.float64))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_steps_of_cps_and_posterior_end_without_noise(eta):
    x, (t, s) = states(), (at(0.2), at(0.0))
    said = flows.from_velocity(wave)(x, t, ())
    for step in (flows.cps(eta), flows.flow_posterior(eta)):
        kernel = step(x, said, t, s)
        assert kernel.deterministic
        torch.testing.assert_close(kernel.mean, said.mode())


def test_the_posterior_without_eta_is_the_ode():
    x, (t, s) = states(), (at(0.8), at(0.5))
    said = flows.from_velocity(wave)(x, t, ())
    torch.testing.assert_close(flows.flow_posterior(0.0)(x, said, t, s).mean, x - 0.3 * said.velocity)


def test_a_posterior_step_is_bayes_rule():
    """q(x_s | x_t, x_0) from q(x_s | x_0) and q(x_t | x_s), both normal."""
    clean, x, (t, s) = states(), states(), (0.8, 0.5)
    ratio = (1 - t) / (1 - s)
    added = t**2 - ratio**2 * s**2
    precision = 1 / s**2 + ratio**2 / added
    mean = ((1 - s) * clean / s**2 + ratio * x / added) / precision
    kernel = flows.flow_posterior(1.0)(x, flows.Velocity(clean, (x - clean) / t), at(t), at(s))
    torch.testing.assert_close(kernel.mean, mean)
    torch.testing.assert_close(kernel.std.flatten()[0] ** 2, at(1 / precision))


@pytest.mark.parametrize("r", TIMES)
@pytest.mark.parametrize("schedule", [vp_linear(), vp_cosine(), flows.straight])
def test_along_another_path_the_same_network_knows_the_same_sample(schedule, r):
    """Normal data: the velocity of the straight path, run along another, gives E[x_0 | x_r] of that other."""
    mean, std = 0.4, 0.7

    def velocity(x, t, cond):
        variance = (1 - t) ** 2 * std**2 + t**2
        return (t - (1 - t) * std**2) / variance * (x - (1 - t) * mean) - mean

    alpha, sigma = schedule(at(r))
    x = states()
    expected = mean + alpha * std**2 / (alpha**2 * std**2 + sigma**2) * (x - alpha * mean)
    torch.testing.assert_close(flows.along(velocity, schedule)(x, at(r), ()).mode(), expected)


def test_along_another_path_is_a_process_with_random_steps():
    def prior(n, rng):
        return rng.normal((n, DIMENSION), dtype=torch.float64)

    schedule = vp_cosine()
    made = Process(prior, flows.along(wave, schedule), ddim(schedule), time_grid(4))
    result = svdd.decode(made, lambda x: x.sum(-1), samples=3, candidates=4)
    chance = svdd.decode(made, lambda x: x.sum(-1), samples=3, method="pretrained")
    assert float(result.rewards.mean()) > float(chance.rewards.mean())


def test_candidates_of_the_ode_are_refused():
    with pytest.raises(ValueError, match="deterministic"):
        svdd.decode(process(flows.cps(0.0)), lambda x: x.sum(-1), samples=2, candidates=3)


@pytest.mark.parametrize("step", [flows.cps(0.6), flows.flow_sde(0.7), flows.flow_posterior(1.0)])
def test_every_step_draws_candidates_that_differ(step):
    children = Particles(process(step), 0, states(2), rng=streams(2)).propose(4)
    assert len(children.x.unique(dim=0)) == 8


@pytest.mark.parametrize("eta", [-0.1, 1.5, float("nan")])
def test_cps_refuses_an_impossible_eta(eta):
    with pytest.raises(ValueError, match="between 0"):
        flows.cps(eta)


@pytest.mark.parametrize("step", [flows.flow_sde, flows.flow_posterior])
def test_a_negative_eta_is_refused(step):
    with pytest.raises(ValueError, match="0 or larger"):
        step(-1)


def test_other_predictions_have_no_velocity():
    """A denoiser of another kind meets an error, not a wrong step."""
    made = process(flows.cps(0.5))
    made = Process(made.prior, from_x0(lambda x, t, cond: 0.5 * x), made.transition, made.times)
    with pytest.raises(Exception, match=r"[Vv]elocity"):
        Particles(made, 0, states(2), rng=streams(2)).propose(1)


PAGE = DOCS / "flows.md"


@pytest.mark.slow
def test_the_page_about_flows_runs(capsys):
    names = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(code, "flows.md", "exec"), names)
    assert capsys.readouterr().out == "tensor(True)\n" * 3


@pytest.mark.slow
def test_the_variances_of_the_page_are_those_of_the_chains():
    """Gain and fresh noise of every step, read off the step itself."""
    rows = re.findall(
        r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE.read_text(), re.MULTILINE
    )
    assert len(rows) == 5
    for name, eta, *told in rows:
        found = [_variance(getattr(flows, name)(float(eta)), steps) for steps in (10, 50, 200)]
        assert [f"{one:.3f}" for one in found] == told


def _variance(step, steps):
    def velocity(x, t, cond):
        return (2 * t - 1) / ((1 - t) ** 2 + t**2) * x

    one, variance = torch.ones(1, 1, dtype=torch.float64), 1.0
    made = process(step, steps, velocity)
    for number in range(steps):
        kernel = Particles(made, number, one).kernel
        variance = variance * float(kernel.mean) ** 2 + float(kernel.std) ** 2
    return variance
