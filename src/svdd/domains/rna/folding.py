"""Secondary structure of RNA by ViennaRNA, at 37 degrees with its default (Turner 2004) parameters.

Every fold carries its own model details, since ViennaRNA's defaults are global to the process and others may change them.

References:
    Lorenz et al., ViennaRNA Package 2.0, Algorithms for Molecular Biology 6:26, 2011.
"""

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from svdd.domains.sequence.alphabets import RNA
from svdd.messages import needs


def vienna() -> Any:
    """The module of ViennaRNA.

    Raises:
        ImportError: If it is not installed; the sentence names the extra.
    """
    try:
        import RNA as module
    except ImportError:
        raise ImportError(needs("RNA structure", "ViennaRNA", "rna"), name="RNA") from None
    return module


def as_rna(sequences: Sequence[str]) -> list[str]:
    """The same sequences in upper-case A C G U.

    Raises:
        ValueError: For one string in place of a list, no sequences, an empty one or a foreign letter.
    """
    RNA.check(sequences)
    return [text.upper().replace("T", "U") for text in sequences]


def minimum_free_energy(sequences: Sequence[str]) -> tuple[list[str], NDArray[numpy.float64]]:
    """The structure of least free energy of each sequence in dot-bracket notation, and that energy in kcal/mol, at most 0.

    Cost: 0.6 ms for 50 letters, growing with the cube of the length; one core.
    """
    folds = [fold.mfe() for fold in _folds(sequences)]
    return [structure for structure, _ in folds], numpy.array([energy for _, energy in folds])


def ensemble_energy(sequences: Sequence[str]) -> NDArray[numpy.float64]:
    """Free energy -RT log Z of all structures together, kcal/mol, at most 0 and below the minimum free energy."""
    # rounding lifts a chain that cannot pair above 0
    return numpy.array([min(fold.pf()[1], 0.0) for fold in _folds(sequences)])


def pairing(sequences: Sequence[str]) -> list[NDArray[numpy.float64]]:
    """Probability that letters i and j of a sequence pair, a symmetric (L, L) matrix each."""
    matrices = []
    for fold in _folds(sequences):
        fold.pf()
        upper = numpy.array(fold.bpp())[1:, 1:]
        matrices.append(upper + upper.T)
    return matrices


def unpaired(sequences: Sequence[str]) -> list[NDArray[numpy.float64]]:
    """Probability that each letter of a sequence is unpaired, between 0 and 1."""
    return [1 - matrix.sum(axis=1) for matrix in pairing(sequences)]


def _folds(sequences: Sequence[str]) -> list[Any]:
    module, texts = vienna(), as_rna(sequences)
    details = module.md()
    details.temperature = 37.0
    return [module.fold_compound(text, details) for text in texts]
