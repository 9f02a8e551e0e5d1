"""Statistics of sets of 5' untranslated regions: upstream start codons, composition and structure."""

from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

from svdd.domains.rna.folding import as_rna, minimum_free_energy, vienna
from svdd.domains.sequence.distances import gc_fraction


def upstream_starts(sequences: Sequence[str]) -> NDArray[numpy.int64]:
    """Number of AUG in each sequence, in any frame: start codons before the real one, which follows the sequence."""
    return numpy.array([text.count("AUG") for text in as_rna(sequences)], dtype=numpy.int64)


def rna_summary(sequences: Sequence[str]) -> dict[str, float]:
    """Means over a set of 5'UTRs.

    Args:
        sequences: RNA, T counting as U; lengths may differ.

    Returns:
        `uaug_rate`, the share of sequences with an AUG; `uaug_mean`, AUG a sequence; `gc`, the share of G and C; and,
        where ViennaRNA is installed, `mfe_mean`, the minimum free energy in kcal/mol, and `mfe_per_base`.

    Raises:
        ValueError: If there are no sequences, or one is empty or has a foreign letter.
    """
    texts = as_rna(sequences)
    starts = upstream_starts(texts)
    summary = {
        "uaug_rate": float((starts > 0).mean()),
        "uaug_mean": float(starts.mean()),
        "gc": float(gc_fraction(texts).mean()),
    }
    try:
        vienna()
    except ImportError:
        return summary
    energy = minimum_free_energy(texts)[1]
    lengths = numpy.array([len(text) for text in texts])
    return summary | {"mfe_mean": float(energy.mean()), "mfe_per_base": float((energy / lengths).mean())}
