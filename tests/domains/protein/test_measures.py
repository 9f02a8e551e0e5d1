"""Measures of proteins, by hand and against Biopython, and the drawing of a logo."""

import math
import re

import numpy as np
import pytest

from svdd.domains.protein import alignments
from svdd.domains.protein import measures as protein
from svdd.domains.protein.alignments import aligned_identity, nearest_identity
from svdd.domains.protein.kit import KIT
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.designs import SequenceKind
from svdd.domains.sequence.distances import kmer_counts
from svdd.domains.sequence.figures import RESIDUES, _information
from svdd.domains.sequence.references import Reference
from svdd.metrics.measures import Designs

TEXTS = ["ACDEFGHIKLMNPQRSTVWY", "KKRRDDEE", "KKKK", "GGIV"]


def designs(given, **known):
    nothing = np.full(len(given), np.nan)
    known = {"judge": nothing, **known}
    return Designs(given, [0] * len(given), list(range(len(given))), np.zeros(len(given)), elbo=nothing, **known)


def row(given, reference=None, **known):
    return KIT.record(designs(given, **known), reference, SequenceKind(PROTEIN, len(given[0])), draws=20).row


def test_charge_counts_four_letters():
    assert protein.net_charge(TEXTS).tolist() == [0, 0, 4, 0]


def test_hydropathy_is_that_of_biopython():
    analysis = pytest.importorskip("Bio.SeqUtils.ProtParam").ProteinAnalysis
    assert protein.mean_hydropathy(TEXTS) == pytest.approx([analysis(text).gravy() for text in TEXTS])
    assert set(protein.HYDROPATHY) == set(PROTEIN.letters)


def test_identity_of_equal_lengths_counts_edits():
    known = ["AAAAAAAAAA", "CCCCCCCCCC"]
    assert nearest_identity(["AAAAAAAAAA", "AAAAAAAACC", "CCCCCWCCCC"], known) == pytest.approx([1, 0.8, 0.9])
    assert nearest_identity(["WAAAAAAAAA"], ["AAAAAAAAAW"]) == pytest.approx([0.8])  # a letter in and one out


def test_identity_of_other_lengths_counts_matches_of_an_alignment():
    """A design within a longer protein, one with a letter changed, one letter longer than its kin, and one of another kind."""
    design = "DEEKLRELAKRAGLPEEVVRRAEELL"
    longer = "GGSSGGSS" + design + "TTNNTTNN"
    changed, inserted = design[:9] + "W" + design[10:], design[:12] + "G" + design[12:]
    assert nearest_identity([design, changed, "WWWWPPPPWWWW"], [longer, "GGGG"]) == pytest.approx([1, 25 / 26, 0])
    assert nearest_identity([inserted], [longer]) == pytest.approx([26 / 27])
    assert nearest_identity([design], [design[:13]]) == pytest.approx([0.5])


def test_the_nearest_of_many_is_found_with_few_alignments(monkeypatch):
    """As good as an alignment with every sequence, where the kin are far from alike; more distant than this, all are equal."""
    rng = np.random.default_rng(0)
    letters = np.array(list(PROTEIN.letters))
    natural = [rng.choice(letters, size) for size in rng.integers(40, 90, 300)]
    kin = natural[17][5:38].copy()
    kin[::2] = rng.choice(letters, 17)
    known, design = ["".join(one) for one in natural], "".join(kin)
    asked = []
    monkeypatch.setattr(alignments, "aligned_identity", lambda a, b: asked.append(b) or aligned_identity(a, b))
    found = nearest_identity([design], known)
    assert len(asked) == alignments.ALIGNED
    assert known[17] in asked
    assert found == pytest.approx([max(aligned_identity(design, one) for one in known)])


def test_identity_needs_a_reference():
    with pytest.raises(ValueError, match="identity needs at least 1 reference sequence, got 0"):
        nearest_identity(["AC"], [])


def test_columns_are_what_they_are_named_after():
    given, known = ["KKCA", "KKCA", "DDEE"], ["KKCC", "KAAA"]
    found = row(given, KIT.natural("known", known, PROTEIN.letters))
    assert found["charge"] == pytest.approx((2 + 2 - 4) / 3)
    assert found["cysteine"] == pytest.approx(2 / 3)
    assert found["nearest_identity"] == pytest.approx((0.75 + 0.75 + 0) / 3)
    assert found["unlike_natural"] == pytest.approx(1 / 3)
    assert found["novel"] == 1
    theirs = np.ones(20)
    theirs[[PROTEIN.letters.index(letter) for letter in "KCA"]] += [3, 2, 3]
    ours = {"K": 4, "C": 2, "A": 2, "D": 2, "E": 2}
    expected = sum(
        n / 12 * math.log(n / 12 / (theirs[PROTEIN.letters.index(a)] / theirs.sum())) for a, n in ours.items()
    )
    assert found["composition_divergence"] == pytest.approx(expected)


def test_stable_is_what_the_judge_of_stability_calls_so():
    scores = np.array([0.99, 1.0, 2.0, np.nan])  # of the last it was not asked
    assert row(["KA"] * 4, judge=scores, judged="miniprotein-stability-judge")["predicted_stable"] == pytest.approx(
        2 / 3
    )
    assert "predicted_stable" not in row(["KA"] * 4, judge=scores, judged="mine")


def test_a_reference_may_have_any_lengths_and_case_but_no_other_letters(tmp_path):
    kind = SequenceKind(PROTEIN, 4)
    (tmp_path / "known.fasta").write_text(">a\nkkcaGG\n>b\nDD\n")
    known = KIT.reference_of(tmp_path / "known.fasta", kind)
    assert known.sequences == ["KKCAGG", "DD"]
    assert row(["KKCA"], known)["nearest_identity"] == 1
    for letter in "BZXUO-*":
        (tmp_path / "known.fasta").write_text(f">a\nKKCA\n>b\nDD{letter}\n")
        with pytest.raises(ValueError, match=re.escape(f"known.fasta: sequence 1 has '{letter}' at position 3")):
            KIT.reference_of(tmp_path / "known.fasta", kind)


def test_the_same_composition_has_hardly_a_divergence():
    counts = 10**6 * kmer_counts(TEXTS[:1], 1, alphabet=PROTEIN.letters)
    assert row(TEXTS[:1], Reference("even", PROTEIN.letters, {1: counts}))["composition_divergence"] == pytest.approx(0)


def test_without_a_reference_nothing_is_compared():
    found = row(["KKCA", "KKCD"])
    assert not {"nearest_identity", "composition_divergence", "correlation_3mer"} & set(found)


def test_the_bundled_reference_has_words_of_up_to_three_letters():
    held_out, stable = KIT.reference("miniprotein", ""), KIT.reference("miniprotein", "miniprotein-stability")
    assert (held_out.name, stable.name) == ("miniprotein, held out", "miniprotein, stable")
    for reference in (held_out, stable):
        assert {k: len(words) for k, words in reference.words.items()} == {1: 20, 2: 400, 3: 8000}
        assert reference.words[1][PROTEIN.letters.index("C")] == 0  # the library has no cysteine
    assert held_out.words[1].sum() > 4 * stable.words[1].sum()


def test_a_logo_draws_the_twenty_residues_and_nothing_else():
    assert set(RESIDUES) == set(PROTEIN.letters)
    assert KIT.logo(["ACDEFGHIKLMNPQRSTVWY"] * 2).startswith("data:image/") or "<svg" in KIT.logo(["ACDW", "ACDY"])
    assert KIT.logo(["ACX"]) is None
    heights = _information(["AK", "AR"], list(RESIDUES), math.log2(20))
    assert heights.sum(1) == pytest.approx([math.log2(20), math.log2(20) - 1])
