"""Refinement: what a move may change, what it costs, what is kept, and where it begins."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from exact import refine_checks
from exact.gaussian_flow import Flow
from exact.refine_checks import from_the_target, law_after, law_of_kept_paths, model, proposals, refined
from exact.tools import assert_law, assert_mean, assert_variance, histogram, total_variation
from support.processes import PROCESSES, gaussian, masked, reward, streams
from svdd import Decoding, Rng, decode, last, posterior_mean, refine
from svdd.chain import GaussianNoise, MaskedNoise, begun_with, masked_log_linear, remasking, straight
from svdd.decoding.decoding import BudgetWarning
from svdd.decoding.planning import forecast
from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.masked import from_sequences, infill, masked_sequences
from svdd.domains.toy.toy_gaussian import Quadratic, gaussian_linear
from svdd.method.denoised_again import NOISE
from svdd.method.kept_paths import KEPT
from svdd.method.refinement import FRACTION, log_acceptance, propose, scaled
from svdd.method.revealed_again import LOG_P, REVEALED
from svdd.method.table import METHODS

A = 0.2
VALUE = posterior_mean(reward)


def steps_of(process, chains=4, value=VALUE, **options):
    return list(refine(process, value, chains=chains, rng=Rng(0, chains), **options))


# --- laws --------------------------------------------------------------------------------------------------------


def test_the_distance_to_the_target_is_the_published_one():
    """From the pretrained law, half of the steps a move, a = 0.2: `refine_checks.law_after` itself."""
    tilted = model().tilted(A)
    found = [total_variation(law_after(count), tilted) for count in (5, 10, 20, 80)]
    assert found == pytest.approx([0.282, 0.154, 0.078, 0.035], abs=6e-4)


def test_moves_have_their_exact_law():
    refine_checks.moves_have_their_exact_law()


def test_the_best_design_seen_is_kept():
    refine_checks.the_best_design_seen_is_kept()


def test_the_best_of_the_first_designs_is_refined():
    refine_checks.the_best_of_the_first_designs_is_refined()


@pytest.mark.slow
def test_populations_are_weighted_right():
    refine_checks.populations_are_weighted_right()


def test_the_best_of_a_population_is_kept():
    refine_checks.best_of_a_population_is_kept()


def test_a_draw_from_a_large_population_has_the_target_law():
    m = model("enumerable_b")
    options = {"population": 32, "moves": 3, "fraction": 1.0, "temperature": 0.5, "returns": "draw", "samples": 3000}
    result = decode(m.process, m.reward, method="refine", seed=2, progress=False, **options)
    found = histogram(m, result.samples) / 3000
    assert total_variation(found, m.tilted(0.5)) < 0.05
    assert total_variation(found, m.p_pre()) > 0.15


def test_a_population_asks_for_as_much_as_as_many_chains():
    options = {"moves": 5, "fraction": 0.5, "tries": 2, "population": 3, "best_of": 2, "temperature": 1.0}
    run = Decoding(masked(steps=8), reward, method="refine", samples=4, share=False, **options)
    list(run)
    assert run.usage.network.asked == 4 * 3 * (2 * 8 + 5 * 2 * 4)
    assert run.usage.reward.asked == 4 * 3 * (2 + 5 * 2)
    told = forecast(METHODS["refine"], options, masked(steps=8), posterior_mean)
    assert (told.rewards, told.rows) == (run.usage.reward.asked // 4, run.usage.network.asked // 4)
    planned = {"population": 4, "temperature": 1.0, "budget": {"rewards": 88}, "samples": 2}
    assert decode(masked(), reward, method="refine", progress=False, **planned).settings["moves"] == 10


def test_a_population_begins_with_copies_of_a_given_design():
    options = {"population": 3, "temperature": 1.0, "moves": 4, "fraction": 1.0}
    steps = steps_of(begun_with(sequences(), SEQUENCES), chains=2, value=posterior_mean(adenines), **options)
    assert DNA.decode(steps[0].particles.x) == [SEQUENCES[0]] * 4 + [SEQUENCES[1]] * 4
    assert len(set(DNA.decode(steps[-1].particles.x))) > 2


def test_a_population_is_refused_where_nothing_weighs_it():
    with pytest.raises(ValueError, match="population=4 and temperature=0"):
        steps_of(masked(), population=4)


def test_taking_all_steps_again_is_independence_metropolis():
    torch.testing.assert_close(proposals(1.0), model().p_pre().expand(81, 81))


def test_several_tries_keep_the_law_that_one_keeps():
    """With all steps taken again the target is kept exactly; a chain that begins there stays there."""
    m, chains = model("enumerable_b"), 6_000
    begun = from_the_target(m, 0.5, chains)
    step = refined(begun, chains, moves=2, fraction=1.0, temperature=0.5, tries=3)
    assert_law(histogram(m, step.particles.x[::2]), m.tilted(0.5))


@pytest.mark.slow
def test_exact_moves_keep_the_target_of_a_chain_that_does_not_reverse_its_noise():
    """From draws of the target: with the test of the times it stays, without it the chain leaves it."""
    refine_checks.exact_moves_keep_the_target()
    refine_checks.exact_moves_keep_the_target(tries=3)
    with pytest.raises(AssertionError, match="chi2"):
        refine_checks.exact_moves_keep_the_target(exact=False)


def test_exact_moves_remember_the_path():
    """The log-probabilities that were kept along the way are those of the path, computed at once."""
    m, chains = model(), 50
    step = refined(m, chains, moves=4, fraction=0.5, temperature=A, exact=True)
    at = step.particles[2 * torch.arange(chains)]
    revealed = at.memory[REVEALED]
    for number in range(m.process.steps):
        x = at.x.masked_fill(revealed >= number, m.vocabulary)
        log_p = m.process.denoiser(x, m.process.times[number], ()).log_p.gather(-1, at.x[..., None])[..., 0]
        torch.testing.assert_close(log_p[revealed == number], at.memory[LOG_P][revealed == number])


def test_kept_paths_have_their_exact_law():
    refine_checks.kept_paths_have_their_exact_law()


def test_moves_that_keep_paths_tend_to_the_target():
    m = model("uniform")
    found = [total_variation(law_of_kept_paths(m, count, 0.5, A), m.tilted(A)) for count in (9, 10, 40, 300)]
    assert found[0] > found[1] > found[2] > found[3]
    assert found[3] < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("tries", [1, 3])
def test_exact_moves_have_the_moments_of_the_gaussian_chain(tries):
    """Of three steps, whose law is far from that of the data."""
    m = gaussian_linear(steps=3)
    mean, variance = m.tilted(1.0)
    settings = {"moves": 60, "fraction": 0.67, "temperature": 1.0, "tries": tries, "exact": True}
    x = refined(m, 4_000, **settings).particles.x[::2, 0]
    assert_mean(x, mean)
    assert_variance(x, variance)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cps", "sde", "posterior"])
def test_exact_moves_have_the_moments_of_a_flow(name):
    """Of steps that draw noise, without a forward kernel."""
    flow = Flow(name, 0.7, Quadratic(slope=0.8), steps=4)
    mean, variance = flow.tilted(0.8)
    settings = {"moves": 40, "fraction": 0.5, "temperature": 0.8, "exact": True}
    x = refined(flow, 4_000, **settings).particles.x[::2, 0]
    assert_mean(x, mean)
    assert_variance(x, variance)


def test_designs_of_a_flow_are_noised_on_its_straight_path():
    """Its own step, which draws nothing, is enough: the noise of a move is fresh."""
    flow = Flow("cps", 0.0, Quadratic(slope=1.0), steps=8)
    process = replace(flow.process, noising=GaussianNoise(straight))
    plain = decode(process, flow.reward, method="pretrained", samples=20, progress=False)
    better = decode(process, flow.reward, method="refine", moves=10, fraction=0.5, samples=20, progress=False)
    assert bool((better.rewards >= plain.rewards).all())
    assert float(better.rewards.mean()) > float(plain.rewards.mean()) + flow.std


def test_a_kept_path_begins_at_noised_designs_where_they_are_given():
    m = gaussian_linear(steps=4)
    process = replace(m.process, given=lambda n, rng: (torch.full((n, 1), 50.0).double(), m.process.prior(n, rng)))
    first, *moved = steps_of(
        process, value=posterior_mean(m.reward), moves=9, fraction=0.5, temperature=1e9, exact=True
    )
    assert first.particles.x.flatten().tolist() == [50.0] * 8
    kept = first.particles.memory[KEPT]
    assert bool((kept > 25).all())
    assert all(torch.equal(step.particles.memory[KEPT], kept) for step in moved)
    with pytest.raises(ValueError, match="does not say how: give its Process the forward kernel"):
        steps_of(replace(process, noising=None), exact=True)


def test_a_process_without_a_forward_kernel_keeps_paths():
    exact = decode(
        gaussian(noising=None), reward, method="refine", exact=True, fraction=0.5, samples=3, moves=12, progress=False
    )
    assert exact.usage.reward.asked == 3 * 13


def test_steps_that_draw_nothing_are_refused_where_paths_are_kept():
    with pytest.raises(ValueError, match="are deterministic, so that they end where they did before"):
        steps_of(gaussian(eta=0.0), exact=True, moves=1)
    with pytest.raises(ValueError, match="give it a number"):
        steps_of(gaussian(), exact=True, fraction="adapted")


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize(("moves", "tries"), [(4, 1), (25, 2)])
def test_a_forecast_of_exact_moves_is_what_they_ask_for_at_most(name, moves, tries):
    process = PROCESSES[name](steps=8)
    options = {"moves": moves, "fraction": 0.3, "tries": tries, "exact": True}
    run = Decoding(process, reward, method="refine", samples=2, share=False, **options)
    list(run)
    told = forecast(METHODS["refine"], options, process, posterior_mean)
    assert run.usage.reward.asked == 2 * told.rewards
    assert run.usage.network.asked <= 2 * told.rows
    assert run.usage.network.asked == 2 * told.rows or name in ("masked", "text")


def test_exact_moves_are_refused_where_sites_return_to_the_mask():
    process = replace(masked(), transition=remasking(masked_log_linear(), eta=0.2))
    with pytest.raises(ValueError, match="without remasking"):
        steps_of(process, exact=True, moves=1)


def test_no_move_is_the_pretrained_chain():
    m = model()
    plain = decode(m.process, m.reward, method="pretrained", samples=8, progress=False)
    none = decode(m.process, m.reward, method="refine", moves=0, samples=8, progress=False)
    assert torch.equal(plain.samples, none.samples)
    assert torch.equal(plain.rewards, none.rewards)


def test_a_hot_chain_accepts_everything_and_a_cold_one_nothing_worse():
    hot = steps_of(masked(), moves=5, fraction=0.5, temperature=1e12)[-5:]
    assert all(bool((step.ancestor[:, 0] == 1).all()) for step in hot)
    cold = [step.value[:, 0] for step in steps_of(masked(), chains=20, moves=8, fraction=0.5)[-9:]]
    assert all(bool((after >= before).all()) for before, after in pairwise(cold))
    assert bool((cold[-1] > cold[0]).any())


@pytest.mark.parametrize("temperature", [0.0, 0.3])
def test_acceptance_of_one_try_is_metropolis_and_of_several_weighs_the_others(temperature):
    v, here = torch.tensor([[1.0], [2.0], [0.5]], dtype=torch.float64), torch.tensor([2.0, 1.0, 0.5]).double()
    found = log_acceptance(scaled(torch.cat([v, here[:, None]], 1), temperature), torch.zeros(3, dtype=torch.int64))
    gain = v[:, 0] - here
    expected = gain / temperature if temperature else torch.tensor([-torch.inf, torch.inf, 0.0]).double()
    torch.testing.assert_close(found, expected)


def test_an_invalid_design_is_left_for_any_and_never_entered_from_a_valid_one():
    invalid = torch.full((4,), -torch.inf, dtype=torch.float64)
    valid = torch.zeros(4, dtype=torch.float64)
    for temperature in (0.0, 1.0):
        for v, here, accepted in ((invalid, valid, False), (valid, invalid, True), (invalid, invalid, True)):
            choice = propose(v.view(2, 2), here[:2], temperature, streams(2))
            assert choice.accepted.tolist() == [accepted] * 2


# --- costs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tries", "best_of"), [(1, 1), (3, 1), (1, 6)])
@pytest.mark.parametrize(("fraction", "tail"), [(0.5, 4), (0.3, 2), (0.01, 1), (1.0, 8)])
def test_a_run_asks_for_what_is_written(fraction, tail, tries, best_of):
    options = {"moves": 5, "fraction": fraction, "tries": tries, "best_of": best_of}
    run = Decoding(masked(steps=8), reward, method="refine", samples=3, share=False, **options)
    assert len(list(run)) == len(run) == 8 + 5
    assert run.usage.network.asked == 3 * (8 * best_of + 5 * tail * tries)
    assert run.usage.reward.asked == 3 * (best_of + 5 * tries)


def test_the_adapted_fraction_falls_where_little_is_accepted_and_grows_where_all_is():
    flat = posterior_mean(lambda designs: torch.zeros(len(designs), dtype=torch.float64))
    grown = last(
        refine(masked(steps=10), flat, moves=25, fraction="adapted", chains=2, rng=Rng(0, 2))
    ).particles.memory[FRACTION]
    assert grown.tolist() == [1.0] * 4
    count = iter(range(10**6))
    worse = posterior_mean(lambda designs: torch.tensor([-next(count) for _ in designs], dtype=torch.float64))
    fallen = last(
        refine(gaussian(steps=10), worse, moves=25, fraction="adapted", chains=2, rng=Rng(0, 2))
    ).particles.memory[FRACTION]
    assert fallen.tolist() == [0.1] * 4


def test_a_budget_plans_moves_and_one_of_seconds_leaves_the_best_of_every_chain():
    result = decode(masked(), reward, method="refine", samples=4, fraction=0.5, budget={"rewards": 44}, progress=False)
    assert result.settings["moves"] == 10
    assert result.usage.reward.asked == 44
    seeded = decode(masked(), reward, method="refine", samples=4, best_of=6, budget={"rewards": 120}, progress=False)
    assert (seeded.settings["moves"], seeded.usage.reward.asked) == (24, 120)
    calls = []

    def slow(designs):
        calls.append(designs)
        if len(calls) == 4:
            guard._until = 0
        return reward(designs)

    run = Decoding(masked(), slow, method="refine", samples=4, moves=50, fraction=0.5, budget={"seconds": 1000})
    guard = run.scoring.guard
    with pytest.warns(BudgetWarning):
        list(run)
    result = run.result()
    assert result.chain == [0, 1, 2, 3]
    best = torch.stack([reward(designs) for designs in calls if len(designs) == 4]).amax(0)
    assert bool((result.rewards <= best).all())


# --- where it begins, and what it keeps --------------------------------------------------------------------------

SEQUENCES = ["ACGTACGT", "TTTTCCCC"]


def letters(x, t, cond):
    """Log-odds that depend on the site and on how many letters are shown."""
    site = torch.arange(x.shape[1], dtype=torch.float64)[:, None] * torch.arange(4)
    return (site + (x < 4).sum(1)[:, None, None]).sin()


def sequences(steps=6):
    return masked_sequences(letters, DNA, length=8, steps=steps)


def adenines(designs):
    return [word.count("A") + 0.1 * word.count("C") for word in designs]


def test_given_designs_are_where_the_chains_begin():
    result = decode(begun_with(sequences(), SEQUENCES), adenines, method="refine", samples=3, moves=0, progress=False)
    assert result.samples == [*SEQUENCES, SEQUENCES[0]]
    assert result.usage.network.asked == 0
    better = decode(begun_with(sequences(), SEQUENCES), adenines, method="refine", samples=3, moves=9, progress=False)
    assert bool((better.rewards >= result.rewards).all())
    assert better.samples != result.samples


def test_given_designs_are_not_those_that_a_chain_chooses_from():
    with pytest.raises(
        ValueError, match="best_of=6 takes the best of 6 designs of the model, and this run begins with"
    ):
        decode(begun_with(sequences(), SEQUENCES), adenines, method="refine", best_of=6, progress=False)


def test_given_designs_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="8 letters, but those given have 4"):
        begun_with(sequences(), ["ACGT"])
    with pytest.raises(ValueError, match="there are no designs"):
        begun_with(sequences(), [])
    with pytest.raises(ValueError, match="encode="):
        begun_with(masked(), ["abc"])
    with pytest.raises(ValueError, match="give method refine"):
        decode(begun_with(sequences(), SEQUENCES), adenines, method="svdd", progress=False)


def test_kept_letters_stay_and_the_others_change():
    process = infill(sequences(), ["NNGTNNNN", "ANNNNNNC"])
    result = decode(process, adenines, method="refine", samples=6, moves=12, fraction=1.0, progress=False)
    assert all(word[2:4] == "GT" for word in result.samples[::2])
    assert all(word[0] == "A" and word[7] == "C" for word in result.samples[1::2])
    kept = begun_with(infill(sequences(), ["NNGTNNNN", "NNNNCCCC"]), SEQUENCES)
    result = decode(kept, adenines, method="refine", samples=6, moves=12, fraction=1.0, progress=False)
    assert all(word[2:4] == "GT" for word in result.samples[::2])
    assert all(word[4:] == "CCCC" for word in result.samples[1::2])
    assert result.samples[0] != SEQUENCES[0]


def test_each_chain_keeps_the_letters_of_its_own_template():
    process = begun_with(
        infill(sequences(), ["NNGTNNNN", "NNNNNNNN", "NNNTNNNN"]), ["ACGTACGT", "TTTTCCCC", "CCGTACGT"]
    )
    result = decode(process, adenines, method="refine", samples=6, moves=12, fraction=1.0, progress=False)
    assert all(word[2:4] == "GT" for word in result.samples[::3])
    assert all(word[3] == "T" for word in result.samples[2::3])


@pytest.mark.parametrize(
    ("templates", "said"),
    [
        (["NNNNNNNA"], "sequence 0 has T at position 8, where A is to be kept; give sequences that have it"),
        (["NNNNNNNN", "NNNNNNNT"], "sequence 1 has C at position 8, where T is to be kept"),
        (["NNNNNNNN", "NNNNNNNN", "ACNNNNNN"], "sequence 1 has T at position 1, where A is to be kept"),
    ],
)
def test_given_designs_without_the_kept_letters_are_refused(templates, said):
    process = infill(sequences(), templates)
    with pytest.raises(ValueError, match=said):
        begun_with(process, SEQUENCES)
    with pytest.raises(ValueError, match=said):
        from_sequences(process, SEQUENCES, noise=0.5)


def test_letters_are_fixed_before_designs_are_given():
    with pytest.raises(ValueError, match="letters are fixed first"):
        infill(begun_with(sequences(), SEQUENCES), ["NNGTNNNN"])


def test_revision_leaves_kept_letters_alone():
    process = from_sequences(infill(sequences(), ["NNGTNNNN"]), ["ACGTACGT"], noise=0.9)
    result = decode(process, adenines, method="pretrained", samples=20, progress=False)
    assert all(word[2:4] == "GT" for word in result.samples)
    assert len(set(result.samples)) > 1


def test_sites_that_revision_left_alone_are_left_alone():
    process = from_sequences(sequences(), SEQUENCES, noise=0.5)
    steps = list(refine(process, posterior_mean(adenines), moves=6, chains=2, rng=Rng(0, 2), fraction=1.0))
    shown = steps[-1].particles.memory[NOISE] < 4
    tokens = DNA.encode(SEQUENCES).repeat_interleave(2, 0)
    assert bool(shown.any())
    assert torch.equal(steps[-1].particles.x[shown], tokens[shown])
    noise = process.noising
    assert isinstance(noise, MaskedNoise)
    assert [noise.share(t) for t in process.times[[0, -1]]] == [1.0, 0.0]


def test_a_process_that_cannot_noise_again_is_refused_in_one_sentence():
    process = masked(noising=None, about={"name": "mine"})
    with pytest.raises(ValueError, match="mine does not say how: give its Process the forward kernel"):
        decode(process, reward, method="refine", progress=False)


@pytest.mark.parametrize(
    "options",
    [
        {"moves": -1},
        {"fraction": 0},
        {"fraction": 1.5},
        {"temperature": -1.0},
        {"tries": 0},
        {"best_of": 0},
        {"population": 0},
        {"best_of": True},
        {"fraction": True},
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=name):
        steps_of(masked(), **options)


@pytest.mark.parametrize("name", PROCESSES)
def test_every_level_leaves_more_of_the_design_than_the_one_before(name):
    """Noise of the first time of the grid that a move can take covers least."""
    process = PROCESSES[name](steps=10)
    rng, n = Rng(0, 400), 400
    x_T = process.prior(n, rng)
    x_0 = steps_of(process, chains=n, moves=0)[-1].particles[2 * torch.arange(n)].x

    def changed(k):
        x_t = process.noising(x_0, x_T, process.times[k], Rng(1, n))
        leaves = zip(*(one.values() if isinstance(one, dict) else [one] for one in (x_0, x_t)), strict=True)
        return sum(float((a - b).abs().double().mean()) for a, b in leaves)

    assert changed(9) < changed(5) < changed(0)


def test_masked_noise_is_that_of_its_schedule():
    noise, n = MaskedNoise(3, masked_log_linear()), 4000
    x_0, t = torch.zeros(n, 5, dtype=torch.int64), torch.tensor(0.3, dtype=torch.float64)
    x_T = torch.tensor([3, 3, 3, 0, 0]).expand(n, 5)
    hidden = (noise(x_0, x_T, t, Rng(0, n)) == 3).double().mean(0)
    assert hidden[3:].tolist() == [0.0, 0.0]
    assert hidden[:3].tolist() == pytest.approx([0.3] * 3, abs=5 * (0.21 / n) ** 0.5)
