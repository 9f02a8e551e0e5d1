"""Identity of proteins to known ones: by edits where all have one length, by alignments where they have not."""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy
from jaxtyping import Float
from numpy import ndarray

from svdd.domains.sequence.distances import nearest_edit_distance
from svdd.messages import check, module_of

ALIGNED = 20
"""Sequences of a reference that a design is aligned to: those with the stretch that is most like it."""
OPEN, EXTEND = -11, -1
"""What a gap costs, its first letter and each further one, as in BLAST; those at the ends cost nothing."""


def nearest_identity(sequences: Sequence[str], reference: Sequence[str]) -> Float[ndarray, " n"]:
    r"""Identity to the nearest reference sequence, as a share of the sequence's own L letters.

    $1 - \text{edits} / L$ where all sequences and the reference have one length: edits count insertions and deletions too, so
    this is a bound from below. Otherwise $\text{matches} / L$ of the best alignment (BLOSUM62, free ends) with each of the 20
    reference sequences of which a stretch is most like the whole.

    Args:
        sequences: of the twenty amino acids.
        reference: at least one.

    Raises:
        ImportError: If rapidfuzz or Biopython is not installed.
        ValueError: If there is no reference sequence.
    """
    check(len(reference), "identity needs at least 1 reference sequence, got 0")
    if len({len(text) for text in (*sequences, *reference)}) == 1:
        return 1 - nearest_edit_distance(sequences, reference) / len(reference[0])
    return numpy.array([max(map(partial(aligned_identity, text), _likest(text, reference))) for text in sequences])


def aligned_identity(sequence: str, other: str) -> float:
    """Letters of a sequence that are the same in another one, in their best alignment, as a share of the sequence's own."""
    return float(_aligner().align(sequence, other)[0].counts().identities / len(sequence))


def _likest(sequence: str, reference: Sequence[str]) -> list[str]:
    package = module_of("sequences", "rapidfuzz", "identities need rapidfuzz")
    alike = package.process.cdist([sequence], reference, scorer=package.fuzz.partial_ratio)[0]
    return [reference[row] for row in numpy.argsort(-alike, kind="stable")[:ALIGNED]]


@cache
def _aligner() -> Any:
    align = module_of("sequences", "Bio.Align", "alignments need Biopython")
    aligner = align.PairwiseAligner(mode="global", open_gap_score=OPEN, extend_gap_score=EXTEND, end_gap_score=0)
    aligner.substitution_matrix = align.substitution_matrices.load("BLOSUM62")
    return aligner
