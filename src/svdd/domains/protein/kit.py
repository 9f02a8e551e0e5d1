"""What proteins hand in to evaluations and reports: sequences, how like natural ones they are, and what they are made of."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy
from jaxtyping import Float
from numpy import ndarray

from svdd.chain.designs import DesignKind
from svdd.decoding.result import Result
from svdd.domains.protein.alignments import nearest_identity
from svdd.domains.protein.finished import change_figures, finish_with_structures
from svdd.domains.protein.inverse_folding.designs import BackboneKind, recovery
from svdd.domains.protein.measures import mean_hydropathy, net_charge
from svdd.domains.sequence.designs import SequenceKind
from svdd.domains.sequence.distances import kmer_counts
from svdd.domains.sequence.fasta import of_file
from svdd.domains.sequence.kit import SequenceKit
from svdd.domains.sequence.measures import LIKELIHOOD, VARIETY, SequenceView, word_column
from svdd.domains.sequence.references import Reference
from svdd.metrics.columns import COMPOSITION, DIVERSITY, HELD_OUT, NATURALNESS, Column
from svdd.metrics.intervals import Statistic, mean
from svdd.metrics.kit import Figure, Finish
from svdd.metrics.measures import of_first, optional

NOVEL = 0.7
"""Identity below which a design counts as unlike a natural one."""
STABLE, JUDGE = 1.0, "miniprotein-stability-judge"
"""The score from which on the assay's paper calls a design stable, and the judge that predicts it."""


def composition_divergence(view: SequenceView) -> Statistic:
    r"""Kullback-Leibler divergence of the composition from that of the reference, in nats.

    $\sum_a p_a \log(p_a / q_a)$ over the twenty amino acids a, with p of the designs and q of the reference, in which each
    amino acid is counted once more than it occurs.
    """
    letters = view.kind.alphabet.letters
    counts = numpy.stack([kmer_counts([text], 1, alphabet=letters) for text in view.texts]).astype(float)
    theirs = view.words(1) + 1.0
    theirs /= theirs.sum()

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        ours = weights @ counts
        ours /= ours.sum(1, keepdims=True)
        ratio = numpy.log(ours / theirs, out=numpy.zeros_like(ours), where=ours > 0)
        return (ours * ratio).sum(1)

    return Statistic(statistic, range(len(view.texts)))


@dataclass
class ProteinView(SequenceView):
    """Proteins as their columns see them."""

    @cached_property
    def identities(self) -> Float[ndarray, " m"]:
        """Identity of the first designs to the nearest natural one."""
        return nearest_identity([self.texts[row] for row in self.designs.first], self.natural)


def _identity(view: ProteinView) -> Statistic | None:
    return optional(lambda: of_first(view.designs, lambda _: view.identities), view.notes)


def _novel(view: ProteinView) -> Statistic | None:
    return optional(lambda: of_first(view.designs, lambda _: view.identities < NOVEL), view.notes)


def _stable(view: ProteinView) -> Statistic:
    judged = view.designs.judge
    return mean(numpy.where(numpy.isnan(judged), numpy.nan, judged >= STABLE))


def _native(view: SequenceView) -> str:
    return view.kind.native if isinstance(view.kind, BackboneKind) else ""


def _upper(kind: SequenceKind, sequences: list[str]) -> list[str]:
    kind.alphabet.check(sequences)
    return [text.upper() for text in sequences]


RECOVERY = Column("recovery", "share of native letters", NATURALNESS,
                  lambda view: mean([recovery(text, _native(view)) for text in view.texts]),
                  given=lambda view: bool(_native(view).strip("X")))  # fmt: skip
NOVELTY = (
    Column("nearest_identity", "identity to the nearest natural one", DIVERSITY, _identity,
           given=lambda view: bool(view.natural)),
    Column("unlike_natural", f"share of designs below {NOVEL:.0%} identity to all natural ones", DIVERSITY, _novel,
           better="higher", given=lambda view: bool(view.natural)),
)  # fmt: skip
PREDICTED_STABLE = Column("predicted_stable", "share predicted stable by the judge", HELD_OUT, _stable, better="higher",
                          given=lambda view: view.designs.judged == JUDGE)  # fmt: skip
MAKE_UP = (
    Column("composition_divergence", "divergence of the composition from the natural one", NATURALNESS,
           composition_divergence, "nats", "lower", given=lambda view: view.words(1) is not None),
    Column("charge", "net charge near pH 7", COMPOSITION, lambda view: mean(net_charge(view.texts)), "e"),
    Column("hydropathy", "mean hydropathy", COMPOSITION, lambda view: mean(mean_hydropathy(view.texts))),
    Column("cysteine", "share of designs with cysteine", COMPOSITION,
           lambda view: mean(["C" in text for text in view.texts])),
)  # fmt: skip


class ProteinKit(SequenceKit):
    """Proteins."""

    words = (1, 2, 3)
    columns = (
        PREDICTED_STABLE,
        LIKELIHOOD,
        word_column(2),
        word_column(3, price=True),
        *VARIETY,
        RECOVERY,
        *NOVELTY,
        *MAKE_UP,
    )
    view = ProteinView
    groups: ClassVar[Mapping[str, str]] = {"miniprotein-stability": "stable"}
    agree = (
        "How much the designs agree at each site, 4.3 bits where all have the same residue; colours are by chemistry."
    )

    def kind(self, facts: Mapping[str, Any]) -> DesignKind:
        """Of a backbone, where the model has one."""
        return BackboneKind.of_facts(facts) if "native" in facts else super().kind(facts)

    def reference_of(self, path: Path, kind: DesignKind) -> Reference:
        """The sequences of a FASTA file, of any lengths.

        Raises:
            ValueError: for a letter that is none of the twenty.
        """
        assert isinstance(kind, SequenceKind), "the model makes sequences"
        sequences = of_file(path, partial(_upper, kind))
        return self.natural(path.name, sequences, kind.alphabet.letters)

    def figures(self, result: Result, baselines: Mapping[str, Result]) -> list[Figure]:
        """What designs change of the backbone that they are for."""
        return change_figures(result)

    def finish(self, result: Result, reward: Any, folder: Path, tell: Callable[[str], None]) -> Finish:
        """The structures of the best designs: on their backbone, and predicted where a reward folds."""
        return finish_with_structures(result, reward, folder, tell)

    def logo(self, designs: list[str]) -> str | None:
        """With the twenty amino acids."""
        from svdd.domains.sequence.figures import RESIDUES, sequence_logo

        return sequence_logo(designs, RESIDUES, bits=math.log2(len(RESIDUES)))


KIT = ProteinKit()
