"""The loop: sizes, resumption, independence of chains, and what it refuses."""

import math

import pytest
import torch

from support.processes import SETTINGS, gaussian, masked, mixed, reward, streams
from svdd.chain.rng import Rng
from svdd.chain.tree import leaves, take
from svdd.decoding.decoding import last as last_step
from svdd.method.algorithms import beam, best_of_n, blocks, nested_is, pretrained, svdd
from svdd.method.learned_values import learned
from svdd.method.loop import Step, begin, search, tilt
from svdd.method.resampled import smc
from svdd.method.selectors import keep, multinomial, top
from svdd.method.table import METHODS
from svdd.method.values import posterior_mean, zero
from svdd.scoring.reward import RewardError

pytestmark = pytest.mark.filterwarnings("ignore::svdd.method.algorithms.OverTiltWarning")
VALUE = posterior_mean(reward)


def steps_of(setting, process, *, chains=3, seed=0, **kwargs):
    method, options = SETTINGS[setting]
    rng = kwargs.pop("rng", None) or Rng(seed, chains)
    return METHODS[method].function(process, VALUE, chains=chains, rng=rng, **options, **kwargs)


def equal(left, right):
    """Whether two steps are the same bit for bit, whoever they belong to."""
    mine, theirs = (
        leaves((s.particles.x, s.particles.cond, s.particles.memory, s.value, s.log_w, s.ancestor))
        for s in (left, right)
    )
    return len(mine) == len(theirs) and all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


def chains_of(step, index):
    """The chains `index` of a step."""
    n = step.value.shape[1]
    row = (index[:, None] * n + torch.arange(n)).flatten()
    return Step(step.particles[row], *(part[index] for part in (step.value, step.log_w, step.ancestor)))


def cond_for(chains):
    return torch.arange(chains)[:, None].double() / 4


# --- resumption, batches, permutations ---------------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_run_can_go_on_from_every_step(setting):
    process, cond = mixed(steps=4), cond_for(2)
    kept = []
    for step in steps_of(setting, process, chains=2, cond=cond):
        kept.append((step, step.particles.rng.state()))
    method, options = SETTINGS[setting]
    assert len(kept) == METHODS[method].steps_of(4, options)
    for number, (step, state) in enumerate(kept[:-1]):  # all from steps that have long been passed
        rest = list(steps_of(setting, process, chains=2, cond=cond, start=step, rng=Rng.from_state(state)))
        assert len(rest) == len(kept) - 1 - number
        assert all(equal(a, b) for a, (b, _) in zip(rest, kept[number + 1 :], strict=True))


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_chain_does_not_know_how_many_run_beside_it(setting):
    few = last_step(steps_of(setting, mixed(), chains=3, cond=cond_for(3)))
    many = last_step(steps_of(setting, mixed(), chains=8, cond=cond_for(8)))
    assert equal(few, chains_of(many, torch.arange(3)))


@pytest.mark.parametrize("setting", SETTINGS)
def test_permuting_chains_permutes_results(setting):
    order = torch.tensor([2, 0, 3, 1])
    plain = last_step(steps_of(setting, masked(), chains=4, cond=cond_for(4)))
    permuted = last_step(
        steps_of(setting, masked(), chains=4, cond=take(cond_for(4), order), rng=Rng(0, order.tolist()))
    )
    assert equal(permuted, chains_of(plain, order))


def test_the_seed_matters():
    results = [last_step(steps_of("svdd", gaussian(), chains=3, seed=seed)) for seed in (0, 0, 1)]
    assert equal(results[0], results[1])
    assert not equal(results[0], results[2])


def test_a_step_of_other_chains_is_refused():
    step = next(steps_of("svdd", gaussian(), chains=4))
    with pytest.raises(ValueError, match="start from has 4 chains, but there are 2 random streams"):
        next(steps_of("svdd", gaussian(), chains=2, start=step))


# --- what a step says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
def test_survivors_are_the_children_that_their_ancestors_name(setting):
    process = gaussian(steps=3)
    for step in steps_of(setting, process):
        b, n = step.value.shape
        assert step.log_w.shape == step.ancestor.shape == (b, n)
        assert len(step.particles) == b * n
        if step.candidates is not None:
            assert torch.equal(step.value, step.candidates.value.flatten(1).gather(1, step.ancestor))
            if setting not in ("smc max", "smc sum", "smc increase", "bfs"):  # sums are in memory, or strengths count
                assert torch.equal(step.value.flatten(), VALUE(step.particles))


def test_weights_follow_the_recursion():
    """log w <- log w + (v(child) - v(parent)) / a, kept by `keep`; at the end it is the reward."""
    steps = list(search(gaussian(), VALUE, keep, chains=2, particles=3, temperature=0.5, rng=streams(2)))
    for step in steps:
        assert torch.allclose(step.log_w, step.value / 0.5, atol=1e-12)
    assert torch.allclose(steps[-1].log_w.flatten(), reward(steps[-1].particles.x) / 0.5, atol=1e-12)


def test_a_step_without_scores_keeps_weights_values_and_everyone():
    steps = list(
        search(masked(), VALUE, keep, chains=2, particles=3, children=2, rng=streams(2), scored=lambda step: step != 1)
    )
    assert [step.value.shape[1] for step in steps] == [3, 6, 3, 3]
    assert steps[1].candidates is None
    assert torch.equal(steps[1].value, steps[0].value.repeat_interleave(2, 1))
    assert torch.equal(steps[1].log_w, steps[0].log_w.repeat_interleave(2, 1))


def test_distinct_counts_different_children():
    step = next(search(masked(steps=2), VALUE, multinomial, chains=5, children=30, rng=streams(5)))
    again = begin(masked(steps=2), chains=5, particles=1, cond=(), rng=streams(5)).particles.propose(30)
    expected = [len({tuple(row) for row in again.x[30 * b : 30 * b + 30].tolist()}) for b in range(5)]
    assert step.candidates.distinct.flatten().tolist() == expected
    assert 1 < min(expected) < 30


def test_sizes_may_depend_on_the_step():
    sizes = {0: 4, 1: 2, 2: 5, 3: 1}
    steps = list(
        beam(masked(), VALUE, width=lambda step: [3, 2, 4, 1][step], candidates=sizes.get, chains=2, rng=streams(2))
    )
    assert [step.value.shape[1] for step in steps] == [3, 2, 4, 1]
    assert [step.candidates.value.shape for step in steps] == [(2, 3, 4), (2, 3, 2), (2, 2, 5), (2, 4, 1)]
    grown = list(svdd(gaussian(), VALUE, candidates=lambda step: step + 1, chains=2, rng=streams(2)))
    assert [step.candidates.value.shape[2] for step in grown] == [1, 2, 3, 1]


# --- invalid designs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("last", [False, True])
def test_a_run_goes_on_when_every_candidate_is_invalid(setting, last):
    """Look-aheads of chain 0 are always invalid; its designs are, too, or are not."""
    process = gaussian(steps=4)

    def value(particles):
        v = VALUE(particles)
        hopeless = torch.arange(len(v)) < len(v) // 2
        return torch.where(hopeless, -math.inf, v) if last or not particles.final else v

    method, options = SETTINGS[setting]
    for step in METHODS[method].function(process, value, chains=2, rng=streams(2), **options):
        assert not bool(step.value.isnan().any())
        assert not bool(step.log_w.isnan().any())
        if not step.particles.final:
            assert bool(step.value.isfinite().all())
            assert bool(step.log_w.isfinite().all())
    assert bool(step.value[0].isneginf().all()) == last
    assert bool(step.value[1].isfinite().all())
    if not last and method in ("smc", "best-of-n", "pretrained"):
        assert torch.allclose(step.log_w[0].logsumexp(0), step.log_w[0].exp().sum().log())


@pytest.mark.parametrize("setting", ["svdd", "svdd argmax", "beam", "nested-is", "svdd-r full"])
def test_an_invalid_candidate_is_never_chosen_while_a_valid_one_is_there(setting):
    process = gaussian(steps=3)

    def value(particles):
        v = VALUE(particles)
        return torch.where(torch.arange(len(v)) % 2 == 0, v, -math.inf)  # every second sibling

    method, options = SETTINGS[setting]
    options = options | {"candidates": 4}
    for step in METHODS[method].function(process, value, chains=3, rng=streams(3), **options):
        if int(step.candidates.value.shape[2]) > 1:
            assert bool((step.ancestor % 2 == 0).all())


@pytest.mark.parametrize("setting", SETTINGS)
def test_an_unusable_reward_stops_the_run(setting):
    method, options = SETTINGS[setting]
    value = posterior_mean(lambda designs: reward(designs) * math.nan)
    with pytest.raises(RewardError, match="NaN"):
        last_step(METHODS[method].function(gaussian(), value, chains=2, rng=streams(2), **options))


def test_a_value_of_the_wrong_shape_is_refused():
    with pytest.raises(RewardError, match="the value was given 4 designs"):
        last_step(svdd(gaussian(), lambda particles: torch.zeros(1), candidates=2, chains=2, rng=streams(2)))


# --- deterministic kernels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["svdd", "nested-is", "beam", "svdd-r", "blocks"])
def test_equal_candidates_are_refused_with_a_remedy(setting):
    with pytest.raises(ValueError, match=r"deterministic, so all \d candidates .* use a stochastic sampler"):
        last_step(steps_of(setting, gaussian(eta=0.0)))


@pytest.mark.parametrize("setting", ["pretrained", "best-of-n", "smc"])
def test_a_deterministic_kernel_is_fine_with_one_child(setting):
    assert last_step(steps_of(setting, gaussian(eta=0.0))).particles.final


def test_a_deterministic_last_step_is_paid_for_once():
    seen = []
    value = posterior_mean(lambda designs: seen.append(len(designs)) or reward(designs))
    steps = list(svdd(gaussian(steps=3), value, candidates=5, chains=2, rng=streams(2)))
    assert seen == [10, 10, 2]
    assert steps[-1].candidates.value.shape == (2, 1, 1)
    (only,) = svdd(gaussian(steps=1), value, candidates=5, chains=2, rng=streams(2))
    assert only.candidates.value.shape == (2, 1, 1)


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_search_needs_a_positive_temperature(temperature):
    with pytest.raises(ValueError, match="temperature must be positive"):
        next(search(gaussian(), VALUE, multinomial, chains=1, temperature=temperature, rng=streams()))


@pytest.mark.parametrize("sizes", [{"particles": 0}, {"children": 0}, {"children": lambda step: 1 - step}])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="whole and at least 1, got 0 at step"):
        last_step(search(gaussian(), VALUE, multinomial, chains=2, rng=streams(2), **sizes))


def test_streams_must_match_the_chains():
    with pytest.raises(ValueError, match=r"got 2 random streams for 3 chains; make Rng\(seed, chains\)"):
        next(search(gaussian(), VALUE, keep, chains=3, rng=streams(2)))
    with pytest.raises(ValueError, match="0 chains"):
        next(search(gaussian(), VALUE, keep, chains=0, rng=streams(2)))


@pytest.mark.parametrize("rows", [1, 4])
def test_conditioning_must_match_the_chains(rows):
    with pytest.raises(ValueError, match=rf"conditioning has {rows} rows, but needs one for each of 2 chains"):
        next(search(gaussian(), VALUE, keep, chains=2, particles=2, cond=torch.zeros(rows, 1), rng=streams(2)))


def test_a_finished_step_has_nothing_left():
    last = last_step(pretrained(gaussian(steps=1), VALUE, chains=1, rng=streams()))
    with pytest.raises(ValueError, match="it started from a finished one"):
        last_step(pretrained(gaussian(steps=1), VALUE, chains=1, rng=streams(), start=last))


def test_run_makes_no_graph():
    process = gaussian(network=lambda x, t, cond: x * torch.ones((), requires_grad=True))
    assert not last_step(pretrained(process, VALUE, chains=1, rng=streams())).particles.x.requires_grad


# --- the initial noise -------------------------------------------------------------------------------------------


def test_tilt_chooses_among_fresh_noises():
    process = gaussian()
    start = begin(process, chains=400, particles=2, cond=cond_for(400), rng=Rng(0, 400))
    chosen = tilt(start, VALUE, multinomial, candidates=1, temperature=1.0)
    assert chosen.value.shape == (400, 2)
    best = tilt(start, VALUE, top, candidates=8, temperature=1.0)
    assert best.particles.step == 0
    assert torch.equal(best.particles.cond, start.particles.cond)
    assert float(best.value.mean()) > float(VALUE(start.particles).mean()) + 0.3
    assert torch.equal(best.value.flatten(), VALUE(best.particles))
    assert best.candidates.value.shape == (400, 2, 8)


def test_other_values_drive_the_same_loop():
    for value in (zero(reward), learned(lambda x, t, cond: x.sum(-1), reward)):
        for steps in (
            smc(gaussian(), value, particles=4, chains=2, rng=streams(2)),
            nested_is(gaussian(), value, particles=2, candidates=2, chains=2, rng=streams(2)),
            best_of_n(gaussian(), value, particles=2, chains=2, rng=streams(2)),
            blocks(gaussian(), value, candidates=2, block_length=2, chains=2, rng=streams(2)),
        ):
            last = last_step(steps)
            assert torch.equal(last.value.flatten(), reward(last.particles.x))
