"""Numbers of whole sets of sequences, as model cards state them: composition, diversity, likeness to natural ones."""

from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

from svdd.domains.rna.folding import as_rna
from svdd.domains.sequence.distances import kmer_counts, longest_homopolymer, pairwise_distances
from svdd.messages import check
from svdd.method.diagnostics import rank_correlation


def kmer_correlation(
    sequences: Sequence[str], reference: Sequence[str] | NDArray[numpy.int64], k: int, *, alphabet: str = "ACGT"
) -> float:
    """Pearson correlation of k-mer frequencies with those of a reference, between -1 and 1.

    Args:
        sequences: Sequences to judge.
        reference: Reference sequences, or their `kmer_counts`.
        k: Word length.
        alphabet: Allowed letters.

    Raises:
        ValueError: If the reference counts are not of words of length k.
    """
    counts = kmer_counts(sequences, k, alphabet=alphabet)
    if not isinstance(reference, numpy.ndarray):
        reference = kmer_counts(reference, k, alphabet=alphabet)
    check(reference.shape == counts.shape, f"reference has {reference.shape} counts, {k}-mers are {counts.shape}")
    return float(numpy.corrcoef(counts, reference)[0, 1])


def homopolymer_rate(sequences: Sequence[str], *, length: int = 8) -> float:
    """Share of sequences with a run of one letter of at least `length`, between 0 and 1."""
    return float((longest_homopolymer(sequences) >= length).mean())


def unique_fraction(sequences: Sequence[str]) -> float:
    """Number of distinct sequences over number of sequences, between 0 and 1."""
    return len(set(sequences)) / len(sequences)


def pairwise_diversity(sequences: Sequence[str]) -> float:
    """Mean of `pairwise_distances` over two different rows, between 0 and 1.

    Raises:
        ImportError: If rapidfuzz is not installed.
        ValueError: If there are fewer than two sequences.
    """
    check(len(sequences) >= 2, f"diversity needs at least 2 sequences, got {len(sequences)}")
    total = float(pairwise_distances(sequences).sum(dtype=numpy.float64))
    return total / (len(sequences) * (len(sequences) - 1))


def motif_correlation(hits: NDArray[numpy.int64], reference_hits: NDArray[numpy.int64]) -> float:
    """Spearman correlation, over motifs, of mean hits per sequence with those of a reference.

    NaN where all motifs are equally frequent in one of the two sets.

    Args:
        hits: Hits of the samples, shape (n, motifs).
        reference_hits: Hits of the reference sequences, shape (m, motifs).
    """
    return rank_correlation(hits.mean(axis=0), reference_hits.mean(axis=0))


def composition_by_position(sequences: Sequence[str]) -> NDArray[numpy.float64]:
    """Share of A, C, G and U at each position of sequences of one length, shape (L, 4)."""
    letters = numpy.array([list(text) for text in as_rna(sequences)])
    return numpy.stack([(letters == letter).mean(axis=0) for letter in "ACGU"], axis=1)
