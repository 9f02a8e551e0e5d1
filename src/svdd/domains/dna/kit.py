"""What DNA hands in to evaluations and reports: sequences, their GC content and their motifs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy
from jaxtyping import Float
from numpy import ndarray

from svdd.domains.dna.motifs import ENHANCER_MOTIFS, jaspar_matrices, motif_hits
from svdd.domains.sequence.kit import SequenceKit
from svdd.domains.sequence.measures import GC, LIKELIHOOD, VARIETY, WORDS_OF_NATURE, SequenceView
from svdd.domains.sequence.references import Reference
from svdd.method.diagnostics import rank_correlation
from svdd.metrics.columns import NATURALNESS, Column
from svdd.metrics.intervals import Statistic
from svdd.metrics.measures import optional


def motif_correlation(view: SequenceView) -> Statistic:
    """Rank correlation of mean motif hits with those of the reference."""
    reference = view.reference
    hits = motif_hits(view.texts, jaspar_matrices(reference.motifs))
    theirs = numpy.array([reference.hits[name] for name in reference.motifs])

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        return numpy.array([rank_correlation(ours, theirs) for ours in weights @ hits])

    return Statistic(statistic, range(len(view.texts)))


MOTIFS = Column(
    "correlation_motif", "correlation of motif hits with natural ones", NATURALNESS,
    lambda view: optional(lambda: motif_correlation(view), view.notes), better="higher",
    given=lambda view: bool(view.reference and view.reference.motifs), centred=True,
)  # fmt: skip


class DnaKit(SequenceKit):
    """DNA."""

    columns = (LIKELIHOOD, *WORDS_OF_NATURE, MOTIFS, *VARIETY, GC)
    groups: ClassVar[Mapping[str, str]] = {"hepg2": "active_hepg2"}

    def natural(self, name: str, sequences: list[str], letters: str) -> Reference:
        """With motif hits, where the extra is installed."""
        made = replace(super().natural(name, sequences, letters), motifs=ENHANCER_MOTIFS)
        means = optional(lambda: motif_hits(sequences).mean(axis=0).tolist(), [])  # told where the designs are measured
        return replace(made, hits=dict(zip(ENHANCER_MOTIFS, means, strict=True)) if means else {})


KIT = DnaKit()
