"""Tempering, scale-free weights and falling counts: laws in closed form, log Z by enumeration, rows to the last one."""

import itertools
import math
from functools import lru_cache

import pytest
import torch

import svdd
from exact import checks
from exact.tools import assert_mean, drive, estimates
from support.processes import SETTINGS, gaussian, masked, reward, words
from svdd.decoding.decoding import Decoding
from svdd.domains.toy import toy
from svdd.method import selectors, values
from svdd.method.narrowing import NARROWINGS, finally_left, narrowed, widest
from svdd.method.resampled import amc, bfs, smc
from svdd.method.tempering import Tempering, increasing, scale_free, weighing


@lru_cache
def model(name):
    return getattr(toy, name)()


# Adaptive tempering


@pytest.mark.parametrize("ess", [0.5, 0.7])
def test_lambda_with_the_reward_of_a_fixed_sample(ess):
    checks.lambda_rises_as_it_should(ess=ess)


def test_cumulative_weights_stay_even():
    checks.tempered_weights_stay_even()


def test_the_target_of_an_asymmetric_reward():
    """A symmetric reward would hide a sign: r = -exp(x) on N(0, 1), against quadrature."""
    x = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    law = (-(x**2) / 2 - x.exp()).softmax(0)
    mean, log_z = float(law @ x), float((-(x**2) / 2 - x.exp()).logsumexp(0) - (-(x**2) / 2).logsumexp(0))
    assert mean < -0.5
    settings = {"particles": 4096, "tempering": "adaptive", "ess": 0.9, "chains": 8, "rng": svdd.Rng(1, 8)}
    *steps, last = smc(checks.still(12), lambda particles: -particles.x[:, 0].exp(), **settings)
    first = steps[0].particles.memory["tempering"]
    assert 0 < float(first.min()) <= float(first.max()) < 0.9
    assert float(((last.log_w.softmax(1) * last.particles.x.view(8, -1)).sum(1) - mean).abs().max()) < 0.08
    assert float((selectors.log_mean(last.log_w) - log_z).abs().max()) < 0.05


def test_a_smaller_ess_lets_lambda_rise_further_and_never_falls():
    generator = svdd.Rng(3, 5)
    u = generator.normal((5, 64), dtype=torch.float64).exp()  # skewed
    before = torch.tensor([0.0, 0.1, 0.2, 0.9, 1.0], dtype=torch.float64)
    found = []
    for ess in (0.9, 0.7, 0.5, 0.2):
        strength, poor = Tempering(values.zero(reward), selectors.ssp, 1.0, ess).strength(8 * u, 8 * u, before)
        assert bool((strength >= before).all())
        assert bool(poor.all())
        found.append(strength)
    for stricter, looser in itertools.pairwise(found):
        assert bool((looser >= stricter).all())
    assert float(found[0][0]) < float(found[-1][0])


def test_lambda_stays_where_it_is_while_a_chain_has_no_hope_and_reaches_one_where_values_are_equal():
    both = torch.zeros(2, 6, dtype=torch.float64)
    both[0] = -torch.inf
    tempering = Tempering(values.zero(reward), selectors.ssp, 1.0, 0.5)
    before = torch.tensor([0.3, 0.3], dtype=torch.float64)
    strength, poor = tempering.strength(both, torch.zeros_like(both), before)
    assert strength.tolist() == [0.3, 1.0]
    assert not bool(poor.any())


@pytest.mark.parametrize("ess", [0.0, 1.0])
def test_adaptive_tempering_needs_an_ess_in_between(ess):
    with pytest.raises(ValueError, match=f"ess between 0 and 1, such as 0.5, got {ess}"):
        smc(gaussian(), values.zero(reward), tempering="adaptive", ess=ess, chains=1, rng=svdd.Rng(0, 1))


def test_an_unknown_tempering_is_named():
    with pytest.raises(ValueError, match="unknown tempering 'adaptiv'; did you mean adaptive"):
        weighing(values.zero(reward), selectors.ssp, "difference", "adaptiv", 1.0, 0.5, gaussian())


ENUMERATED = {
    "adaptive": ("smc", {"particles": 64, "tempering": "adaptive"}),
    "adaptive, max": ("smc", {"particles": 64, "tempering": "adaptive", "potential": "max"}),
    "adaptive, seldom": ("smc", {"particles": 64, "tempering": "adaptive", "every": 2}),
    "adaptive, psp": ("smc", {"particles": 64, "tempering": "adaptive", "narrowing": "psp"}),
    "increase": ("smc", {"particles": 16, "tempering": "increase", "ess": 0.9}),
    "psp": ("smc", {"particles": 16, "narrowing": "psp"}),
    "linear": ("smc", {"particles": 16, "narrowing": "linear"}),
    "halves": ("smc", {"particles": 16, "narrowing": "halves", "selector": selectors.ssp}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENUMERATED)
def test_log_z_and_reward_of_the_enumerated_model(name):
    m, (method, settings), a = model("enumerable_a"), ENUMERATED[name], 1.0
    step = drive(m, method, svdd.posterior_mean(m.reward), 800, seed=60, temperature=a, **settings)
    z, _ = estimates(step, a, step.value)
    assert_mean(z / math.exp(m.log_z(a)), 1.0)
    assert_mean(estimates(step, a, step.value - float(m.tilted(a) @ m.rewards))[1], 0.0)


@pytest.mark.slow
def test_adaptive_tempering_makes_log_z_steadier_where_look_aheads_mislead():
    m, a, spread, reached = model("enumerable_a"), 0.2, {}, {}
    for name, settings in {"none": {}, "adaptive": {"tempering": "adaptive", "ess": 0.9}}.items():
        v = svdd.posterior_mean(m.reward)
        step = drive(m, "smc", v, 1000, seed=1, particles=32, temperature=a, **settings)
        spread[name] = float(selectors.log_mean(step.log_w).std())
        w = step.log_w.softmax(1)
        reached[name] = float((w * step.value).sum(1).mean())
    assert spread["adaptive"] < 0.6 * spread["none"], spread
    assert reached["none"] + 0.03 < reached["adaptive"] < float(m.tilted(a) @ m.rewards) + 0.01, reached


# Breadth-first search


def test_the_strength_increases_with_mean_one():
    process = gaussian(steps=12)
    strength = [increasing(process)(t) for t in process.times[1:].tolist()]
    assert strength == sorted(strength)
    assert strength[0] == 0
    assert sum(strength) / 12 == pytest.approx(1)


def test_bfs_is_smc_with_its_three_parts():
    """But for the finished particles: all of them live, so that the best is not lost."""
    common = {"particles": 6, "temperature": 0.5, "chains": 3}
    value = svdd.posterior_mean(reward)
    parts = {"potential": "max", "tempering": "increase", "selector": selectors.ssp, "ess": 1.0}
    mine = list(bfs(gaussian(), value, rng=svdd.Rng(0, 3), **common))
    theirs = list(smc(gaussian(), value, rng=svdd.Rng(0, 3), **common, **parts))
    for one, other in zip(mine[:-1], theirs[:-1], strict=True):
        assert torch.equal(one.particles.x, other.particles.x)
        assert torch.equal(one.log_w, other.log_w)
    last = mine[-1]
    assert torch.equal(last.value, last.candidates.value.flatten(1))
    assert torch.equal(selectors.log_mean(last.log_w), theirs[-1].log_w[:, 0])


def test_the_running_maximum_of_negative_rewards_is_one_of_them():
    """Neither the start, nor a step without a valid look-ahead, nor a strength of 0 counts as a reward of 0."""

    def value(particles):
        v = -10 + particles.x.sum(-1)
        return torch.full_like(v, -torch.inf) if particles.step == 1 else v

    for strength in (values.untempered, increasing(gaussian(6))):
        steps = smc(gaussian(6), values.running_max(value, strength), particles=4, chains=2, rng=svdd.Rng(0, 2))
        best = None
        for step in steps:
            if step.particles.step > 1 and not step.particles.final:
                best = step.particles.memory["running max"]
                assert float(best.max()) < -1
        assert best is not None


@pytest.mark.slow
def test_bfs_finds_more_than_its_samples():
    m = model("enumerable_a")
    v = svdd.posterior_mean(m.reward)
    step = drive(m, "bfs", v, 400, seed=61, particles=8, temperature=0.2)
    plain = drive(m, "pretrained", v, 400, seed=61)
    assert float(step.value.mean()) > float(plain.value.mean()) + 0.2, "before the best is chosen"


# Weights without a scale


def test_amc_does_not_see_the_scale_of_the_reward():
    for process in (masked(6), gaussian(6)):
        found = []
        for score in (reward, lambda designs: 7 * reward(designs) + 3):
            steps = amc(process, svdd.posterior_mean(score), particles=8, chains=5, rng=svdd.Rng(0, 5))
            found.append([step.ancestor for step in steps])
        assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
        assert any(not torch.equal(a, torch.arange(8).expand_as(a)) for a in found[0]), "nothing was selected"


def test_amc_weighs_by_standard_deviations():
    log_w = torch.tensor([[0.0, 1.0, 2.0, 5.0]], dtype=torch.float64).expand(20_000, 4)
    z = (log_w[0] - 2) / math.sqrt(3.5)
    picked = selectors.multinomial
    ancestor = scale_free(picked, 0.5)(log_w, 4, svdd.Rng(0, 20_000)).ancestor
    counts = torch.nn.functional.one_hot(ancestor, 4).sum(1).double()
    for i, expected in enumerate((4 * (z / 0.5).softmax(0)).tolist()):
        assert_mean(counts[:, i], expected)


def test_amc_of_equal_and_of_invalid_gains():
    log_w = torch.zeros(3, 4, dtype=torch.float64)
    log_w[1, :3] = -torch.inf
    log_w[2] = -torch.inf
    chosen = scale_free(selectors.systematic, 0.5)(log_w, 4, svdd.Rng(0, 3))
    assert chosen.ancestor.tolist() == [[0, 1, 2, 3], [3, 3, 3, 3], [0, 1, 2, 3]]
    assert not bool(chosen.log_w.any())


def test_amc_loses_no_finished_particle():
    last = svdd.last(amc(gaussian(), svdd.posterior_mean(reward), particles=8, chains=3, rng=svdd.Rng(0, 3)))
    assert torch.equal(last.value, last.candidates.value.flatten(1))
    assert not bool(last.log_w.any())


def test_amc_has_no_log_z():
    assert svdd.decode(gaussian(), reward, method="amc", samples=2, particles=3).log_z is None


@pytest.mark.parametrize("deviations", [0.0, -1.0])
def test_amc_needs_a_positive_number_of_deviations(deviations):
    with pytest.raises(ValueError, match="deviations must be positive, got"):
        amc(gaussian(), values.zero(reward), deviations=deviations, chains=1, rng=svdd.Rng(0, 1))


# Counts that fall


def rows_of(method, steps=20, chains=2, value="posterior-mean", **options):
    decoding = Decoding(masked(steps), reward, method=method, samples=chains, share=False, value=value, **options)
    for _ in decoding:
        pass
    return decoding.usage.network.asked / chains, decoding.usage.reward.asked / chains


@pytest.mark.parametrize("n", [2, 4, 6])
def test_progressive_seed_pruning_costs_what_n_samples_cost(n):
    """2 N for a quarter of the steps, N for the next, N / 2 for the rest: N T network rows, and 3.5 N rewards."""
    assert rows_of("beam", width=n, candidates=1, narrowing="psp") == (n * 20, 3 * n + n // 2)
    assert rows_of("smc", particles=n, narrowing="psp")[0] == n * 20


def test_a_funnel_costs_about_what_n_samples_cost():
    assert rows_of("smc", particles=8, narrowing="linear")[0] == pytest.approx(8 * 20, rel=0.02)
    assert rows_of("smc", particles=8, narrowing="halves")[0] == 8 * 20 * 15 / 16


@pytest.mark.parametrize("rule", NARROWINGS)
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 50])
@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_counts_fall_from_the_widest_to_the_last(rule, steps, n):
    left = narrowed(rule, n, steps)
    counts = [left(step) for step in range(-1, steps)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] <= widest(rule, n) <= 2 * n
    assert counts[-1] == finally_left(rule, n) >= 1


def test_seeds_are_pruned_with_a_deterministic_sampler():
    decoding = Decoding(
        gaussian(20, eta=0.0), reward, method="beam", samples=1, width=4, candidates=1, narrowing="psp", share=False
    )
    sizes = [step.value.shape[1] for step in decoding]
    assert sizes == [8] * 3 + [4] * 5 + [2] * 12
    best = svdd.decode(gaussian(20, eta=0.0), reward, method="best-of-n", samples=1, particles=8)
    assert float(decoding.result().rewards) <= float(best.rewards)


def test_a_rule_beside_a_function_is_refused():
    with pytest.raises(ValueError, match="narrowing=psp needs a whole number of particles"):
        svdd.beam(gaussian(), values.zero(reward), width=lambda step: 3, narrowing="psp", chains=1, rng=svdd.Rng(0, 1))
    with pytest.raises(ValueError, match="unknown narrowing 'pps'; did you mean psp"):
        narrowed("pps", 4, 8)


# All particles with their weights


@pytest.mark.slow
def test_all_particles_give_averages_under_the_target():
    m, a = model("enumerable_a"), 1.0
    settings = {"method": "smc", "particles": 16, "temperature": a, "tempering": "adaptive", "ess": 0.5}
    result = svdd.decode(m.process, m.reward, samples=16 * 500, returns="all", seed=62, **settings)
    w = result.log_w.exp().view(500, 16)
    assert torch.equal(selectors.log_mean(result.log_w.view(500, 16)), torch.tensor(result.log_z, dtype=torch.float64))
    assert_mean((w * (result.rewards.view(500, 16) - float(m.tilted(a) @ m.rewards))).mean(1), 0.0)


@pytest.mark.parametrize("setting", ["smc", "smc tempered", "smc increase", "bfs", "nested-is", "best-of-n"])
def test_every_particle_of_a_weighted_method_is_a_row(setting, tmp_path):
    method, options = SETTINGS[setting]
    each = finally_left(options.get("narrowing", "none"), options["particles"])
    result = svdd.decode(masked(), reward, method=method, samples=2 * each, returns="all", **options)
    frame = result.to_frame()
    assert list(frame.columns) == ["id", "chain", "sample", "reward", "valid", "log_weight"]
    assert len(frame) == 2 * each
    assert frame.chain.tolist() == [0] * each + [1] * each
    back = svdd.read(result.save(tmp_path / "run"))
    assert torch.equal(back.log_w, result.log_w)
    assert not back.scores


def test_particles_without_weights_have_no_column():
    result = svdd.decode(masked(), reward, method="amc", samples=8, particles=4, returns="all")
    assert result.log_w is None
    assert len(result) == 8
    assert svdd.decode(masked(), reward, method="smc", samples=2, particles=4).log_w is None


def test_a_score_cannot_be_called_like_the_weights():
    with pytest.raises(ValueError, match="cannot be named 'log_weight'"):
        svdd.decode(masked(), reward, samples=2, candidates=2, scores={"log_weight": reward})


# The best of everything that was scored


@pytest.mark.parametrize("setting", ["pretrained", "svdd", "smc tempered", "bfs", "amc", "beam psp"])
def test_nothing_good_that_was_scored_is_lost(setting):
    method, options = SETTINGS[setting]
    for process, kept in ((masked(), 4), (masked(decode=words), 100)):
        scored = {}

        def noted(designs, scored=scored):
            numbers = torch.as_tensor(reward(designs), dtype=torch.float64)
            names = designs if isinstance(designs, list) else [str(row.tolist()) for row in designs]
            scored.update(zip(names, numbers.tolist(), strict=True))
            return numbers

        result = svdd.decode(process, noted, method=method, samples=2, **options)
        best = result.best_scored(3)
        assert list(best.columns) == ["sample", "reward"]
        assert best.reward.tolist() == sorted(scored.values(), reverse=True)[:3]
        assert len(result.best_scored(1000)) == min(kept, len(scored))
