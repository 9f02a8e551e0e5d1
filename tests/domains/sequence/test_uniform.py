"""Uniform diffusion over sequences: the process, its bound, the bundled model and its recipe."""

import itertools
import json
import math

import pytest
import torch

import svdd
from svdd.domains.sequence.alphabets import RNA, Alphabet
from svdd.domains.sequence.masked import NoLikelihoodBoundError, elbo_per_site, from_sequences, infill
from svdd.domains.sequence.uniform import timed, uniform_elbo_per_site, uniform_sequences
from svdd.domains.toy.enumeration import Enumerable, all_strings
from svdd.networks.timed import TimedSequenceDenoiser
from svdd.networks.weight_files import load_network, save_network
from svdd.registry import bundled

LETTERS = Alphabet("ABC")
LOG_P = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64).log()


def independent(steps, length=3):
    """Sites that know nothing of each other: the law of a site given the others is its own."""
    network = lambda x, t, cond: LOG_P.expand(*x.shape, 3)  # noqa: E731
    return uniform_sequences(network, LETTERS, length=length, steps=steps, about={"name": "toy"})


def gc(sequences):
    return [(s.count("G") + s.count("C")) / len(s) for s in sequences]


@pytest.fixture(scope="module")
def utr():
    return svdd.load("rna-utr-uniform", steps=12)


@pytest.mark.parametrize("steps", [1, 4])
def test_independent_sites_are_sampled_exactly(steps):
    process, size = independent(steps), 27
    expected = LOG_P.exp()[all_strings(3, 3)].prod(1)
    toy = Enumerable(process, 3, 3, 3, torch.full((size,), 1 / size, dtype=torch.float64), expected, expected)
    assert float((toy.p_pre() - expected).abs().max()) < 1e-12


@pytest.mark.slow
def test_the_bound_is_the_entropy_where_the_model_is_exact():
    """Independent sites with the right law: the bound is tight on average over the model's own sequences."""
    process = independent(steps=8, length=20)
    drawn = svdd.decode(process, lambda s: [0.0] * len(s), method="pretrained", samples=400, seed=1).samples
    found = uniform_elbo_per_site(process, drawn, samples=16, seed=2)
    exact = torch.stack([LOG_P[LETTERS.encode([s])].mean() for s in drawn])
    difference = found - exact
    assert abs(float(difference.mean())) < 5 * float(difference.std()) / math.sqrt(len(drawn))
    assert float(difference.std()) / math.sqrt(len(drawn)) < 0.02


def test_the_bound_of_a_wrong_model_is_lower():
    wrong = uniform_sequences(lambda x, t, cond: torch.zeros(*x.shape, 3), LETTERS, length=20, steps=8)
    sequences = ["A" * 20] * 200
    right = uniform_elbo_per_site(independent(steps=8, length=20), sequences)
    assert float(right.mean()) == pytest.approx(math.log(0.6), abs=0.1)
    assert float(uniform_elbo_per_site(wrong, sequences).mean()) == pytest.approx(-math.log(3), abs=0.1)


def test_the_bound_does_not_depend_on_where_a_sequence_stands():
    process, sequences = independent(steps=5, length=4), ["ABCA", "CCAB", "BABA"]
    together = uniform_elbo_per_site(process, sequences, samples=4)
    assert torch.equal(together[:2], uniform_elbo_per_site(process, sequences[:2], samples=4))


def test_letters_cannot_be_fixed(utr, tmp_path):
    said = "needs a sequence model with absorbing noise; this model has no mask"
    for attempt in (
        lambda: infill(utr, ["N" * 50]),
        lambda: from_sequences(utr, ["A" * 50], noise=0.5),
    ):
        with pytest.raises(ValueError, match=said):
            attempt()
    with pytest.raises(NoLikelihoodBoundError, match="this model makes none"):
        elbo_per_site(utr, ["A" * 50])


@pytest.mark.parametrize("flags", [{"fix": ["1:ACG"]}, {"start": "x.fasta", "noise": 0.5}, {"template": "x.fasta"}])
def test_the_command_line_says_so_too(flags):
    from svdd.runs.job import make_job
    from svdd.runs.make import make_process

    job = make_job({"model": "rna-utr-uniform", "reward": "gc-content", "out": "x", "steps": 3, **flags})
    with pytest.raises(ValueError, match="is for sequence models with masks, which rna-utr-uniform is not"):
        make_process(job)


def test_the_network_reads_time_and_place():
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 4, (6, 50), generator=generator)
    network = load_network(bundled("rna-utr-uniform", "denoiser.safetensors"))
    early, late = (network(tokens, torch.tensor([t])) for t in (0.05, 0.95))
    assert float((early - late).abs().max()) > 0.05
    assert float((late[:, 0] - late[:, 1]).abs().mean()) > 0.05
    each = network(tokens, torch.full((6,), 0.05))
    assert torch.allclose(each, early, atol=1e-5)


def test_the_bundled_model_is_small():
    assert sum(file.stat().st_size for file in bundled("rna-utr-uniform").iterdir()) < 1.5e6


@pytest.mark.slow
def test_every_letter_may_change_at_every_step(utr):
    decoding = svdd.decoding.decoding.Decoding(utr, gc, method="pretrained", samples=16)
    states = [step.particles.x for step in decoding]
    changed = [float((a != b).double().mean()) for a, b in itertools.pairwise(states)]
    assert min(changed) > 0
    assert not utr.time_independent


def test_answers_are_shared_only_within_a_step():
    """Two equal states at one time cost one row; the same state at the next time is asked again."""
    asked = []

    def network(x, t, cond):
        asked.append((float(t), len(x)))
        return LOG_P.expand(*x.shape, 3)

    process = uniform_sequences(network, LETTERS, length=1, steps=4)
    result = svdd.decode(process, lambda s: [float(x == "A") for x in s], candidates=8, samples=4)
    assert len({t for t, _ in asked}) == 4
    assert all(rows <= 3 for _, rows in asked)
    assert result.usage.network.hits > 0


@pytest.mark.slow
@pytest.mark.parametrize("value", ["posterior-mean", "log-mean-exp"])
def test_the_loop_decodes_towards_a_reward(utr, value):
    plain = svdd.decode(utr, gc, method="pretrained", samples=32, seed=2)
    settings = {"candidates": 8, "temperature": 0.0 if value == "posterior-mean" else 0.01}
    guided = svdd.decode(utr, gc, samples=32, seed=2, value=value, **settings)
    gain = guided.rewards.mean() - plain.rewards.mean()
    error = math.sqrt((float(guided.rewards.var()) + float(plain.rewards.var())) / 32)
    assert float(gain) > 0.1
    assert float(gain) > 5 * error


def test_the_look_ahead_guesses_every_site(utr):
    particles = utr.start(8, (), svdd.Rng(0, 8))
    guess = utr.decode(particles.x0)
    assert {len(s) for s in guess} == {50}
    assert set("".join(guess)) <= set("ACGU")
    assert torch.equal(particles.x0, particles.posterior.log_p.argmax(-1))


@pytest.mark.slow
def test_decoding_towards_ribosome_load(utr):
    load = svdd.registry.load_reward("mrl")
    plain = svdd.decode(utr, load, method="pretrained", samples=16, seed=4)
    guided = svdd.decode(utr, load, candidates=6, samples=16, seed=4)
    assert float(guided.rewards.mean()) > float(plain.rewards.mean()) + 0.5


@pytest.mark.slow
def test_one_candidate_is_the_pretrained_sampler(utr):
    plain = svdd.decode(utr, gc, method="pretrained", samples=6, seed=9)
    assert svdd.decode(utr, gc, candidates=1, samples=6, seed=9).samples == plain.samples


@pytest.mark.slow
def test_batches_and_sharing_change_nothing(utr):
    settings = {"candidates": 3, "temperature": 0.05, "seed": 5}
    together = svdd.decode(utr, gc, samples=5, **settings)
    apart = svdd.decode(utr, gc, samples=5, batch=2, chunks={"network": 3}, share=False, **settings)
    assert together.samples == apart.samples


@pytest.mark.slow
def test_results_are_written_with_their_letters(utr, tmp_path):
    result = svdd.decode(utr, gc, samples=3, candidates=2)
    result.save(tmp_path / "out")
    fasta = (tmp_path / "out" / "samples.fasta").read_text().splitlines()
    assert fasta[1::2] == result.samples
    assert set("".join(result.samples)) <= set("ACGU")


def test_foreign_weights_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not a denoiser that is told the time"):
        svdd.load("rna-utr-uniform", weights=str(bundled("dna-enhancer", "denoiser.safetensors")))


def test_a_saved_network_comes_back(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TimedSequenceDenoiser(length=7, channels=8, dilations=(1, 2)).eval()
    save_network(network, tmp_path / "n.safetensors")
    again = load_network(tmp_path / "n.safetensors")
    x, t = torch.zeros(2, 7, dtype=torch.long), torch.tensor(0.5, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(timed(again)(x, t, ()), timed(network)(x, t, ()))


# --- the recipe --------------------------------------------------------------------------------------------------


def test_the_card_beats_even_letters_and_matches_its_library():
    card = json.loads(bundled("rna-utr-uniform", "card.json").read_text())["measured"]
    assert card["bits_per_base"] < 2 - 5 * card["bits_standard_error"]
    assert card["kmer_correlation"]["3"] > 0.9
    for letter in RNA.letters:
        assert card["share"]["samples"][letter] == pytest.approx(card["share"]["test"][letter], abs=0.02)
