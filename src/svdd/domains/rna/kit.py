"""What RNA hands in to evaluations and reports: sequences, their start codons and how they fold."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import ClassVar

from jaxtyping import Float
from numpy import ndarray

from svdd.decoding.result import Result
from svdd.domains.rna.folding import minimum_free_energy
from svdd.domains.rna.measures import upstream_starts
from svdd.domains.sequence.kit import SequenceKit
from svdd.domains.sequence.measures import GC, LIKELIHOOD, VARIETY, WORDS_OF_NATURE, SequenceView
from svdd.metrics.columns import STRUCTURE, Column
from svdd.metrics.intervals import Statistic, mean
from svdd.metrics.kit import Figure
from svdd.metrics.measures import of_first, optional

DRAWN = 3
_FOLDS = "Minimum-free-energy folds of the best designs, by ViennaRNA; the first letter is filled."


def _energy_per_letter(texts: Sequence[str]) -> Float[ndarray, " n"]:
    return minimum_free_energy(texts)[1] / len(texts[0])


def _energy(view: SequenceView) -> Statistic | None:
    return optional(lambda: of_first(view.designs, _energy_per_letter), view.notes)


FOLDING = (
    Column("uaug", "share of designs with an upstream start codon", STRUCTURE,
           lambda view: mean(upstream_starts(view.texts) > 0)),
    Column("mfe_per_base", "minimum free energy", STRUCTURE, _energy, "kcal/mol per letter"),
)  # fmt: skip


class RnaKit(SequenceKit):
    """RNA."""

    columns = (LIKELIHOOD, *WORDS_OF_NATURE, *VARIETY, GC, *FOLDING)
    groups: ClassVar[Mapping[str, str]] = {"mrl": "most_active"}

    def figures(self, result: Result, baselines: Mapping[str, Result]) -> list[Figure]:
        """The folds of the best different designs, where ViennaRNA is installed."""
        from svdd.domains.rna.figures import structure_drawing
        from svdd.report.figures import figure

        frame = result.to_frame().query("valid").sort_values("reward", ascending=False, kind="stable")
        best = frame.drop_duplicates("sample").head(DRAWN)
        drawable = find_spec("RNA") is not None and len(best) > 0
        drawn = structure_drawing(best["sample"].tolist(), best["id"].tolist()) if drawable else None
        return figure("Secondary structure", _FOLDS, drawn, "broad")


KIT = RnaKit()
