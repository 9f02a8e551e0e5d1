"""Statistics of sets of sequences: composition, diversity and novelty.

All functions take lists of strings and none changes its input. Motif content is in
`svdd.domains.dna.motifs`, intervals are in `svdd.metrics.intervals`.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy
from numpy.typing import NDArray

from svdd.messages import check, module_of


def kmer_counts(sequences: Sequence[str], k: int, *, alphabet: str = "ACGT") -> NDArray[numpy.int64]:
    """Count the words of length k, in alphabetical order of the alphabet given.

    Args:
        sequences: Sequences of any lengths; those shorter than k add nothing.
        k: Word length.
        alphabet: Allowed letters.

    Returns:
        Counts, shape (len(alphabet) ** k,).

    Raises:
        ValueError: If k is not positive or a letter is not in the alphabet.
    """
    check(k >= 1, f"k must be at least 1, got {k}")
    size = len(alphabet)
    # The letter after the alphabet stands for a gap, so that no word spans two sequences.
    codes = _codes("\n".join(sequences), alphabet)
    windows = len(codes) - k + 1
    if windows < 1:
        return numpy.zeros(size**k, dtype=numpy.int64)
    words = numpy.zeros(windows, dtype=numpy.int64)
    whole = numpy.ones(windows, dtype=bool)
    for offset in range(k):
        letters = codes[offset : offset + windows]
        words = words * size + letters
        whole &= letters < size
    return numpy.bincount(words[whole], minlength=size**k)


def gc_fraction(sequences: Sequence[str]) -> NDArray[numpy.float64]:
    """Share of G and C in each sequence, between 0 and 1.

    Raises:
        ValueError: If a sequence is empty.
    """
    for row, sequence in enumerate(sequences):
        if not sequence:
            raise ValueError(f"sequence {row} is empty")
    return numpy.array([(text.count("G") + text.count("C")) / len(text) for text in sequences])


def longest_homopolymer(sequences: Sequence[str]) -> NDArray[numpy.int64]:
    """Length of the longest run of one letter in each sequence, in letters."""
    longest = (max((sum(1 for _ in run) for _, run in groupby(t)), default=0) for t in sequences)
    return numpy.array(list(longest), dtype=numpy.int64)


def pairwise_distances(sequences: Sequence[str]) -> NDArray[numpy.float32]:
    """Edit distance of every two sequences over the longer length, between 0 and 1, shape (n, n).

    Takes time and memory in the square of the number of sequences: pass a subset of a
    thousand or so.

    Raises:
        ImportError: If rapidfuzz is not installed.
    """
    package = _rapidfuzz()
    scorer = package.distance.Levenshtein.normalized_distance
    return package.process.cdist(sequences, sequences, scorer=scorer, dtype=numpy.float32)


def nearest_edit_distance(sequences: Sequence[str], reference: Sequence[str]) -> NDArray[numpy.int64]:
    """Edit distance of each sequence to its nearest reference sequence, in letters.

    Raises:
        ImportError: If rapidfuzz is not installed.
        ValueError: If there is no reference sequence.
    """
    check(len(reference), "nearest distance needs at least 1 reference sequence, got 0")
    package = _rapidfuzz()
    scorer = package.distance.Levenshtein.distance
    nearest = [package.process.cdist([text], reference, scorer=scorer).min() for text in sequences]
    return numpy.array(nearest, dtype=numpy.int64)


def _rapidfuzz() -> Any:
    return module_of("sequences", "rapidfuzz", "edit distances need rapidfuzz")


def _codes(text: str, alphabet: str) -> NDArray[numpy.uint8]:
    """Number the letters of a text by the alphabet, and line ends by the number after it."""
    table = numpy.full(256, 255, dtype=numpy.uint8)
    for code, letter in enumerate(alphabet + "\n"):
        table[ord(letter)] = code
    codes = table[numpy.frombuffer(text.encode("latin-1", "replace"), dtype=numpy.uint8)]
    if (codes == 255).any():
        letter = text[int((codes == 255).argmax())]
        raise ValueError(f"found {letter!r}; the alphabet is {alphabet}")
    return codes
