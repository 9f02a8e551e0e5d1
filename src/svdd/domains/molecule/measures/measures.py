"""What designs of molecules are worth: validity, diversity, novelty, likeness to known molecules, alerts, properties."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy
from jaxtyping import Float
from numpy import ndarray

from svdd.chain.process import Process
from svdd.decoding.result import Result
from svdd.domains.molecule import chemistry
from svdd.domains.molecule.measures.chemnet import Activations, floor, frechet
from svdd.domains.molecule.measures.properties import property_table
from svdd.domains.molecule.measures.reference import MoleculeReference, Pieces
from svdd.domains.sequence.measures import bounded
from svdd.metrics.columns import COMPOSITION, DIVERSITY, NATURALNESS, Column
from svdd.metrics.intervals import Statistic, mean
from svdd.metrics.measures import Designs, View, between, distinct, optional, scored
from svdd.metrics.moments import TooFewForFrechetError, check_enough
from svdd.scoring.reward import Reward

Cut: TypeAlias = Callable[[Sequence[str]], Mapping[str, int]]
CHEMNET_MOST = 1000
"""Designs of a run, the first, whose ChemNet distance is taken."""


def measured_molecules(
    result: Result,
    process: Process,
    judge: Reward | None = None,
    judged: str = "",
    chunks: Mapping[str, int] | None = None,
) -> Designs:
    """The designs of one run, with their held-out reward and, for the bundled model, their likelihood bound.

    Arguments and cost as `svdd.domains.sequence.measures.measured`.
    """
    from svdd.domains.molecule.model import Lengths, elbo_per_symbol

    if not isinstance(process.prior, Lengths):
        note = "no likelihood bound: only the bundled model of molecules has one"
        return scored(result, judge, judged, chunks, note=note)
    return bounded(scored(result, judge, judged, chunks), process, elbo_per_symbol, chunks)


@dataclass
class MoleculeView(View):
    """Molecules as their columns see them."""

    @property
    def texts(self) -> list[str]:
        """The SMILES."""
        return list(self.designs.sequences)

    @cached_property
    def names(self) -> list[str | None]:
        """Canonical SMILES; None where a design is no molecule."""
        return [next(iter(chemistry.canonical([text])), None) for text in self.texts]

    @cached_property
    def valid(self) -> ndarray:
        """Which designs are molecules."""
        return numpy.array([name is not None for name in self.names])

    @cached_property
    def prints(self) -> ndarray:
        """Fingerprints."""
        return chemistry.fingerprints(self.texts)

    @cached_property
    def different(self) -> tuple[Statistic, Float[ndarray, " n"]]:
        """The share of different molecules, and each design's share of one."""
        return distinct(self.designs, self.names)

    @cached_property
    def similarity(self) -> Float[ndarray, " n"]:
        """To the nearest known molecule; NaN where a design is no molecule."""
        return numpy.where(self.valid, chemistry.nearest_of(self.prints, self.reference.neighbours), numpy.nan)

    @cached_property
    def properties(self) -> Any:
        """QED and the others."""
        return property_table(self.texts)

    @cached_property
    def chemnet(self) -> tuple[float, float]:
        """The ChemNet distance of the first designs, and that of as many draws of the reference; NaN if not to be had."""
        return _chemnet(self.designs, self.reference, self.notes)


def _novel(view: MoleculeView) -> Statistic:
    known = view.reference.known
    new = numpy.array([name is None or chemistry.flat([name])[0] not in known for name in view.names])
    return _ratio(new, view.different[1])


def _compared(view: MoleculeView) -> bool:
    return view.reference is not None


def _all_known(view: MoleculeView) -> bool:
    return view.reference is not None and view.reference.known is not None


def _floor(view: MoleculeView) -> float:
    found = view.chemnet[1]
    view.notes += [view.reference.note] if view.reference.note else []
    return found


def _pieces(what: str, cut: Cut) -> Column:
    """The column of the likeness of pieces, such as fragments, to those of known molecules."""
    return Column(
        f"{what}_similarity",
        f"likeness of {what}s to those of known molecules",
        NATURALNESS,
        lambda view: _cosine(view.texts, cut, getattr(view.reference, f"{what}s")),
        better="higher",
        given=_compared,
        centred=True,
    )


def _property(name: str, words: str, unit: str = "", better: str = "", price: bool = False) -> Column:
    return Column(name, words, COMPOSITION, lambda view: mean(view.properties[name]), unit, better, price=price)


COLUMNS = (
    Column("validity", "share of designs that are molecules", NATURALNESS, lambda view: mean(view.valid), better="higher",
           price=True),
    Column("elbo_per_symbol", "likelihood bound", NATURALNESS, lambda view: mean(view.designs.elbo), "nats per symbol",
           "higher", axis=True),
    Column("diversity", "mean Tanimoto distance of two designs' patterns", DIVERSITY,
           lambda view: _diversity(view.designs, view.prints, view.valid), better="higher", price=True),
    Column("unique", "share of different designs", DIVERSITY, lambda view: view.different[0], better="higher", price=True),
    Column("novel", "share of designs that are not known", DIVERSITY, _novel, better="higher", given=_all_known),
    Column("distant", f"share of designs with no known molecule of similarity {chemistry.NEW:g}", DIVERSITY,
           lambda view: _ratio(view.similarity < chemistry.NEW, view.different[1]), better="higher", given=_compared),
    Column("nearest_similarity", "similarity to the nearest known molecule", DIVERSITY, lambda view: mean(view.similarity),
           given=_compared),
    _pieces("fragment", chemistry.fragments),
    _pieces("scaffold", chemistry.scaffolds),
    Column("pains", "share of designs with PAINS alerts", NATURALNESS,
           lambda view: mean(_spread(chemistry.alerts(view.texts), view.valid)), better="lower", price=True),
    _property("qed", "drug-likeness QED", better="higher"),
    _property("sa", "SA score (1: easy to make)", better="lower", price=True),
    _property("logp", "logP"),
    _property("weight", "molecular weight", "Da"),
    Column("fcd", "Fréchet ChemNet distance to known molecules", NATURALNESS, lambda view: view.chemnet[0], better="lower",
           given=_compared, axis=True, price=True),
    Column("fcd_floor", "that distance of as many known molecules", NATURALNESS, _floor, given=_compared),
)  # fmt: skip


def _ratio(yes: ndarray, share: Float[ndarray, " n"]) -> Statistic:
    """The share of different designs of which something is true, from each design's share of one; NaN is left out."""
    known = numpy.isfinite(share)
    over, under = numpy.where(known & yes, share, 0.0), numpy.where(known, share, 0.0)

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        total = weights @ under
        return numpy.divide(weights @ over, total, out=numpy.full(len(weights), numpy.nan), where=total > 0)

    return Statistic(statistic, numpy.flatnonzero(known).tolist())


def _spread(values: ndarray, valid: ndarray) -> Float[ndarray, " n"]:
    """Values of the valid designs in the rows of all, NaN in the others."""
    found = numpy.full(len(valid), numpy.nan)
    found[valid] = values
    return found


def _diversity(designs: Designs, prints: ndarray, valid: ndarray) -> Statistic | None:
    rows = [row for row in designs.first if valid[row]]
    return between(rows, 1 - chemistry.tanimoto(prints[rows], prints[rows]).astype(float)) if len(rows) > 1 else None


def _cosine(texts: Sequence[str], cut: Cut, theirs: Pieces) -> Statistic:
    """Cosine of the counts of pieces with those of the reference."""
    each = [cut([text]) for text in texts]
    place = {name: column for column, name in enumerate(dict.fromkeys(name for counts in each for name in counts))}
    ours = numpy.zeros((len(texts), len(place)))
    for row, counts in enumerate(each):
        ours[row, [place[name] for name in counts]] = list(counts.values())
    known = numpy.array([theirs.counts.get(name, 0) for name in place], dtype=float)

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        counts = weights @ ours
        length = numpy.linalg.norm(counts, axis=1) * theirs.length
        return numpy.divide(counts @ known, length, out=numpy.full(len(counts), numpy.nan), where=length > 0)

    return Statistic(statistic, range(len(texts)))


def _chemnet(designs: Designs, reference: MoleculeReference, notes: list[str]) -> tuple[float, float]:
    rows = designs.leading(CHEMNET_MOST)
    texts = [designs.sequences[row] for row in rows if chemistry.parsed(designs.sequences[row]) is not None]
    ours = None
    try:
        check_enough(min(len(texts), reference.activations.count))
        ours = optional(lambda: Activations.of(texts), notes)
    except TooFewForFrechetError as error:
        notes.append(f"no fcd: {error}")
    if ours is None:
        return numpy.nan, numpy.nan
    notes.append(
        f"fcd is of {len(texts)} designs and falls with their number: as many of the reference itself have fcd_floor"
    )
    return frechet(ours, reference.activations), floor(reference.activations, len(texts))
