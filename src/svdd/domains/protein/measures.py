"""Statistics of sets of proteins: charge and hydropathy."""

from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

HYDROPATHY = {
    **{"I": 4.5, "V": 4.2, "L": 3.8, "F": 2.8, "C": 2.5, "M": 1.9, "A": 1.8, "G": -0.4, "T": -0.7, "S": -0.8},
    **{"W": -0.9, "Y": -1.3, "P": -1.6, "H": -3.2, "E": -3.5, "Q": -3.5, "D": -3.5, "N": -3.5, "K": -3.9, "R": -4.5},
}
"""Kyte and Doolittle, J Mol Biol 157:105 (1982)."""

CHARGE = {"K": 1, "R": 1, "D": -1, "E": -1}
"""Of side chains near pH 7; histidine counts as neutral, and so do the ends."""


def net_charge(sequences: Sequence[str]) -> NDArray[numpy.float64]:
    """Lysines and arginines less aspartates and glutamates of each sequence, elementary charges near pH 7."""
    return _sums(sequences, CHARGE)


def mean_hydropathy(sequences: Sequence[str]) -> NDArray[numpy.float64]:
    """Mean hydropathy of each sequence's residues (GRAVY; Kyte and Doolittle 1982), -4.5 to 4.5, higher is more hydrophobic."""
    return _sums(sequences, HYDROPATHY) / numpy.array([len(text) for text in sequences])


def _sums(sequences: Sequence[str], values: dict[str, float] | dict[str, int]) -> NDArray[numpy.float64]:
    return numpy.array([sum(values.get(letter, 0) for letter in text) for text in sequences], dtype=float)
