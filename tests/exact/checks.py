"""Small fast checks, each of one property that a plausible mistake would break.

The exact tests call them on the library as it is; `tests/test_mutants.py` calls them on the library with a bug planted and
expects them to fail. Functions of the library are looked up when a check runs, so that they see the planted bug.
"""

import math
from dataclasses import replace
from functools import lru_cache

import pytest
import torch

import svdd
from exact.tools import assert_law, assert_mean, drive, estimates, first_designs, histogram
from svdd.chain.distributions import Categorical, Dirac, Normal
from svdd.chain.process import Particles, Process
from svdd.chain.schedules import time_grid
from svdd.chain.unmasking import Unmasking
from svdd.domains.toy import toy
from svdd.domains.toy.enumeration import choice_law, place
from svdd.method import algorithms, diagnostics, loop, resampled, selectors, values
from svdd.method.loop import begin

RESAMPLERS = ("multinomial", "residual", "stratified", "systematic", "ssp")


@lru_cache
def model(name):
    return getattr(toy, name)()


def _log_mean_exp(log_w):
    return log_w.logsumexp(-1) - math.log(log_w.shape[-1])


def weights(chains, candidates, seed=0):
    return svdd.Rng(seed, chains).normal((chains, candidates), dtype=torch.float64)


# Selectors


def resampling_keeps_the_level():
    """Every survivor carries the log-mean weight of the pool, also where the sizes differ."""
    log_w = weights(4, 6) + 3
    for name in RESAMPLERS:
        for n in (3, 6, 8):
            carried = getattr(selectors, name)(log_w, n, svdd.Rng(1, 4)).log_w
            torch.testing.assert_close(carried, _log_mean_exp(log_w)[:, None].expand(4, n))


def offspring_are_as_expected(repeats=10_000):
    """E[counts] = n W for every scheme."""
    log_w = torch.tensor([0.3, -1.0, 0.9, 0.0, -2.0], dtype=torch.float64)
    for name in RESAMPLERS:
        for n in (3, 5):
            ancestor = getattr(selectors, name)(log_w.expand(repeats, 5), n, svdd.Rng(2, repeats)).ancestor
            counts = torch.nn.functional.one_hot(ancestor, 5).sum(1).double()
            for i, expected in enumerate((n * log_w.softmax(0)).tolist()):
                if counts[:, i].std() > 0:
                    assert_mean(counts[:, i], expected)
                else:
                    assert counts[0, i] == pytest.approx(expected)


def chains_select_by_themselves():
    """What a chain selects does not depend on the weights of its neighbours, nor on a constant added to its own."""
    log_w = weights(3, 5)
    others = log_w + torch.tensor([[1e4], [0.0], [-1e4]])
    for name in (*RESAMPLERS, "top"):
        alone, beside = (getattr(selectors, name)(w, 4, svdd.Rng(3, 3)) for w in (log_w, others))
        assert torch.equal(alone.ancestor, beside.ancestor), name


def hopeless_chains_select_uniformly():
    """A chain whose candidates are all invalid goes on with any of them; no NaN."""
    log_w = torch.full((4000, 3), -torch.inf, dtype=torch.float64)
    for name in (*RESAMPLERS, "top"):
        picked = getattr(selectors, name)(log_w, 1, svdd.Rng(4, 4000))
        assert not bool(picked.log_w.isnan().any())
        assert_law(torch.bincount(picked.ancestor[:, 0], minlength=3).double(), torch.full((3,), 1 / 3))


def ties_are_broken_evenly():
    log_w = torch.tensor([1.0, 2.0, 2.0, 0.0, 2.0], dtype=torch.float64).expand(3000, 5)
    counts = torch.bincount(selectors.top(log_w, 1, svdd.Rng(5, 3000)).ancestor[:, 0], minlength=5).double()
    assert_law(counts, torch.tensor([0.0, 1 / 3, 1 / 3, 0.0, 1 / 3], dtype=torch.float64))


def weighted_methods_are_unbiased(method="smc", chains=800, value=None, **settings):
    """Z-hat, and the weighted reward around its true mean, at few particles and with a biased value."""
    m, a = model("enumerable_a"), 1.0
    settings = {"particles": 6, "ess": 1.0} | settings
    step = drive(m, method, value or values.posterior_mean(m.reward), chains, temperature=a, **settings)
    z, _ = estimates(step, a, step.value)
    assert_mean(z / math.exp(m.log_z(a)), 1.0)
    centred = step.value - float(m.tilted(a) @ m.rewards)
    assert_mean(estimates(step, a, centred)[1], 0.0)
    square = step.value**2 - float(m.tilted(a) @ m.rewards**2)
    assert_mean(estimates(step, a, square)[1], 0.0)


def a_step_without_hope_leaves_the_weights_right(method="smc", **settings):
    """Where all look-aheads are invalid, a step counts as not scored: a child is worth what its parent is."""
    look_ahead = values.posterior_mean(model("enumerable_a").reward)

    def value(particles):
        v = look_ahead(particles)
        return torch.full_like(v, -math.inf) if particles.step == 4 else v

    weighted_methods_are_unbiased(method, value=value, **settings)


def nested_is_is_unbiased():
    weighted_methods_are_unbiased("nested-is", candidates=3)


def still(checks=20):
    """x ~ N(0, 1) stands still, and the look-ahead at check i of T is x i / T: steering is all in carried weights."""

    def prior(n, rng):
        return rng.normal((n, 1), dtype=torch.float64)

    return Process(prior, lambda x, t, cond: Dirac(x), lambda x, posterior, t, s: Normal(x, 0.0), time_grid(checks))


def weights_are_carried_while_nothing_is_resampled(particles=8192):
    """The target is N(1, 1); weights dropped at a high effective sample size leave N(0, 1)."""
    process = still()

    def value(particles):
        return particles.x[:, 0] * particles.step / process.steps

    step = svdd.last(resampled.smc(process, value, particles=particles, chains=4, rng=svdd.Rng(0, 4)))
    w = step.log_w.softmax(1)
    mean = (w * step.value).sum(1)
    assert float((mean - 1).abs().max()) < 0.15, mean
    distinct = len(step.value[0].unique())
    assert distinct > particles / 3, f"{distinct} lineages left: it resampled more often than it had to"


def tempered_weights_stay_even(particles=2048, ess=0.5):
    """The look-ahead sharpens at each check: weights that were carried count when a chain decides whether to resample."""
    process = still()

    def value(particles):
        return particles.x[:, 0] * particles.step / process.steps

    settings = {"particles": particles, "tempering": "adaptive", "ess": ess, "chains": 4, "rng": svdd.Rng(0, 4)}
    for step in resampled.smc(process, value, **settings):
        left = 1 - step.particles.memory["tempering"].view(4, particles)
        even = selectors.effective_sample_size(step.log_w - left * step.value)
        assert float(even.min()) > 0.99 * ess * particles, step.particles.step


def lambda_rises_as_it_should(particles=8192, ess=0.5):
    r"""The value is the reward x of N(0, 1), which stands still: ESS = N exp(-d^2), so $\lambda_k = k \sqrt{-\log ess}$."""
    settings = {"particles": particles, "tempering": "adaptive", "ess": ess, "chains": 4, "rng": svdd.Rng(0, 4)}
    steps = list(resampled.smc(still(4), lambda particles: particles.x[:, 0], **settings))
    for k, step in enumerate(steps[:-1], 1):
        found = step.particles.memory["tempering"].view(4, particles)
        assert torch.equal(found, found[:, :1].expand_as(found))
        expected = min(1.0, k * math.sqrt(-math.log(ess)))
        assert float((found[:, 0] - expected).abs().max()) < 0.06, (k, found[:, 0])
    w, x = steps[-1].log_w.softmax(1), steps[-1].value
    mean = (w * x).sum(1)
    variance = (w * (x - mean[:, None]) ** 2).sum(1)
    assert float((mean - 1).abs().max()) < 0.1, mean
    assert float((variance - 1).abs().max()) < 0.15, variance
    assert float((_log_mean_exp(steps[-1].log_w) - 0.5).abs().max()) < 0.06


# The choice


def one_choice_has_its_exact_law(chains=6000):
    """One step, three tokens: softmax at two temperatures, and the argmax."""
    m = model("one_step")
    v = values.posterior_mean(m.reward)
    for temperature in (1.0, 0.4, 0.0):
        law = m.finite_law(m.soft_values(1.0), 3, temperature)
        step = drive(m, "svdd", v, chains, seed=1, candidates=3, temperature=temperature)
        assert_law(histogram(m, step.particles.x), law)


def argmax_has_its_exact_law(chains=6000):
    """Many designs equally good, so that the way ties are broken is the law."""
    m = model("ties")
    step = drive(m, "svdd", values.posterior_mean(m.reward), chains, seed=2, candidates=4)
    assert_law(histogram(m, step.particles.x), m.finite_law(m.posterior_mean_values(), 4, 0.0))


def initial_noise_is_selected(chains=6000):
    """Of four standard normals one, chosen by exp(x), against quadrature."""
    m, rng = toy.gaussian_linear(steps=1), svdd.Rng(3, chains)
    z = torch.linspace(-9, 9, 721, dtype=torch.float64)
    law = choice_law((-(z**2) / 2).softmax(0)[None], z, 4, 1.0)[0]
    start = begin(m.process, chains=chains, particles=1, cond=(), rng=rng)
    tilted = loop.tilt(start, lambda p: p.x[:, 0], selectors.multinomial, candidates=4, temperature=1.0)
    assert_mean(tilted.particles.x[:, 0], float(law @ z))
    assert_mean(tilted.particles.x[:, 0] ** 2, float(law @ z**2))


def values_see_the_child_itself():
    """The posterior mean is taken at the child's own time and state (uniform noise: both matter)."""
    m = model("uniform")
    tables = m.posterior_mean_values()
    seen = []

    def spy(x, t, cond):
        seen.append(float(t))
        return m.process.denoiser(x, t, cond)

    process = replace(m.process, denoiser=spy)
    steps = algorithms.svdd(
        process, values.posterior_mean(m.reward), candidates=3, temperature=0.5, chains=40, rng=svdd.Rng(0, 40)
    )
    for step in steps:
        known = m.as_value(tables)(step.particles)
        torch.testing.assert_close(step.value[:, 0], known)
    assert seen == process.times[:-1].tolist(), "one call a time, each at its own"


def soft_values_satisfy_the_bellman_equation(chains=400):
    r"""$E[e^{\delta_t/a}] = 1$ with the exact value, at every step."""
    m, a = model("enumerable_a"), 0.5
    steps = algorithms.svdd(m.process, m.value(a), candidates=20, temperature=a, chains=chains, rng=svdd.Rng(4, chains))
    for number, step in enumerate(steps):
        expected = math.exp(m.log_z(a)) if number == 0 else 1.0
        ratio = (diagnostics.bellman_residual(step, a)[:, 0] / a).exp() / expected
        assert_mean(ratio, 1.0)


# Particles


def _labelled(steps=4):
    """A chain whose every kernel reveals the row's conditioning and state: x becomes x + cond + noise."""

    def prior(n, rng):
        return torch.zeros(n, 1, dtype=torch.float64)

    def denoiser(x, t, cond):
        return Normal(x + cond["label"].double()[:, None] * 100, 0.0)

    return Process(prior, denoiser, lambda x, posterior, t, s: Normal(posterior.mode(), 1.0), time_grid(steps))


def conditioning_stays_with_its_chain():
    """Child m of chain b is denoised under condition b."""
    cond = {"label": torch.arange(4)}
    steps = algorithms.svdd(
        _labelled(), lambda p: p.x[:, 0], candidates=5, temperature=1.0, chains=4, cond=cond, rng=svdd.Rng(0, 4)
    )
    for step in steps:
        assert step.particles.cond["label"].tolist() == [0, 1, 2, 3]
        expected = 100.0 * step.particles.step * torch.arange(4)
        assert float((step.particles.x[:, 0] - expected).abs().max()) < 20


def predictions_travel_with_the_winner():
    """The network's answer that a survivor brings along is the answer for its own state."""
    m = model("enumerable_a")
    steps = algorithms.svdd(
        m.process, values.posterior_mean(m.reward), candidates=6, temperature=0.5, chains=20, rng=svdd.Rng(0, 20)
    )
    for step in steps:
        if not step.particles.final:
            fresh = m.process.denoiser(step.particles.x, step.particles.t, ())
            assert step.particles.has_posterior
            assert torch.equal(step.particles.posterior.log_p, fresh.log_p)


def siblings_differ():
    rng = svdd.Rng(0, 3)
    children = Normal(torch.zeros(3, 2, dtype=torch.float64), 1.0).sample(4, rng)
    assert len(children.unique(dim=0)) == 12
    tokens = Categorical(torch.zeros(3, 20, 4, dtype=torch.float64)).sample(4, rng)
    assert len(tokens.unique(dim=0)) == 12


def one_particle_weighs_its_reward():
    """Without anything to resample every potential ends with log w = r / a."""
    m = model("enumerable_a")
    for potential in ("difference", "max", "sum"):
        v = values.posterior_mean(m.reward)
        step = drive(m, "smc", v, 20, particles=1, temperature=0.5, potential=potential)
        torch.testing.assert_close(step.log_w, step.value / 0.5)
        assert torch.equal(step.value[:, 0], m.reward(step.particles.x))


def memory_stays_with_its_particle():
    """The running maximum of a survivor is the maximum over its own ancestors."""
    m = model("enumerable_a")
    v = values.running_max(m.as_value(m.posterior_mean_values()))
    steps = algorithms.svdd(m.process, v, candidates=4, temperature=1.0, chains=30, rng=svdd.Rng(1, 30))
    best = torch.full((30,), -torch.inf, dtype=torch.float64)
    for step in steps:
        if not step.particles.final:
            best = torch.maximum(best, m.as_value(m.posterior_mean_values())(step.particles))
            assert torch.equal(step.particles.memory["running max"], best)


# Contracts


def unusable_rewards_are_refused():
    m = model("one_step")
    for bad in (math.nan, math.inf):
        with pytest.raises(svdd.RewardError, match="rows"):
            drive(m, "svdd", values.posterior_mean(lambda x, bad=bad: torch.full((len(x),), bad)), 2, candidates=2)


def a_chain_depends_on_its_own_stream_alone():
    """Chains 0 to 2 of a run of 8 are a run of 3, whatever global generators do."""
    m = model("enumerable_a")
    v = values.posterior_mean(m.reward)
    runs = [drive(m, "svdd", v, chains, seed=7, candidates=3, temperature=0.5) for chains in (8, 3)]
    assert torch.equal(runs[0].particles.x[:3], runs[1].particles.x)
    g = toy.gaussian_linear(8)
    runs = [drive(g, "smc", values.posterior_mean(g.reward), chains, seed=7, particles=4) for chains in (8, 3)]
    assert torch.equal(runs[0].particles.x[:12], runs[1].particles.x)
    assert len(runs[0].particles.x.unique()) > 8, "chains differ from each other"


def svdd_has_its_exact_law(chains=6000):
    """PM value, a = .5, M = 5 on the enumerable model."""
    m = model("enumerable_a")
    step = drive(m, "svdd", values.posterior_mean(m.reward), chains, seed=3, candidates=5, temperature=0.5)
    assert_law(histogram(m, first_designs(step)), m.finite_law(m.posterior_mean_values(), 5, 0.5))


def proposals_have_the_law_of_the_kernel(chains=6000):
    """Children drawn from a partly masked state, against the transition matrix."""
    m, x = model("enumerable_b"), torch.tensor([[3, 1, 3]])
    children = Particles(m.process, 3, x, rng=svdd.Rng(5, 1)).propose(chains).x
    law = m.kernel(3)[place(x, 4)[0]]
    assert_law(torch.bincount(place(children, 4), minlength=64).double(), law)


def a_masked_step_leaves_out_no_site(rows=400):
    """The step that looks at few sites alone, against the same law at every site, number by number."""
    noise = torch.Generator().manual_seed(0)
    x = torch.randint(0, 5, (rows, 20), generator=noise)
    log_token = torch.randn(rows, 20, 4, generator=noise)
    for reveal in (0.0, 0.01, 0.3, 0.9, 1.0):
        levels = torch.tensor([reveal, 1 - reveal]).log()[:, None].expand(2, rows)
        step = Unmasking(x, log_token, *levels)
        for children in (1, 3):
            drawn = (law.sample(children, svdd.Rng(1, rows)) for law in (step, Categorical(step.log_p)))
            assert torch.equal(*drawn)


def states_that_differ_have_answers_of_their_own():
    m = model("enumerable_a")
    chosen = {"method": "svdd", "samples": 40, "candidates": 6, "temperature": 0.5, "seed": 1}
    shared, apart = (svdd.decode(m.process, m.reward, share=share, **chosen) for share in (True, False))
    assert torch.equal(shared.samples, apart.samples)
