"""The evaluation of sequences: each number against its definition, every row counted, nothing optional fatal."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import svdd
from recipes import sequence_measures
from svdd.decoding.result import Result
from svdd.domains.dna import motifs
from svdd.domains.dna.kit import KIT as DNA_KIT
from svdd.domains.rna.kit import KIT as RNA_KIT
from svdd.domains.sequence import distances as sequences
from svdd.domains.sequence import measures as evaluation
from svdd.domains.sequence import references
from svdd.domains.sequence.alphabets import DNA, RNA
from svdd.domains.sequence.designs import SequenceKind
from svdd.domains.sequence.masked import elbo_per_site, masked_sequences
from svdd.domains.sequence.measures import measured
from svdd.metrics import measures
from svdd.metrics.measures import Designs
from svdd.registry import bundled


def texts(rows, length=40, seed=0, letters="ACGT"):
    drawn = np.random.default_rng(seed).integers(4, size=(rows, length))
    return ["".join(letters[letter] for letter in row) for row in drawn]


def designs(given, *, run=None, reward=None, judge=None, elbo=None):
    n = len(given)
    numbers = [np.full(n, np.nan) if x is None else np.array(x, float) for x in (reward or range(n), judge, elbo)]
    return Designs(given, run or [0] * n, list(range(n)), *numbers)


def record(given, reference=None, letters="ACGT", draws=1000):
    """The row of sequences, by the kit of DNA or of RNA."""
    alphabet, kit = (RNA, RNA_KIT) if letters == RNA.letters else (DNA, DNA_KIT)
    return kit.record(given, reference, SequenceKind(alphabet, 40), draws=draws)


def model(length=12, alphabet=DNA, **changes):
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4])
    return masked_sequences(lambda x, t, cond: shares.log().expand(*x.shape, 4), alphabet, length=length, **changes)


@pytest.fixture
def result():
    return svdd.decode(model(steps=4), lambda s: [t.count("G") for t in s], candidates=2, samples=6)


def test_every_measure_is_the_one_it_is_named_after():
    given, natural = texts(60), DNA_KIT.natural("some", texts(50, seed=1), "ACGT")
    row = record(designs(given, judge=range(60, 120), elbo=[-1.0] * 60), natural, draws=50).row
    assert (row["runs"], row["designs"], row["valid"]) == (1, 60, 1.0)
    assert row["reward_mean"] == pytest.approx(29.5)
    assert row["reward_q10"] == pytest.approx(5.9)
    assert row["judge_median"] == pytest.approx(89.5)
    assert row["elbo_per_base"] == -1
    assert row["correlation_3mer"] == pytest.approx(
        sequence_measures.kmer_correlation(given, list(natural.sequences), 3)
    )
    assert row["diversity"] == pytest.approx(sequence_measures.pairwise_diversity(given))
    assert row["nearest_distance"] == sequences.nearest_edit_distance(given, natural.sequences).mean()
    assert row["gc"] == pytest.approx(sequences.gc_fraction(given).mean())
    assert (row["unique"], row["novel"]) == (1, 1)
    measures = [name for name in row if f"{name}_low" in row]
    for name in set(measures) - {"correlation_6mer", "correlation_motif"}:
        assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"], name


def test_repeats_homopolymers_and_known_sequences_are_counted():
    given = ["A" * 8 + "CG", "A" * 8 + "CG", "ACGTACGTAC", "CCCCCCCAGT"]
    row = record(designs(given), DNA_KIT.natural("x", ["ACGTACGTAC", "TTTTTTTTTT"], "ACGT"), draws=20).row
    assert row["unique"] == pytest.approx(sequence_measures.unique_fraction(given)) == 0.75
    assert row["homopolymer"] == sequence_measures.homopolymer_rate(given) == 0.5
    assert row["novel"] == 0.75
    assert row["nearest_distance"] < 8


def test_words_of_six_need_as_many_letters_as_there_are_words():
    few, many = texts(20, length=200), texts(25, length=200, seed=3)
    natural = DNA_KIT.natural("x", texts(30, length=200, seed=2), "ACGT")
    assert np.isnan(record(designs(few), natural, draws=5).row["correlation_6mer"])
    row = record(designs(many), natural, draws=5).row
    assert row["correlation_6mer"] == pytest.approx(
        sequence_measures.kmer_correlation(many, list(natural.sequences), 6)
    )


@pytest.mark.slow
def test_motifs_are_compared_with_the_reference():
    natural_ones, given = texts(60, 200, seed=4), texts(40, 200, seed=5)
    row = record(designs(given), DNA_KIT.natural("x", natural_ones, "ACGT"), draws=20).row
    expected = sequence_measures.motif_correlation(motifs.motif_hits(given), motifs.motif_hits(natural_ones))
    assert row["correlation_motif"] == pytest.approx(expected)
    few = record(designs(texts(15, 200, seed=10)), DNA_KIT.natural("x", natural_ones, "ACGT"), draws=200).row
    assert -1 <= few["correlation_motif_low"] < few["correlation_motif_high"] == 1


def test_invalid_designs_are_counted_and_left_out_of_the_means():
    row = record(designs(texts(4), reward=[1.0, -np.inf, 3.0, 5.0]), draws=20).row
    assert (row["valid"], row["reward_mean"]) == (0.75, 3)
    nothing = record(designs(texts(2), reward=[-np.inf, -np.inf]), draws=20).row
    assert nothing["valid"] == 0
    assert np.isnan(nothing["reward_median"])


def test_one_design_has_no_diversity():
    row = record(designs(["ACGT"]), draws=20).row
    assert np.isnan(row["diversity"])
    assert row["reward_mean"] == 0
    assert np.isnan([row["reward_mean_low"], row["reward_mean_high"]]).all()


@pytest.mark.parametrize(("chains", "said"), [(7, "no 95 % intervals"), (12, "are too narrow"), (16, None)])
def test_few_chains_have_no_interval_or_a_note(chains, said):
    made = record(designs(texts(chains)), draws=20)
    bounds = [made.row[name] for name in ("reward_mean_low", "reward_median_high", "gc_low")]
    assert np.isnan(bounds).all() == (chains < 8)
    assert [said in note for note in made.notes] == ([] if said is None else [True])


def test_runs_are_resampled_as_runs():
    apart = [designs(texts(20, seed=seed), reward=[float(seed)] * 20) for seed in range(4)]
    pooled = Designs.pooled(apart)
    assert pooled.run == [run for run in range(4) for _ in range(20)]
    row = record(pooled).row
    assert row["runs"] == 4
    assert row["reward_mean"] == 1.5
    assert row["reward_mean_high"] - row["reward_mean_low"] > 1  # one run alone would have none
    assert (
        record(replace(pooled, run=[0] * 80, chain=list(range(80)))).row["reward_mean_high"] < row["reward_mean_high"]
    )


def test_diversity_does_not_count_a_resampled_design_against_itself():
    row = record(designs(texts(30)), draws=400).row
    assert row["diversity_low"] < row["diversity"] < row["diversity_high"]
    assert (row["diversity_low"] + row["diversity_high"]) / 2 == pytest.approx(row["diversity"], abs=0.003)


def test_likelihood_and_judge_are_asked_for_the_first_designs_and_counted(result, monkeypatch):
    monkeypatch.setattr(measures, "MOST", 4)
    asked = []
    found = measured(result, model(), lambda s: asked.extend(s) or [1.0] * len(s), "mine")
    assert asked == result.samples[:4]
    assert (found.elbo_rows, found.judge_rows) == (4 * evaluation.ELBO_SAMPLES, 4)
    assert np.isnan(found.elbo[4:]).all() and np.isnan(found.judge[4:]).all()
    expected = elbo_per_site(model(), result.samples[:4], samples=evaluation.ELBO_SAMPLES)
    assert found.elbo[:4].tolist() == pytest.approx(expected.tolist())
    assert found.reward.tolist() == result.rewards.tolist()


def test_a_score_that_the_result_has_is_not_asked_again(result):
    scored = replace(result, scores={"mine": torch.arange(6.0)})
    found = measured(scored, model(), None, "mine")
    assert found.judge.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.judge_rows == 0


def test_chunks_bound_every_call_and_change_nothing(result):
    sizes = []

    def network(x, t, cond):
        sizes.append(len(x))
        return torch.tensor([0.1, 0.2, 0.3, 0.4]).log().expand(*x.shape, 4)

    process = masked_sequences(network, DNA, length=12)
    found = measured(result, process, chunks={"network": 5})
    assert max(sizes) == 5
    np.testing.assert_allclose(found.elbo, measured(result, model()).elbo)


def test_a_model_without_masks_has_no_likelihood_bound(result):
    for process in (
        replace(model(), time_independent=False),
        replace(model(), kind=SequenceKind(DNA, 12, masked=False)),
    ):
        found = measured(result, process)
        assert found.elbo_rows == 0
        assert np.isnan(found.elbo).all()
        assert "no likelihood bound" in found.notes[0]
        row = record(found, draws=5)
        assert np.isnan(row.row["elbo_per_base"])
        assert row.notes[: len(found.notes)] == list(found.notes)


@pytest.mark.parametrize(
    ("samples", "said"),
    [(["ACGT" * 3, "ACG"], "sequence 1 has 3 letters"), (["ACGU" * 3], "'U' at position 4; allowed letters are ACGT")],
)
def test_what_is_not_of_the_alphabet_is_refused(samples, said):
    with pytest.raises(ValueError, match=said):
        measured(Result(samples, torch.zeros(len(samples)), list(range(len(samples)))), model())


def test_missing_extras_are_notes(monkeypatch):
    natural = DNA_KIT.natural("x", texts(20), "ACGT")
    for module in ("rapidfuzz", "pyjaspar", "RNA"):
        monkeypatch.setitem(sys.modules, module, None)
    made = record(designs(texts(10, seed=1)), natural, draws=5)
    assert np.isnan(made.row["diversity"]) and np.isnan(made.row["correlation_motif"])
    assert np.isfinite(made.row["correlation_3mer"])
    assert any("svdd[motifs]" in note for note in made.notes)
    assert any("svdd[sequences]" in note for note in made.notes)
    rna = record(designs(texts(10, letters="ACGU")), None, "ACGU", draws=5)
    assert np.isnan(rna.row["mfe_per_base"])
    assert any("svdd[rna]" in note for note in rna.notes)


def test_a_reference_without_the_extra_has_no_hits(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyjaspar", None)
    assert DNA_KIT.natural("x", texts(3), "ACGT").hits == {}


def test_rna_has_upstream_starts_and_structure():
    given = ["GGGGGGAAAACCCCCC" + "A" * 8, "AUG" + "A" * 21, "C" * 24]
    row = record(designs(given), None, RNA.letters, draws=20).row
    assert row["uaug"] == pytest.approx(1 / 3)
    assert row["mfe_per_base"] < -0.1
    assert "mfe_per_base" not in record(designs(texts(3)), draws=5).row


def test_the_reference_of_a_bundled_model_follows_the_reward():
    groups = json.loads(bundled("dna-enhancer", "reference.json").read_text())["groups"]
    active, other = DNA_KIT.reference("dna-enhancer", "hepg2"), DNA_KIT.reference("dna-enhancer", "gc-content")
    assert active.words[3].tolist() == groups["active_hepg2"]["kmer3"]
    assert other.words[6].tolist() == groups["held_out"]["kmer6"]
    assert active.hits["HNF4A"] == groups["active_hepg2"]["motif_hits_mean"]["HNF4A"]
    assert active.name == "dna-enhancer, active hepg2"


@pytest.mark.parametrize("name", ["toy-masked", "file.py:model", "mdlm:/some/path", "../pretrained/dna-enhancer"])
def test_other_models_bring_no_reference(name):
    assert references.of_model(name, "hepg2") is None
