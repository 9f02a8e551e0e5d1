"""Every row of the method table against laws that are known exactly, through the front door and the real loop."""

import warnings
from contextlib import nullcontext
from functools import lru_cache

import pytest
import torch

import svdd
from exact.tools import assert_law, drive, first_designs, histogram
from svdd.domains.toy import toy
from svdd.domains.toy.enumeration import choice_law
from svdd.method.algorithms import OverTiltWarning
from svdd.method.table import METHODS

pytestmark = pytest.mark.slow

A = 0.5


@lru_cache
def model(name):
    return getattr(toy, name)()


def expected_warning(method):
    return pytest.warns(OverTiltWarning) if method == "svdd-r" else nullcontext()


# Settings with nothing to choose from, and settings that choose blindly.
ALONE = {
    "pretrained": {},
    "best-of-n": {"particles": 1},
    "svdd": {"candidates": 1, "temperature": A},
    "svdd-r": {"particles": 2, "candidates": 1, "temperature": 1e9, "replace": None},
    "smc": {"particles": 1, "temperature": A},
    "bfs": {"particles": 1, "temperature": A},
    "amc": {"particles": 1},
    "nested-is": {"particles": 1, "candidates": 1, "temperature": A},
    "beam": {"width": 1, "candidates": 1},
    "blocks": {"candidates": 1, "block_length": 3, "temperature": A},
    "refine": {"moves": 0},
}
BLIND = {
    "pretrained": {},
    "best-of-n": {"particles": 4},
    "svdd": {"candidates": 4},
    "svdd-r": {"particles": 4, "candidates": 3, "temperature": A, "replace": 0.3},
    "smc": {"particles": 4, "temperature": A, "ess": 1.0},
    "bfs": {"particles": 4, "temperature": A},
    "amc": {"particles": 4},
    "nested-is": {"particles": 3, "candidates": 3, "temperature": A, "ess": 1.0},
    "beam": {"width": 3, "candidates": 2},
    "blocks": {"candidates": 4, "block_length": 3},
    "refine": {"moves": 3, "fraction": 1.0, "temperature": A, "tries": 2},
}
HOT = {
    "svdd": {"candidates": 4},
    "svdd-r": {"particles": 4, "candidates": 3, "replace": None},
    "smc": {"particles": 4, "ess": 1.0},
    "bfs": {"particles": 4},
    "nested-is": {"particles": 3, "candidates": 3, "ess": 1.0},
    "blocks": {"candidates": 4, "block_length": 3},
    "refine": {"moves": 3, "fraction": 1.0},
}
# At T = 1 with p and w of the one-step model: what each method does to (n parents of m children), as a law.
ONE_STEP = {
    "pretrained": ({}, lambda p, r: p),
    "best-of-n": ({"particles": 4}, lambda p, r: choice_law(p, r, 4, 0.0)),
    "svdd": ({"candidates": 4, "temperature": A}, lambda p, r: choice_law(p, r, 4, A)),
    "svdd-r": (
        {"particles": 5, "candidates": 4, "temperature": A, "replace": None},
        lambda p, r: choice_law(choice_law(p, r, 4, A), r, 5, A),
    ),
    "smc": ({"particles": 6, "temperature": A}, lambda p, r: choice_law(p, r, 6, A)),
    "bfs": ({"particles": 6, "temperature": A}, lambda p, r: choice_law(p, r, 6, 0.0)),
    "amc": ({"particles": 6}, lambda p, r: choice_law(p, r, 6, 0.0)),
    "nested-is": ({"particles": 3, "candidates": 4, "temperature": A}, lambda p, r: choice_law(p, r, 12, A)),
    "beam": ({"width": 3, "candidates": 4}, lambda p, r: choice_law(p, r, 12, 0.0)),
    "blocks": ({"candidates": 4, "block_length": 1, "temperature": A}, lambda p, r: choice_law(p, r, 4, A)),
    "refine": ({"moves": 3, "fraction": 1.0, "temperature": A}, lambda p, r: choice_law(p, r, 4, 0.0)),
}


def test_no_method_is_left_out():
    assert set(ALONE) == set(BLIND) == set(ONE_STEP) == set(METHODS)
    assert set(HOT) == {name for name, row in METHODS.items() if "temperature" in row.options} - {"best-of-n"}


@pytest.mark.parametrize("method", METHODS)
def test_without_alternatives_it_is_the_pretrained_law(method):
    m = model("enumerable_a")
    with expected_warning(method):
        step = drive(m, method, svdd.posterior_mean(m.reward), 8000, seed=10, **ALONE[method])
    assert_law(histogram(m, first_designs(step)), m.p_pre())


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_value_leaves_the_pretrained_law(method):
    m = model("enumerable_a")

    def constant(particles):
        return torch.full((len(particles),), 0.7, dtype=torch.float64)

    with expected_warning(method):
        step = drive(m, method, constant, 6000, seed=11, **BLIND[method])
    assert_law(histogram(m, first_designs(step)), m.p_pre())


@pytest.mark.parametrize("method", HOT)
def test_at_infinite_temperature_it_is_the_pretrained_law(method):
    m = model("enumerable_a")
    with expected_warning(method):
        v = svdd.posterior_mean(m.reward)
        step = drive(m, method, v, 6000, seed=12, temperature=1e9, **HOT[method])
    assert_law(histogram(m, first_designs(step)), m.p_pre())


@pytest.mark.parametrize("method", METHODS)
def test_one_step_through_the_front_door(method):
    """`decode` returns designs of the exact law: the method, the weights and the rule for what is returned."""
    m, (options, law) = model("one_step"), ONE_STEP[method]
    each = options["particles"] if METHODS[method].returns == "all" else 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OverTiltWarning)
        result = svdd.decode(m.process, m.reward, method=method, samples=8000 * each, seed=13, **options)
    assert torch.equal(result.rewards, m.reward(result.samples))
    assert_law(histogram(m, result.samples[::each]), law(m.p_pre()[None], m.rewards)[0])


@pytest.mark.parametrize("method", [name for name, row in METHODS.items() if "every" in row.options])
def test_choosing_only_at_the_end_is_one_choice(method):
    """With every = T the method chooses once, among full samples."""
    m = model("enumerable_b")
    options, law = ONE_STEP[method]
    p = m.p_pre()[None]
    if method in ("svdd", "svdd-r", "nested-is", "beam"):  # siblings share their parent, so M > 1 is not M full samples
        options = options | {"candidates": 1}
        law = {"svdd": lambda p, r: p, "svdd-r": lambda p, r: choice_law(p, r, 5, A)}.get(
            method, lambda p, r: choice_law(p, r, 3, A if method == "nested-is" else 0.0)
        )
    with expected_warning(method):
        v = svdd.posterior_mean(m.reward)
        step = drive(m, method, v, 6000, seed=14, every=m.process.steps, **options)
    if METHODS[method].returns == "all":
        return assert_law(histogram(m, first_designs(step)), law(p, m.rewards)[0])
    select = svdd.method.selectors.top if METHODS[method].returns == "top" else svdd.method.selectors.multinomial
    weights = step.value if METHODS[method].returns == "top" else step.log_w
    index = select(weights, 1, svdd.Rng(15, 6000)).ancestor[:, 0]
    x = step.particles.x.view(6000, -1, m.length)[torch.arange(6000), index]
    return assert_law(histogram(m, x), law(p, m.rewards)[0])


@pytest.mark.parametrize("method", HOT)
def test_the_unit_and_the_zero_of_the_reward_do_not_matter(method):
    """(r, a) to (2 r, 2 a) and r to r + 1 leave every choice as it was."""
    m, runs = model("enumerable_a"), []
    for scale, shift in ((1, 0), (2, 0), (1, 1)):
        v = svdd.posterior_mean(lambda x, scale=scale, shift=shift: scale * m.reward(x) + shift)
        with expected_warning(method):
            runs.append(drive(m, method, v, 200, seed=18, temperature=0.5 * scale, **HOT[method]).particles.x)
    assert torch.equal(runs[0], runs[1])
    assert torch.equal(runs[0], runs[2])


BIT_FOR_BIT = {name: options for name, options in ALONE.items() if name not in ("pretrained", "svdd-r")}


@pytest.mark.parametrize("method", [name for name in BIT_FOR_BIT if name != "best-of-n"])
def test_without_alternatives_it_is_the_pretrained_sampler_bit_for_bit(method):
    m = model("enumerable_a")
    v = svdd.posterior_mean(m.reward)
    runs = [drive(m, name, v, 50, seed=16, **ALONE[name]) for name in (method, "pretrained")]
    assert torch.equal(*map(first_designs, runs))


def test_a_step_can_be_gone_on_from_after_the_run_has_moved_on():
    m = model("enumerable_a")

    def steps(start=None):
        rng = svdd.Rng(17, 4)
        v = svdd.posterior_mean(m.reward)
        return svdd.smc(m.process, v, particles=4, potential="max", chains=4, rng=rng, start=start)

    iterator = steps()
    held = next(iterator)
    before = {k: v.clone() for k, v in held.particles.memory.items()}
    next(iterator)
    assert all(torch.equal(held.particles.memory[k], v) for k, v in before.items())
