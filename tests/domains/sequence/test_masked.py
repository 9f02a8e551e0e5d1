"""Masked sequence models: text in and out, infilling, revision, batching, the ELBO, and the bundled DNA model."""

import math
from dataclasses import replace

import pytest
import torch

import svdd
from svdd.cost.batches import FullBatches
from svdd.domains.sequence.alphabets import DNA, Alphabet
from svdd.domains.sequence.masked import NoLikelihoodBoundError, elbo_per_site, from_sequences, infill, masked_sequences


def favours_g(x, t, cond):
    return torch.tensor([0.0, 0.2, 0.4, 0.0], dtype=torch.float64).expand(*x.shape, 4)


def uniform_letters(x, t, cond):
    return torch.zeros(*x.shape, 4, dtype=torch.float64)


def sequence_process(length, steps, network=favours_g):
    return masked_sequences(network, DNA, length=length, steps=steps)


def gc(sequences):
    return [s.count("G") + s.count("C") for s in sequences]


def test_alphabet_round_trip_accepts_lower_case_and_masks():
    assert DNA.decode(DNA.encode(["ACGT", "ttga"])) == ["ACGT", "TTGA"]
    assert DNA.decode(DNA.encode(["ANNT"], masked=True)) == ["ANNT"]


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], "no sequences"),
        ([""], "sequence 0 is an empty sequence"),
        (["ACGT", "ACG"], "sequence 1 has 3 letters but sequence 0 has 4"),
        (["ACGT", "ACXT"], r"sequence 1 has 'X' at position 3; allowed letters are ACGT"),
        (["ACNT"], "'N' at position 3"),
        (["AC\u00e9T"], "at position 3"),
    ],
)
def test_bad_text_is_refused_with_the_place(sequences, message):
    with pytest.raises(ValueError, match=message):
        DNA.encode(sequences)


def test_infilling_designs_only_the_free_sites():
    process = infill(sequence_process(length=12, steps=6), ["ACGTNNNNNNGG", "TTNNNNNNNNAA"])
    samples = svdd.decode(process, gc, samples=4, candidates=6).samples
    assert all(s.startswith("ACGT") and s.endswith("GG") for s in samples[::2])
    assert all(s.startswith("TT") and s.endswith("AA") for s in samples[1::2])
    assert not any("N" in s for s in samples)
    assert sum(gc([s[4:10] for s in samples[::2]])) > 8  # the free sites went where the reward is


@pytest.mark.slow
def test_infilling_is_conditioned_on_the_fixed_letters():
    """A network that copies its left neighbour must continue the fixed letters."""

    def copies(x, t, cond):
        left = torch.roll(x, 1, 1).clamp(max=3)
        known = torch.roll(x, 1, 1) < 4
        one_hot = torch.nn.functional.one_hot(left, 4).double()
        return torch.where(known[..., None], 50 * one_hot, torch.zeros_like(one_hot))

    process = sequence_process(length=6, steps=200, network=copies)
    sample = svdd.decode(infill(process, ["GNGGGG"]), gc, samples=1, method="pretrained").samples[0]
    assert sample == "GGGGGG"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("ACGTACGTACGT", "nothing to design"),
        ("ACGN", "12 letters, but those given have 4"),
        ("ACGTNNNNNNGX", "'X' at position 12"),
    ],
)
def test_bad_templates_are_refused(template, message):
    with pytest.raises(ValueError, match=message):
        infill(sequence_process(length=12, steps=6), [template])


def test_revision_keeps_about_the_unmasked_share():
    start = "ACGTACGTACGTACGTACGTACGTACGTACGTACGTACGT"
    process = from_sequences(sequence_process(40, 20, uniform_letters), [start], noise=0.25)
    assert process.steps == 5
    assert float(process.times[0]) == 0.25
    samples = svdd.decode(process, gc, samples=100, method="pretrained").samples
    changed = sum(a != b for s in samples for a, b in zip(s, start, strict=True)) / 4000
    assert abs(changed - 0.25 * 0.75) < 5 * math.sqrt(
        0.1875 * 0.8125 / 4000
    )  # a masked site keeps its letter 1 time in 4


@pytest.mark.parametrize("noise", [0.0, -0.1, 1.5])
def test_revision_noise_is_a_share(noise):
    with pytest.raises(ValueError, match="share of sites"):
        from_sequences(sequence_process(length=4, steps=4), ["ACGT"], noise=noise)


def test_full_batches_have_one_shape_and_answer_every_row():
    shapes = []

    def f(x):
        shapes.append(tuple(x.shape))
        return x.double() * 2

    x = torch.arange(22).view(11, 2)
    assert torch.equal(FullBatches(f, 4)(x), x.double() * 2)
    assert set(shapes) == {(4, 2)}


def test_elbo_of_independent_sites_is_the_log_likelihood():
    """With independent sites the bound is tight: its mean is log p a site."""
    log_p = torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64).log()
    process = sequence_process(length=50, steps=5, network=lambda x, t, cond: log_p.expand(*x.shape, 4))
    sequence = "A" * 20 + "C" * 15 + "G" * 10 + "T" * 5
    truth = float(log_p[DNA.encode([sequence])].mean())
    estimates = elbo_per_site(process, [sequence] * 200, samples=8).double()
    error = float(estimates.std()) / math.sqrt(200)
    assert abs(float(estimates.mean()) - truth) < 5 * error + 0.01  # the clamp at t = 1/L leaves a small bias


def test_the_bound_of_a_network_that_is_given_the_time_is_refused():
    """It was that of the network at t = 1, whatever the share of masks."""

    def timed(x, t, cond):
        return torch.zeros(*x.shape, 4) * t

    process = replace(sequence_process(length=8, steps=5, network=timed), time_independent=False)
    with pytest.raises(NoLikelihoodBoundError, match="this one is given it"):
        elbo_per_site(process, ["ACGTACGT"])


def test_protein_alphabet_has_its_own_mask():
    assert Alphabet("ACDEFGHIKLMNPQRSTVWY", mask="X").encode(["NXC"], masked=True).tolist() == [[11, 20, 1]]


@pytest.fixture(scope="module")
def enhancers():
    return svdd.load("dna-enhancer", steps=6, length=60)


@pytest.mark.slow
def test_dna_model_is_invariant_to_batch_chunk_and_sharing(enhancers):
    settings = {"candidates": 3, "temperature": 0.5, "seed": 4}
    together = svdd.decode(enhancers, gc, samples=7, **settings)
    apart = svdd.decode(enhancers, gc, samples=7, batch=2, chunks={"network": 5, "reward": 3}, share=False, **settings)
    assert together.samples == apart.samples
    assert together.usage.network.rows < apart.usage.network.rows == together.usage.network.asked


@pytest.mark.slow
def test_dna_model_writes_fasta_and_table(enhancers, tmp_path):
    result = svdd.decode(enhancers, gc, samples=3, candidates=2)
    result.save(tmp_path / "out")
    fasta = (tmp_path / "out" / "samples.fasta").read_text().splitlines()
    assert fasta[0].startswith(">svdd-0000 reward=")
    assert fasta[1::2] == result.samples


def test_dna_model_refuses_foreign_weights(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(ValueError, match=r"weights\.safetensors"):
        svdd.load("dna-enhancer", weights=str(path))


def test_inference_pass_is_the_network():
    from svdd.networks.inference import inference_pass
    from svdd.networks.weight_files import load_network
    from svdd.registry import bundled

    network = load_network(bundled("dna-enhancer", "denoiser.safetensors")).eval()
    tokens = torch.randint(0, 5, (5, 70), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(tokens)
    assert torch.allclose(inference_pass(network)(tokens), expected, atol=2e-5)
    rough = inference_pass(network, torch.bfloat16)(tokens)
    assert rough.dtype == torch.float32
    assert torch.allclose(rough.log_softmax(-1), expected.log_softmax(-1), atol=0.1)
    assert not torch.allclose(rough, expected, atol=1e-4)
    assert network.head.weight.dtype == torch.float32


@pytest.mark.slow
def test_precision_is_a_named_option_of_a_bundled_model():
    process = svdd.load("dna-enhancer", steps=4, length=40, precision="bfloat16")
    assert process.about["precision"] == "bfloat16"
    result = svdd.decode(process, lambda designs: [d.count("G") for d in designs], samples=4, candidates=2, seed=0)
    assert all(len(design) == 40 for design in result.samples)
    with pytest.raises(ValueError, match="bfloat16"):
        svdd.load("dna-enhancer", precision="bfloat8")


def test_the_mask_of_another_alphabet_is_the_mask_of_its_templates():
    letters = Alphabet("ACDEFGHIKLMNPQRSTVWY", mask="X")

    def network(x, t, cond):
        return torch.zeros(*x.shape, len(letters), dtype=torch.float64)

    process = infill(masked_sequences(network, letters, length=6, steps=3), ["ANXXNC"])
    samples = svdd.decode(process, lambda designs: [0.0] * len(designs), samples=5, method="pretrained").samples
    assert all(s[:2] == "AN" and s[4:] == "NC" and "X" not in s for s in samples)
