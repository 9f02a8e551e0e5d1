"""Values: what is scored, when, and what is refused."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from support.processes import VOCABULARY, gaussian, masked, reward, spied, streams, words
from svdd.chain.distributions import Categorical
from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.schedules import masked_log_linear
from svdd.chain.transitions import masked_ancestral
from svdd.decoding.decoding import last as last_step
from svdd.method.algorithms import svdd
from svdd.method.learned_values import learned
from svdd.method.values import (
    evaluate,
    log_mean_exp,
    monte_carlo,
    posterior_mean,
    rollout,
    running_max,
    running_sum,
    tempered,
    zero,
)
from svdd.scoring.numbers import checked
from svdd.scoring.reward import RewardError

VALUES = {
    "zero": zero(reward),
    "posterior mean": posterior_mean(reward),
    "monte carlo": monte_carlo(reward, 3, 0.5),
    "rollout": rollout(reward, 2, 2, 0.5),
    "learned": learned(lambda x, t, cond: torch.zeros(len(x)), reward),
    "tempered": tempered(posterior_mean(reward), lambda t: 1 - t),
    "running max": running_max(posterior_mean(reward)),
    "running sum": running_sum(posterior_mean(reward)),
}


def child(process, n=3, m=2, steps=1, seed=0):
    particles = process.start(n, (), Rng(seed, n)).propose(m)
    for _ in range(steps - 1):
        particles = particles.propose(1)
    return particles


# --- what is scored ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [gaussian, masked])
def test_the_posterior_mean_is_asked_at_the_childs_own_state_and_time(make):
    process, asked = spied(make)
    particles = child(process)
    asked.clear()
    v = posterior_mean(reward)(particles)
    assert len(asked) == 1
    x, t, _ = asked[0]
    assert torch.equal(x, particles.x)
    assert t == float(process.times[1])
    assert torch.equal(v, torch.as_tensor(reward(process.denoiser(x, particles.t, ()).mode()), dtype=torch.float64))


def test_revealed_sites_of_a_child_are_scored_as_they_are():
    process = masked(steps=2)
    particles = child(process, n=20)
    shown = particles.x != VOCABULARY
    assert bool(shown.any())
    assert torch.equal(particles.x0[shown], particles.x[shown])


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("make", [gaussian, masked])
def test_the_end_is_valued_by_the_true_reward(name, make):
    particles = child(make(steps=2), steps=2)
    assert particles.final
    assert torch.equal(VALUES[name](particles), torch.as_tensor(reward(particles.x), dtype=torch.float64))


@pytest.mark.parametrize("name", VALUES)
def test_every_value_is_one_number_a_row(name):
    v = VALUES[name](child(masked()))
    assert v.shape == (6,)
    assert v.dtype == torch.float64


def test_designs_are_decoded_before_they_are_scored():
    seen = []
    particles = child(masked(decode=words))
    evaluate(lambda designs: seen.extend(designs) or [0.0] * len(designs), particles, particles.x0)
    assert len(seen) == 6
    assert set("".join(seen)) <= set("abc")


def test_learned_never_asks_the_network():
    process, asked = spied(masked)
    particles = child(process)
    asked.clear()
    given = []
    v = learned(lambda x, t, cond: given.append((x, t, cond)) or torch.arange(6), reward)(particles)
    assert asked == []
    assert v.tolist() == [0, 1, 2, 3, 4, 5]
    assert given == [(particles.x, particles.t, particles.cond)]


def test_learned_is_checked():
    with pytest.raises(RewardError, match="the value was given 6 designs"):
        learned(lambda x, t, cond: torch.zeros(6, 1), reward)(child(masked()))


# --- estimators --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_monte_carlo_tends_to_the_mean_field_value(temperature):
    """E over the factorised posterior, enumerated: 3^4 fillings of a masked state."""
    process = masked()
    particles = process.start(1, (), streams())
    grid = torch.cartesian_prod(*[torch.arange(VOCABULARY)] * 4)
    posterior = particles.posterior[torch.zeros(len(grid), dtype=torch.int64)]
    weights = posterior.log_prob(grid) + reward(grid) / temperature
    exact = temperature * float(weights.logsumexp(0))
    k = 200_000
    estimate = float(monte_carlo(reward, k, temperature)(particles))
    relative = (2 * reward(grid) / temperature + posterior.log_prob(grid)).logsumexp(0) - 2 * weights.logsumexp(0)
    sd = temperature * math.sqrt((math.exp(float(relative)) - 1) / k)
    assert abs(estimate - exact) < 5 * sd
    plain = float(posterior_mean(reward)(particles))
    assert abs(plain - exact) > 50 * sd  # the mode is something else, so this test can fail


def test_rollout_with_all_steps_is_the_chains_own_value():
    process = masked(steps=3)
    particles = child(process, n=1, m=1)
    k, temperature = 20_000, 0.5
    estimates = [float(rollout(reward, steps, k, temperature)(particles)) for steps in (2, 9)]
    left = process.start(1, (), streams(seed=8)).propose(1)
    object.__setattr__(left, "x", particles.x)
    ends = left.propose(k).propose(1)
    assert ends.final
    weights = (reward(ends.x) / temperature).exp()
    chain = temperature * math.log(float(weights.mean()))
    sd = temperature * float(weights.std() / weights.mean()) / k**0.5
    for estimate in estimates:
        assert abs(estimate - chain) < 5 * sd * 2**0.5
    assert float(ends.t) == 0.0


@pytest.mark.parametrize("total", range(1, 9))
@pytest.mark.parametrize("steps", range(1, 9))
def test_rollouts_take_the_steps_they_were_given_and_end(total, steps):
    process, asked = spied(masked, steps=total + 1)
    particles = child(process, n=1, m=1)
    asked.clear()
    rollout(reward, steps, 1)(particles)
    times = [t for _, t, _ in asked]
    assert len(times) == min(steps, total)
    assert times[0] == float(particles.t)
    assert all(a > b > 0 for a, b in pairwise(times))


def test_a_rollout_leaves_the_particle_as_it_was():
    particles = child(masked())
    particles.memory["m"] = torch.zeros(6)
    before = particles.x.clone()
    rollout(reward, 2, 2)(particles)
    assert torch.equal(particles.x, before)
    assert list(particles.memory) == ["m"]
    assert len(particles.process.times) == 5


def test_log_mean_exp():
    v = torch.tensor([[0.0, 1.0, 3.0]]).double()
    assert float(log_mean_exp(v, 0.5)) == pytest.approx(0.5 * math.log((1 + math.exp(2) + math.exp(6)) / 3))
    assert float(log_mean_exp(v, 0.0)) == 3.0
    assert float(log_mean_exp(v, 1e-9)) == pytest.approx(3.0)
    assert float(log_mean_exp(v, 1e9)) == pytest.approx(4 / 3)
    invalid = torch.tensor([[-math.inf, -math.inf]]).double()
    assert float(log_mean_exp(invalid, 0.5)) == float(log_mean_exp(invalid, 0.0)) == -math.inf


@pytest.mark.parametrize("make", [lambda **k: monte_carlo(reward, **k), lambda **k: rollout(reward, **k)])
def test_bad_sizes_are_refused(make):
    for bad in ({"samples": 0}, {"temperature": -1.0}):
        with pytest.raises(ValueError, match="samples >= 1"):
            make(**bad)
    with pytest.raises(ValueError, match="steps >= 1"):
        rollout(reward, steps=0)


def test_tempered_trusts_early_values_less():
    particles = child(gaussian())
    assert torch.allclose(VALUES["tempered"](particles), posterior_mean(reward)(particles) * 0.25)


# --- running potentials ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrap", "totals"), [(running_max, [1.0, 4.0, 7.0, -5.0]), (running_sum, [1.0, 5.0, 7.0, -5.0])]
)
def test_running_potentials_add_up_a_running_statistic(wrap, totals):
    looked = iter([1.0, 3.0, -2.0, -5.0])  # max 1 3 3, sum 1 4 2; their sums 1 4 7 and 1 5 7; then the reward itself
    value = wrap(lambda particles: torch.full((len(particles),), next(looked)).double())
    particles, seen = gaussian(steps=4).start(2, (), streams(2)), []
    for _ in range(4):
        particles = particles.propose(1)
        seen.append(value(particles).tolist())
    assert seen == [[total] * 2 for total in totals]


@pytest.mark.parametrize("wrap", [running_max, running_sum])
def test_running_potentials_forget_an_invalid_look_ahead(wrap):
    looked = iter([[1.0, -math.inf], [-math.inf, 2.0], [2.0, 2.0]])
    value = wrap(lambda particles: torch.tensor(next(looked)).double())
    particles, seen = gaussian(steps=4).start(2, (), streams(2)), []
    for _ in range(3):
        particles = particles.propose(1)
        seen.append(value(particles).tolist())
    assert seen[0][1] == seen[1][0] == -math.inf
    assert all(map(math.isfinite, (seen[0][0], seen[1][1], *seen[2])))


# --- invariances -------------------------------------------------------------------------------------------------


def decoded(value, temperature, length=40):
    process = masked()
    return last_step(svdd(process, value, candidates=4, temperature=temperature, chains=length, rng=Rng(5, length)))


@pytest.mark.parametrize(
    "make", [lambda r, a: posterior_mean(r), lambda r, a: monte_carlo(r, 2, a), lambda r, a: rollout(r, 2, 2, a)]
)
def test_choices_know_neither_the_unit_nor_the_zero_of_the_reward(make):
    temperature = 0.25
    plain = decoded(make(reward, temperature), temperature).particles.x
    scaled = decoded(make(lambda d: 8 * reward(d), 8 * temperature), 8 * temperature).particles.x
    shifted = decoded(make(lambda d: reward(d) + 1024.0, temperature), temperature).particles.x
    other = decoded(make(lambda d: 8 * reward(d), temperature), temperature).particles.x
    assert torch.equal(plain, scaled)
    assert torch.equal(plain, shifted)
    assert not torch.equal(plain, other)


# --- the border --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "numbers",
    [
        [1, 2, 3],
        (1.0, 2.0, 3.0),
        np.array([1, 2, 3], dtype=np.float32),
        pd.Series([1.0, 2.0, 3.0]),
        pd.DataFrame({"a": [1.0, 2.0, 3.0]})["a"].to_numpy(),
        torch.tensor([1, 2, 3], dtype=torch.bfloat16),
        torch.tensor([1.0, 2.0, 3.0], requires_grad=True),
        [torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0)],
        [np.float32(1), True, 3],
    ],
    ids=str,
)
def test_numbers_of_every_kind_are_taken(numbers):
    answer = checked(numbers, "abc", 3)
    assert answer.dtype == torch.float64
    assert not answer.requires_grad
    assert answer[0] == 1
    assert answer[2] == 3


@pytest.mark.parametrize("buffer", [np.zeros(2), torch.zeros(2, dtype=torch.float64)], ids=["numpy", "torch"])
def test_a_reward_may_write_into_the_same_array_again(buffer):
    first = checked(buffer, "ab", 2)
    buffer += 5
    assert first.tolist() == [0, 0]


@pytest.mark.parametrize("n", [2, 4])
def test_a_wrong_length_is_refused(n):
    said = rf"given 3 designs and must return 3 numbers of shape \(3,\), but returned shape \({n},\)"
    with pytest.raises(RewardError, match=said):
        checked([0.0] * n, "abc", 3)


@pytest.mark.parametrize("numbers", [torch.zeros(3, 1), np.zeros((1, 3)), [[1.0], [2.0], [3.0]], np.float64(1)])
def test_a_wrong_shape_is_refused(numbers):
    with pytest.raises(RewardError, match="numbers of shape"):
        checked(numbers, "abc", 3)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (None, "must return 3 numbers, one a design, but returned None"),
        ("abc", "must return 3 numbers, one a design, but returned a str"),
        (1.0, "must return 3 numbers, one a design, but returned a float"),
        ({"a": 1}, "must return 3 numbers, one a design, but returned a dict"),
        (["a", "b", "c"], "returned text, 'a', at row 0 of 3"),
        ([1.0, None, 2.0], "returned None at row 1 of 3, where a number was due; return -inf"),
        ([[1.0], [2.0, 3.0], [4.0]], r"returned \[1.0\] at row 0 of 3"),
    ],
)
def test_a_wrong_type_is_refused(numbers, said):
    with pytest.raises(RewardError, match=said):
        checked(numbers, "abc", 3)


@pytest.mark.parametrize(("bad", "named"), [(math.nan, "NaN"), (math.inf, r"\+inf")])
def test_nan_and_infinity_name_their_rows_and_show_a_design(bad, named):
    designs = [f"ACGT{i}" for i in range(9)]
    numbers = [bad if i >= 2 else 0.0 for i in range(9)]
    said = rf"{named} for 7 of 9 designs \(rows 2, 3, 4, 5, 6, \.\.\.\), such as 'ACGT2'; return -inf"
    with pytest.raises(RewardError, match=said):
        checked(numbers, designs, 9)
    with pytest.raises(RewardError, match=r"\(rows 1\), such as 'b'"):
        checked([0.0, bad], ["a", "b"], 2)


def test_long_and_odd_designs_can_be_shown():
    with pytest.raises(RewardError, match=r"such as 'A{76}\.\.\.;"):
        checked([math.nan], ["A" * 500], 1)
    with pytest.raises(RewardError, match="such as a design that cannot be shown"):
        checked([math.nan], {"nodes": torch.zeros(1)}, 1)


def test_minus_infinity_is_an_invalid_design():
    assert checked([-math.inf, 0.0], "ab", 2).tolist() == [-math.inf, 0.0]


def test_a_value_works_on_any_process():
    """A posterior of another family than the toys'."""
    survival = masked_log_linear()
    process = Process(
        lambda n, rng: torch.full((n, 1), 2),
        lambda x, t, cond: Categorical(torch.tensor([0.25, 0.75]).log().expand(len(x), 1, 2)),
        masked_ancestral(survival),
        torch.tensor([1.0, 0.0]),
    )
    assert posterior_mean(lambda x: x[:, 0])(process.start(2, (), streams(2))).tolist() == [1, 1]
