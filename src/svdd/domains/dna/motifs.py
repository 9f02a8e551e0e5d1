"""Transcription-factor motifs of JASPAR in DNA sequences."""

import warnings
from collections.abc import Mapping, Sequence

import numpy
import torch
from numpy.typing import NDArray
from torch.nn import functional

from svdd.domains.sequence.alphabets import DNA
from svdd.messages import module_of

ENHANCER_MOTIFS: dict[str, str] = {
    "HNF4A": "MA1494.2",
    "HNF1A": "MA0046.3",
    "CEBPA": "MA0102.5",
    "FOXA2": "MA0047.4",
    "GATA1": "MA0035.5",
    "GATA1::TAL1": "MA0140.3",
    "TAL1::TCF3": "MA0091.2",
    "NFE2": "MA0841.2",
}
"""JASPAR matrices of factors that act in HepG2 (the first four) and in K562 (the others)."""

_STEP = 0.01  # bits; grid on which the score distribution is computed


def jaspar_matrices(
    identifiers: Mapping[str, str] = ENHANCER_MOTIFS, *, pseudocount: float = 0.5
) -> dict[str, NDArray[numpy.float64]]:
    """Return log-odds matrices in bits against even bases, each of shape (4, width).

    Args:
        identifiers: JASPAR matrix identifier of each name.
        pseudocount: Added to every count.

    Raises:
        ImportError: If pyjaspar is not installed.
        ValueError: If JASPAR has no such identifier.
    """
    database = module_of("motifs", "pyjaspar", "motif metrics need pyjaspar").jaspardb()
    matrices = {}
    for name, identifier in identifiers.items():
        with warnings.catch_warnings():
            # An unknown identifier warns and gives None, which is an error below.
            warnings.simplefilter("ignore")
            motif = database.fetch_motif_by_id(identifier)
        if motif is None:
            raise ValueError(f"JASPAR {database.release} has no matrix {identifier}")
        counts = numpy.array([motif.counts[letter] for letter in "ACGT"], dtype=float)
        counts += pseudocount
        matrices[name] = numpy.log2(counts / counts.sum(axis=0) / 0.25)
    return matrices


def score_threshold(matrix: NDArray[numpy.float64], chance: float = 1e-4) -> float:
    """Return the score in bits that a random site of even bases reaches with a given chance.

    The exact distribution of the score is built position by position on a grid of 0.01 bits.
    """
    distribution = numpy.ones(1)
    for column in numpy.rint(matrix / _STEP).astype(int).T:
        steps = column - column.min()
        following = numpy.zeros(len(distribution) + steps.max())
        for step in steps:
            following[step : step + len(distribution)] += 0.25 * distribution
        distribution = following
    lowest = numpy.rint(matrix / _STEP).astype(int).min(axis=0).sum()
    tail = distribution[::-1].cumsum()[::-1]
    reached = int((tail > chance).sum())
    # Half a step of slack absorbs the rounding of the best site onto the grid.
    return float((min(reached, len(tail) - 1) + lowest - 0.5) * _STEP)


def motif_hits(
    sequences: Sequence[str], matrices: Mapping[str, NDArray[numpy.float64]] | None = None, *, chance: float = 1e-4
) -> NDArray[numpy.int64]:
    """Count sites where a motif scores above its threshold on either strand.

    Args:
        sequences: DNA sequences, of any lengths.
        matrices: Log-odds matrices; by default `jaspar_matrices()`.
        chance: Chance per site and strand that sets each threshold.

    Returns:
        Hits of each sequence and motif, shape (n, motifs), motifs in the order of `matrices`.

    Raises:
        ValueError: If a sequence is empty or has a letter other than A, C, G and T.
    """
    chosen = jaspar_matrices() if matrices is None else matrices
    hits = numpy.zeros((len(sequences), len(chosen)), dtype=numpy.int64)
    lengths = numpy.array([len(sequence) for sequence in sequences])
    for length in numpy.unique(lengths):
        rows = numpy.flatnonzero(lengths == length).tolist()
        tokens = DNA.encode([sequences[row] for row in rows])
        channels = functional.one_hot(tokens, 4).transpose(1, 2).float()
        for column, matrix in enumerate(chosen.values()):
            hits[rows, column] = _count(channels, matrix, score_threshold(matrix, chance))
    return hits


def _count(channels: torch.Tensor, matrix: NDArray[numpy.float64], threshold: float) -> NDArray[numpy.int64]:
    if channels.shape[2] < matrix.shape[1]:
        return numpy.zeros(len(channels), dtype=numpy.int64)
    # Reversing both axes gives the other strand, since A C G T pairs with T G C A.
    strands = torch.from_numpy(numpy.stack([matrix, matrix[::-1, ::-1]])).float()
    scores = functional.conv1d(channels, strands).amax(dim=1)
    return (scores >= threshold).sum(dim=1).numpy()
