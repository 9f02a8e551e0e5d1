"""Algorithms: what each costs, when it chooses, whose conditioning a candidate meets."""

import inspect
import math

import pytest
import torch

from support.processes import SETTINGS, designs_a_chain, gaussian, gaussian_network, masked, reward, spied, streams
from svdd import decode
from svdd.chain.rng import Rng
from svdd.cost.ledger import metered
from svdd.decoding.decoding import Decoding
from svdd.decoding.decoding import last as last_step
from svdd.method.algorithms import OverTiltWarning, beam, blocks, nested_is, svdd, svdd_r
from svdd.method.diagnostics import path_divergence
from svdd.method.learned_values import learned
from svdd.method.resampled import smc
from svdd.method.selectors import adaptive, log_mean, systematic
from svdd.method.table import METHODS
from svdd.method.values import monte_carlo, posterior_mean

T, B, M, N = 20, 3, 7, 4
VALUE = posterior_mean(reward)
over_tilt = pytest.mark.filterwarnings("ignore::svdd.method.algorithms.OverTiltWarning")


def asked(method, *, value="posterior-mean", steps=T, chains=B, **options):
    """Rows that were asked of the network and of the reward."""
    each = designs_a_chain(method, options)
    decoding = Decoding(
        masked(steps), reward, method=method, value=value, samples=chains * each, share=False, **options
    )
    for _ in decoding:
        pass
    return decoding.usage.network.rows, decoding.usage.reward.rows


def up(a, b):
    return math.ceil(a / b)


# --- cost --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@over_tilt
@pytest.mark.parametrize(
    ("method", "options", "network", "rewards"),
    [
        ("pretrained", {}, T * B, B),
        ("best-of-n", {"particles": N}, N * T * B, N * B),
        ("svdd", {"candidates": M}, 402, B * M * T),
        ("svdd", {"candidates": M, "temperature": 0.3}, 402, B * M * T),
        ("svdd", {"candidates": M, "prior_candidates": 5}, 402 + 4 * B, B * M * T + 5 * B),
        ("svdd", {"candidates": 1}, T * B, T * B),
        ("svdd-r", {"particles": N, "candidates": M, "replace": 0.5}, N * 402, N * B * M * T),
        ("smc", {"particles": N}, N * T * B, N * T * B),
        ("smc", {"particles": N, "every": 6}, N * T * B, N * up(T, 6) * B),
        ("smc", {"particles": N, "window": (0.5, 0.2)}, N * T * B, N * (7 + 1) * B),
        ("nested-is", {"particles": N, "candidates": M}, N * 402, N * B * M * T),
        ("beam", {"width": N, "candidates": M}, N * 402, N * B * M * T),
        ("blocks", {"candidates": M, "block_length": 1}, 402, B * M * T),
        ("blocks", {"candidates": M, "block_length": T}, B * (1 + (T - 1) * M), B * M),
    ],
)
def test_rows_are_those_of_the_formulas(method, options, network, rewards):
    assert asked(method, **options) == (network, rewards)


def test_a_learned_value_costs_no_network_row():
    scored = metered(reward)
    value = learned(lambda x, t, cond: torch.zeros(len(x)), scored)
    assert asked("svdd", value=value, candidates=M) == (T * B, M * B) == (60, 21)
    assert scored.cost.rows == 0  # the end is scored by the run's own reward


def test_log_mean_exp_costs_its_samples():
    scored = metered(reward)
    assert asked("svdd", value=monte_carlo(scored, 5, 0.5), candidates=M, temperature=0.5) == (402, B * M)
    assert scored.cost.rows == B * 5 * M * (T - 1)


@pytest.mark.parametrize("length", [1, 3, 7, T])
def test_blocks_value_once_a_block(length):
    assert asked("blocks", candidates=M, block_length=length)[1] == B * M * up(T, length)


def test_a_deterministic_end_is_scored_once():
    """The Gaussian toy ends without noise: its last siblings would be one design."""
    decoding = Decoding(gaussian(T), reward, method="svdd", samples=B, candidates=M)
    assert len(list(decoding)) == T
    assert (decoding.usage.network.asked, decoding.usage.reward.asked) == (402, B * (M * (T - 1) + 1))


def test_children_are_counted_only_where_they_are_chosen_from():
    """Every 4th step from the last: 5 steps with M children, the last one without a network row of its own."""
    network, rewards = asked("svdd", candidates=M, every=4)
    assert rewards == B * M * 5
    assert network == B * (T + 4 * (M - 1))  # a scoring step asks for M children and carries the chosen one on


# --- when --------------------------------------------------------------------------------------------------------


def scored_steps(steps):
    return [step.particles.step for step in steps if step.candidates is not None]


def sizes(steps):
    return [1 if step.candidates is None else step.candidates.value.shape[2] for step in steps]


@pytest.mark.parametrize(
    ("cadence", "steps", "several"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"every": 3}, [2, 5, 8], [2, 5, 8]),
        ({"every": 8}, [8], [8]),
        ({"every": 100}, [8], [8]),
        ({"window": (0.5, 0.25)}, [4, 5, 6, 8], [4, 5, 6]),
        ({"window": (0.5, 0.0), "every": 2}, [4, 6, 8], [4, 6, 8]),
        ({"window": (1.0, 0.87)}, [1, 8], [1]),
    ],
)
def test_cadence(cadence, steps, several):
    taken = list(svdd(masked(8), VALUE, candidates=3, chains=2, rng=streams(2), **cadence))
    assert scored_steps(taken) == steps
    assert [i + 1 for i, m in enumerate(sizes(taken)) if m > 1] == several


@pytest.mark.parametrize(
    ("cadence", "said"),
    [
        ({"every": 0}, "every must be at least 1 step, got 0"),
        ({"window": (0.2, 0.5)}, "chooses nowhere; times run from 1 to 0"),
        ({"window": (math.nan, 0.0)}, "chooses nowhere"),
        ({"window": (5.0, 4.0)}, "chooses nowhere"),
    ],
)
def test_a_senseless_cadence_is_refused(cadence, said):
    with pytest.raises(ValueError, match=said):
        smc(gaussian(), VALUE, particles=2, chains=1, rng=streams(), **cadence)


# --- settings ----------------------------------------------------------------------------------------------------


def test_temperatures_that_make_no_sense_are_refused():
    common = {"chains": 1, "rng": streams()}
    with pytest.raises(ValueError, match=r"temperature must be 0 or larger, got -0\.1"):
        svdd(gaussian(), VALUE, candidates=2, temperature=-0.1, **common)
    with pytest.raises(ValueError, match="temperature must be 0 or larger"):
        blocks(gaussian(), VALUE, candidates=2, block_length=1, temperature=-1.0, **common)
    for temperature in (0.0, -1.0):
        with pytest.raises(ValueError, match=r"smc weighs particles.*needs temperature > 0"):
            smc(gaussian(), VALUE, particles=2, temperature=temperature, **common)
        with pytest.raises(ValueError, match=r"nested-is weighs particles.*needs temperature > 0"):
            nested_is(gaussian(), VALUE, particles=2, candidates=2, temperature=temperature, **common)


def test_other_senseless_settings_are_refused():
    common = {"chains": 1, "rng": streams()}
    with pytest.raises(ValueError, match="prior_candidates must be at least 1, got 0"):
        svdd(gaussian(), VALUE, candidates=2, prior_candidates=0, **common)
    with pytest.raises(ValueError, match="length must be at least 1 step"):
        blocks(gaussian(), VALUE, candidates=2, block_length=0, **common)
    with pytest.raises(ValueError, match=r"is none of them; give replace=0.25 or more, 10 particles or more"):
        svdd_r(gaussian(), VALUE, particles=4, candidates=2, replace=0.1, **common)
    with pytest.raises(ValueError, match="potential must be one of"):
        inspect.unwrap(smc)(
            gaussian(), VALUE, particles=2, potential="mean", **common
        )  # unwrapped: beartype sees it first
    with pytest.raises(ValueError, match="ess is a fraction"):
        smc(gaussian(), VALUE, particles=2, ess=2.0, **common)


def test_svdd_r_says_that_it_tilts_twice():
    with pytest.warns(OverTiltWarning, match="nested-is does, at the same cost"):
        svdd_r(gaussian(), VALUE, particles=4, candidates=2, replace=0.5, chains=1, rng=streams())


# --- relations ---------------------------------------------------------------------------------------------------


def last(steps):
    return last_step(steps).particles.x


def test_argmax_is_the_limit_of_low_temperature_and_takes_the_best():
    for step in svdd(gaussian(), VALUE, candidates=5, chains=20, rng=streams(20)):
        assert torch.equal(step.value[:, 0], step.candidates.value[:, 0].amax(-1))
    cold = last_step(svdd(gaussian(), VALUE, candidates=5, temperature=1e-6, chains=20, rng=streams(20)))
    assert bool((cold.value[:, 0] == cold.candidates.value[:, 0].amax(-1)).all())


def test_one_candidate_is_the_pretrained_sampler():
    plain = last_step(METHODS["pretrained"].function(masked(), VALUE, chains=300, rng=Rng(0, 300)))
    single = last_step(svdd(masked(), VALUE, candidates=1, temperature=0.5, chains=300, rng=Rng(1, 300)))
    z = (plain.value.mean() - single.value.mean()) / ((plain.value.var() + single.value.var()) / 300).sqrt()
    assert abs(float(z)) < 5


def test_a_beam_of_one_is_svdd_at_temperature_zero():
    common = {"candidates": 4, "chains": 6, "rng": streams(6)}
    alone = last(svdd(gaussian(), VALUE, **common))
    assert torch.equal(alone, last(beam(gaussian(), VALUE, width=1, **common | {"rng": streams(6)})))


def test_blocks_of_one_step_are_svdd():
    for temperature in (0.0, 0.5):
        x = [
            last(f(gaussian(), VALUE, candidates=4, temperature=temperature, chains=6, rng=streams(6), **more))
            for f, more in ((svdd, {}), (blocks, {"block_length": 1}))
        ]
        assert torch.equal(*x)


def test_nested_with_one_candidate_is_smc_in_its_weights():
    """One child each leaves nothing to pick, so every survivor's weight is the recursion's."""
    common = {"particles": 3, "temperature": 0.5, "ess": 0.0, "chains": 4}
    one = last_step(nested_is(gaussian(), VALUE, candidates=1, rng=streams(4), **common))
    assert torch.allclose(one.log_w, one.value / 0.5)
    assert torch.allclose(
        last_step(smc(gaussian(), VALUE, rng=streams(4), **common)).log_w.flatten(), last_rewards(common) / 0.5
    )


def last_rewards(common):
    return reward(last(smc(gaussian(), VALUE, rng=streams(4), **common)))


def test_a_single_particle_is_the_pretrained_chain_weighed_by_its_reward():
    step = last_step(smc(gaussian(), VALUE, particles=1, temperature=0.5, ess=0.0, chains=50, rng=Rng(0, 50)))
    assert torch.allclose(step.log_w.flatten(), reward(step.particles.x) / 0.5)


@pytest.mark.parametrize("potential", ["difference", "max", "sum"])
def test_every_potential_ends_with_the_reward_as_its_weight(potential):
    step = last_step(
        smc(gaussian(), VALUE, particles=5, temperature=0.5, potential=potential, ess=0.0, chains=3, rng=streams(3))
    )
    assert torch.allclose(step.log_w.flatten(), reward(step.particles.x) / 0.5)


def test_smc_takes_any_resampler():
    step = last_step(smc(gaussian(), VALUE, particles=4, selector=adaptive(systematic), chains=2, rng=streams(2)))
    assert step.value.shape == (2, 4)


# --- conditioning ------------------------------------------------------------------------------------------------


@over_tilt
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_candidate_meets_the_conditioning_of_its_chain(setting):
    """x_0 is the conditioning itself, so every design that is scored says whose it was given."""
    chains, seen = 5, []
    process = gaussian(network=lambda x, t, cond: cond.expand_as(x))
    method, options = SETTINGS[setting]
    cond = 10 + torch.arange(chains)[:, None].double()

    def whose(designs):
        seen.append(designs[:, 0])
        return designs[:, 0] * 0

    steps = METHODS[method].function(
        process, posterior_mean(whose), chains=chains, cond=cond, rng=streams(chains), **options
    )
    for step in steps:
        n = step.value.shape[1]
        assert torch.equal(step.particles.cond, cond.repeat_interleave(n, 0))
    for designs in seen:
        assert torch.allclose(designs.view(chains, -1), cond.expand(chains, len(designs) // chains))


@over_tilt
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_network_meets_every_state_with_its_own_conditioning(setting):
    """States that carry their chain's number in a coordinate that no step changes."""
    chains = 4

    def stamped(x, t, cond):
        return torch.stack([x[:, 0], gaussian_network(x[:, 1], t, cond[:, 0])], 1)

    process, met = spied(lambda **settings: gaussian(network=stamped, **settings))
    inner_prior, inner = process.prior, process.transition

    def prior(n, rng):
        noise = inner_prior(n, rng)
        return torch.stack([torch.arange(n).double() // (n // chains), noise[:, 1]], 1)

    def transition(x, posterior, t, s):
        kernel = inner(x, posterior, t, s)
        mean, std = kernel.mean.clone(), kernel.std.expand_as(kernel.mean).clone()
        mean[:, 0], std[:, 0] = x[:, 0], 0.0
        return type(kernel)(mean, std)

    inner_noising = process.noising

    def noising(x_0, x_T, t, rng):
        return torch.stack([x_0[:, 0], inner_noising(x_0, x_T, t, rng)[:, 1]], 1)

    object.__setattr__(process, "prior", prior)
    object.__setattr__(process, "transition", transition)
    object.__setattr__(process, "noising", noising)
    method, options = SETTINGS[setting]
    cond = torch.arange(chains)[:, None].double()
    last_step(METHODS[method].function(process, VALUE, chains=chains, cond=cond, rng=streams(chains), **options))
    assert len(met) >= 4
    for x, _, given in met:
        assert torch.equal(x[:, :1], given)


# --- duplicates --------------------------------------------------------------------------------------------------


def test_a_beam_of_argmax_ties_does_not_prefer_the_first():
    flat = posterior_mean(lambda designs: torch.zeros(len(designs)))
    steps = list(svdd(gaussian(), flat, candidates=4, chains=400, rng=Rng(0, 400)))
    firsts = torch.cat([step.ancestor[:, 0] for step in steps[:-1]])  # the last step has one candidate
    share = firsts.bincount(minlength=4).double() / len(firsts)
    assert float((share - 0.25).abs().max()) < 5 * (0.1875 / len(firsts)) ** 0.5


@over_tilt
def test_svdd_r_returns_every_particle():
    result = decode(gaussian(), reward, method="svdd-r", samples=8, particles=4, candidates=2, replace=0.5)
    assert result.chain == [0, 0, 0, 0, 1, 1, 1, 1]
    assert len(result) == 8


@pytest.mark.parametrize("ess", [0.0, 0.5, 1.0])
def test_an_invalid_look_ahead_weighs_nothing_whether_or_not_its_chain_resamples(ess):
    """Half of the particles are invalid at one step: log Z then is that of the valid half, whatever the threshold."""

    def value(particles):
        v = torch.zeros(len(particles), dtype=torch.float64)
        if particles.step == 2:
            v[::2] = -torch.inf
        return v

    chains, n = 50, 6
    last = last_step(smc(gaussian(4), value, particles=n, ess=ess, chains=chains, rng=Rng(0, chains)))
    assert torch.allclose(log_mean(last.log_w).exp(), torch.full((chains,), 0.5, dtype=torch.float64))


def test_a_chain_without_a_valid_look_ahead_goes_on_as_if_not_scored():
    def value(particles):
        v = particles.x.sum(-1)
        return torch.full_like(v, -torch.inf) if particles.step == 2 else v

    steps = list(svdd(gaussian(4), value, candidates=3, temperature=0.5, chains=5, rng=Rng(0, 5)))
    assert torch.equal(steps[1].value, steps[0].value)
    assert torch.equal(steps[1].log_w, steps[0].log_w)
    assert bool(steps[-1].log_w.isfinite().all())


def test_the_divergence_of_a_path_is_log_m_a_step_for_the_argmax_and_less_for_a_choice():
    process, m = masked(4), 5
    value = posterior_mean(reward)
    hard = list(svdd(process, value, candidates=m, chains=200, rng=Rng(0, 200)))
    assert torch.allclose(path_divergence(hard[0], 0.0), torch.full((200,), math.log(m), dtype=torch.float64))
    soft = next(svdd(process, value, candidates=m, temperature=0.5, chains=200, rng=Rng(0, 200)))
    chosen = (soft.candidates.value[:, 0] / 0.5).softmax(-1).gather(1, soft.ancestor)[:, 0]
    assert torch.allclose(path_divergence(soft, 0.5), (m * chosen).log())
    assert 0 < float(path_divergence(soft, 0.5).mean()) < math.log(m)
