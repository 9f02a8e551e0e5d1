"""Measures of proteins, by hand and against Biopython, and the drawing of a logo."""

import math

import numpy as np
import pytest

from svdd.domains.protein import measures as protein
from svdd.domains.protein.kit import KIT
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.designs import SequenceKind
from svdd.domains.sequence.distances import kmer_counts
from svdd.domains.sequence.figures import RESIDUES, _information
from svdd.domains.sequence.references import Reference
from svdd.metrics.measures import Designs

TEXTS = ["ACDEFGHIKLMNPQRSTVWY", "KKRRDDEE", "KKKK", "GGIV"]


def designs(given):
    nothing = np.full(len(given), np.nan)
    return Designs(given, [0] * len(given), list(range(len(given))), np.zeros(len(given)), nothing, nothing)


def row(given, reference=None):
    return KIT.record(designs(given), reference, SequenceKind(PROTEIN, len(given[0])), draws=20).row


def test_charge_counts_four_letters():
    assert protein.net_charge(TEXTS).tolist() == [0, 0, 4, 0]


def test_hydropathy_is_that_of_biopython():
    analysis = pytest.importorskip("Bio.SeqUtils.ProtParam").ProteinAnalysis
    assert protein.mean_hydropathy(TEXTS) == pytest.approx([analysis(text).gravy() for text in TEXTS])
    assert set(protein.HYDROPATHY) == set(PROTEIN.letters)


def test_identity_counts_edits_over_the_own_length():
    known = ["AAAAAAAAAA", "CCCCC"]
    assert protein.nearest_identity(["AAAAAAAAAA", "AAAAAAAACC", "CCCC"], known) == pytest.approx([1, 0.8, 0.75])


def test_columns_are_what_they_are_named_after():
    given, known = ["KKCA", "KKCA", "DDEE"], ["KKCC", "KAAA"]
    found = row(given, KIT.natural("known", known, PROTEIN.letters))
    assert found["charge"] == pytest.approx((2 + 2 - 4) / 3)
    assert found["cysteine"] == pytest.approx(2 / 3)
    assert found["nearest_identity"] == pytest.approx((0.75 + 0.75 + 0) / 3)
    theirs = np.ones(20)
    theirs[[PROTEIN.letters.index(letter) for letter in "KCA"]] += [3, 2, 3]
    ours = {"K": 4, "C": 2, "A": 2, "D": 2, "E": 2}
    expected = sum(
        n / 12 * math.log(n / 12 / (theirs[PROTEIN.letters.index(a)] / theirs.sum())) for a, n in ours.items()
    )
    assert found["composition_divergence"] == pytest.approx(expected)


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
