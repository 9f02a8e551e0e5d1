"""Sequence metrics against counts by hand and against known distributions."""

import sys

import numpy
import pytest

from svdd.domains.sequence import distances as sequences
from svdd.domains.sequence import motifs
from svdd.metrics import intervals


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
    assert sequences.kmer_correlation(rows, rows, 3) == pytest.approx(1)
    counts = sequences.kmer_counts(rows, 3)
    assert sequences.kmer_correlation(rows, counts, 3) == pytest.approx(1)
    with pytest.raises(ValueError, match="2-mers"):
        sequences.kmer_correlation(rows, counts, 2)


def test_composition():
    rows = ["GGCC", "AATTTTTTTTTC", "ACGT"]
    assert sequences.gc_fraction(rows).tolist() == [1, 1 / 12, 0.5]
    assert sequences.longest_homopolymer(rows).tolist() == [2, 9, 1]
    assert sequences.homopolymer_rate(rows, length=8) == pytest.approx(1 / 3)
    assert sequences.unique_fraction(["A", "C", "A", "A"]) == 0.5
    with pytest.raises(ValueError, match="sequence 1 is empty"):
        sequences.gc_fraction(["A", ""])


def test_edit_distances():
    assert sequences.pairwise_diversity(["AAAA", "AAAA"]) == 0
    assert sequences.pairwise_diversity(["AAAA", "AAAC", "AACC"]) == pytest.approx(1 / 3)
    assert sequences.nearest_edit_distance(["AAAA", "CC"], ["AAAC", "CCC"]).tolist() == [1, 1]
    with pytest.raises(ValueError, match="at least 2"):
        sequences.pairwise_diversity(["A"])
    with pytest.raises(ValueError, match="reference"):
        sequences.nearest_edit_distance(["A"], [])


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    monkeypatch.setitem(sys.modules, "pyjaspar", None)
    with pytest.raises(ImportError, match=r"svdd\[sequences\]"):
        sequences.pairwise_diversity(["A", "C"])
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
    assert motifs.motif_correlation(background, background) == pytest.approx(1)
    assert numpy.isnan(motifs.motif_correlation(hits * 0, hits))
    by_hand = motifs.motif_correlation(numpy.array([[1, 1, 2]]), numpy.array([[3, 2, 9]]))
    assert by_hand == pytest.approx(3**0.5 / 2)
    with pytest.raises(ValueError, match="MA9999"):
        motifs.jaspar_matrices({"none": "MA9999.1"})


def test_a_resample_of_one_run_draws_its_chains():
    weights = intervals.bootstrap_weights([0] * 6, [0, 0, 1, 1, 2, 2], draws=200)
    assert weights.shape == (201, 6)
    assert (weights[0] == 1).all()
    assert (weights.sum(1) == 6).all()
    assert (weights[:, ::2] == weights[:, 1::2]).all()
    assert weights[1:].std() > 0.5
    numpy.testing.assert_array_equal(weights, intervals.bootstrap_weights([0] * 6, [0, 0, 1, 1, 2, 2], draws=200))


def test_a_resample_of_several_runs_draws_runs_first():
    run, chain = [0] * 4 + [1] * 4, [0, 1, 2, 3] * 2
    weights = intervals.bootstrap_weights(run, chain, draws=4000)[1:]
    first = weights[:, :4].sum(1)
    assert (weights.sum(1) == 8).all()
    assert set(first) == {0, 4, 8}
    assert (first == 4).mean() == pytest.approx(0.5, abs=0.04)
    between = intervals.interval(intervals.mean([0] * 4 + [1] * 4), intervals.bootstrap_weights(run, chain))
    assert between == (0.5, 0.0, 1.0)


def test_the_interval_of_a_mean():
    values = numpy.random.default_rng(0).normal(size=400)
    weights = intervals.bootstrap_weights([0] * 400, range(400))
    estimate, low, high = intervals.interval(intervals.mean(values), weights)
    assert estimate == pytest.approx(values.mean())
    assert low < estimate < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.1)
    narrow = intervals.interval(intervals.mean(values), weights, confidence=0.5)
    assert narrow[2] - narrow[1] == pytest.approx(2 * 0.674 / 20, rel=0.15)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.77])
def test_a_weighted_quantile_is_that_of_repeated_values(share):
    generator = numpy.random.default_rng(1)
    values, weights = generator.normal(size=9), generator.integers(4, size=(30, 9)).astype(float)
    weights[:, 0] += 1
    found = intervals.quantile(values, share)(weights)
    repeated = [numpy.quantile(numpy.repeat(values, row.astype(int)), share) for row in weights]
    numpy.testing.assert_allclose(found, repeated)


@pytest.mark.slow
def test_an_interval_covers():
    generator, covered = numpy.random.default_rng(0), 0
    for _ in range(300):
        weights = intervals.bootstrap_weights([0] * 60, range(60), draws=300)
        _, low, high = intervals.interval(intervals.quantile(generator.random(60), 0.5), weights, confidence=0.9)
        covered += low <= 0.5 <= high
    assert 0.85 < covered / 300 < 0.97


def test_what_is_not_finite_is_left_out():
    weights = intervals.bootstrap_weights([0, 0, 0], [0, 1, 2], draws=50)
    for values in ([1.0, numpy.nan, 3.0], [1.0, -numpy.inf, 3.0]):
        assert intervals.interval(intervals.mean(values), weights)[0] == 2
        assert intervals.interval(intervals.quantile(values, 0.5), weights)[0] == 2
    for statistic in (intervals.mean([numpy.nan] * 3), intervals.quantile([numpy.nan] * 3, 0.5)):
        assert all(numpy.isnan(intervals.interval(statistic, weights)))


def test_a_centred_interval_has_the_estimate_in_its_middle():
    weights = intervals.bootstrap_weights([0] * 50, range(50))

    def pulled(rows):
        return numpy.where((rows == 1).all(1), 10.0, intervals.mean(range(50))(rows) - 5)

    estimate, low, high = intervals.interval(pulled, weights, centred=True)
    assert (estimate - low) == pytest.approx(high - estimate, rel=0.2)
    assert intervals.interval(pulled, weights)[2] > 10 + 8


def test_intervals_refuse_nonsense():
    with pytest.raises(ValueError, match="at least 1 design"):
        intervals.bootstrap_weights([], [])
    with pytest.raises(ValueError, match="share must lie strictly between 0 and 1, got 1"):
        intervals.quantile([1.0], 1.0)
    with pytest.raises(ValueError, match="confidence"):
        intervals.interval(intervals.mean([1.0]), intervals.bootstrap_weights([0], [0]), confidence=0.0)
