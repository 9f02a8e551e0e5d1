"""Sequence metrics against counts by hand and against known distributions."""

import sys

import numpy
import pytest

from recipes import sequence_measures
from svdd.domains.dna import motifs
from svdd.domains.sequence import distances as sequences


def random_sequences(rows: int, length: int, seed: int = 0) -> list[str]:
    letters = numpy.random.default_rng(seed).integers(4, size=(rows, length))
    return ["".join("ACGT"[letter] for letter in row) for row in letters]


def test_kmer_counts_by_hand():
    counts = sequences.kmer_counts(["ACAC", "A", "CAT"], 2)
    found = {(first * 4 + second): 0 for first in range(4) for second in range(4)}
    found.update({1: 2, 4: 2, 3: 1})
    assert counts.tolist() == [found[word] for word in range(16)]
    assert sequences.kmer_counts(["AC"], 3).sum() == 0
    assert sequences.kmer_counts(["AUG"], 1, alphabet="ACGU").tolist() == [1, 0, 1, 1]
    with pytest.raises(ValueError, match="'N'"):
        sequences.kmer_counts(["ANA"], 1)
    with pytest.raises(ValueError, match="k must"):
        sequences.kmer_counts(["ACA"], 0)


def test_kmer_correlation():
    rows = random_sequences(50, 40)
    assert sequence_measures.kmer_correlation(rows, rows, 3) == pytest.approx(1)
    counts = sequences.kmer_counts(rows, 3)
    assert sequence_measures.kmer_correlation(rows, counts, 3) == pytest.approx(1)
    with pytest.raises(ValueError, match="2-mers"):
        sequence_measures.kmer_correlation(rows, counts, 2)


def test_composition():
    rows = ["GGCC", "AATTTTTTTTTC", "ACGT"]
    assert sequences.gc_fraction(rows).tolist() == [1, 1 / 12, 0.5]
    assert sequences.longest_homopolymer(rows).tolist() == [2, 9, 1]
    assert sequence_measures.homopolymer_rate(rows, length=8) == pytest.approx(1 / 3)
    assert sequence_measures.unique_fraction(["A", "C", "A", "A"]) == 0.5
    with pytest.raises(ValueError, match="sequence 1 is empty"):
        sequences.gc_fraction(["A", ""])


def test_edit_distances():
    assert sequence_measures.pairwise_diversity(["AAAA", "AAAA"]) == 0
    assert sequence_measures.pairwise_diversity(["AAAA", "AAAC", "AACC"]) == pytest.approx(1 / 3)
    assert sequences.nearest_edit_distance(["AAAA", "CC"], ["AAAC", "CCC"]).tolist() == [1, 1]
    with pytest.raises(ValueError, match="at least 2"):
        sequence_measures.pairwise_diversity(["A"])
    with pytest.raises(ValueError, match="reference"):
        sequences.nearest_edit_distance(["A"], [])


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    monkeypatch.setitem(sys.modules, "pyjaspar", None)
    with pytest.raises(ImportError, match=r"svdd\[sequences\]"):
        sequence_measures.pairwise_diversity(["A", "C"])
    with pytest.raises(ImportError, match=r"svdd\[motifs\]"):
        motifs.jaspar_matrices()


def test_motif_threshold_has_its_chance():
    matrix = numpy.log2(numpy.array([[0.7, 0.1, 0.1, 0.1]] * 6).T / 0.25)
    threshold = motifs.score_threshold(matrix, chance=0.01)
    words = numpy.indices((4,) * 6).reshape(6, -1)
    scores = sum(matrix[words[site], site] for site in range(6))
    # P(all six) + P(five of six) is 0.0046; a sixth of the words more would pass 0.01.
    assert (scores >= threshold).mean() == pytest.approx((1 + 18) / 4096)


def test_motif_hits_on_both_strands_and_mixed_lengths():
    site = numpy.log2(numpy.where(numpy.eye(4)[:, [0, 0, 1, 2, 3, 3]] > 0, 0.97, 0.01) / 0.25)
    rows = ["CCAACGTTCC", "AACGTG", "CACGTTAACGTT", "AAC"]
    assert motifs.motif_hits(rows, {"box": site}, chance=5e-4)[:, 0].tolist() == [1, 0, 1, 0]
    other = [row.translate(str.maketrans("ACGT", "TGCA"))[::-1] for row in rows]
    numpy.testing.assert_array_equal(motifs.motif_hits(rows, {"box": site}), motifs.motif_hits(other, {"box": site}))


def test_jaspar_motifs_hit_their_consensus():
    matrices = motifs.jaspar_matrices()
    assert list(matrices) == list(motifs.ENHANCER_MOTIFS)
    best = ["".join("ACGT"[row] for row in m.argmax(axis=0)) for m in matrices.values()]
    hits = motifs.motif_hits(best, matrices)
    assert (numpy.diag(hits) >= 1).all()
    background = motifs.motif_hits(random_sequences(500, 200), matrices)
    expected = 2e-4 * 200
    assert (background.mean(axis=0) < 1.6 * expected).all()
    assert sequence_measures.motif_correlation(background, background) == pytest.approx(1)
    assert numpy.isnan(sequence_measures.motif_correlation(hits * 0, hits))
    by_hand = sequence_measures.motif_correlation(numpy.array([[1, 1, 2]]), numpy.array([[3, 2, 9]]))
    assert by_hand == pytest.approx(3**0.5 / 2)
    with pytest.raises(ValueError, match="MA9999"):
        motifs.jaspar_matrices({"none": "MA9999.1"})
