"""What designs of molecules are worth: validity, diversity, novelty, likeness to known molecules, alerts, properties."""

from collections.abc import Callable, Mapping, Sequence

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
from svdd.metrics.intervals import Statistic, mean
from svdd.metrics.measures import Designs, Evaluation, Measure, between, distinct, optional, scored, tabled
from svdd.metrics.moments import TooFewForFrechetError, check_enough
from svdd.scoring.reward import Reward

PROPERTIES = ("qed", "sa", "logp", "weight")
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
    if process.about.get("name") != "molecule":
        note = "no likelihood bound: only the bundled model of molecules has one"
        return scored(result, judge, judged, chunks, note=note)
    from svdd.domains.molecule.model import elbo_per_symbol

    return bounded(scored(result, judge, judged, chunks), process, elbo_per_symbol, chunks)


def record_molecules(designs: Designs, reference: MoleculeReference | None = None, *, draws: int = 1000) -> Evaluation:
    """A row: every measure with its bootstrap interval, as `svdd.domains.sequence.measures.record`.

    The ChemNet distance has no interval, but beside it the distance that as many known molecules have from the rest. It is
    of the first 1,000 designs of each run, and not taken of fewer than 500 valid ones in all.

    Args:
        designs: of one or more runs with the same settings.
        reference: known molecules, for what is compared with them.
        draws: resamples of the bootstrap.

    Raises:
        ImportError: without RDKit; it names the extra.
    """
    notes = list(designs.notes)
    made = tabled(designs, _statistics(designs, reference), notes, draws)
    if reference:
        made.row.update(_chemnet(designs, reference, notes))
        notes += [reference.note] if reference.note else []
    return made


def _statistics(designs: Designs, reference: MoleculeReference | None) -> list[Measure]:
    names = [next(iter(chemistry.canonical([text])), None) for text in designs.sequences]
    prints, valid = chemistry.fingerprints(designs.sequences), numpy.array([name is not None for name in names])
    unique, share = distinct(designs, names)
    found: list[Measure] = [
        ("validity", mean(valid), False),
        ("elbo_per_symbol", mean(designs.elbo), False),
        ("diversity", _diversity(designs, prints, valid), False),
        ("unique", unique, False),
    ]
    if reference:
        near = numpy.where(valid, chemistry.nearest_of(prints, reference.neighbours), numpy.nan)
        known = reference.known
        if known is not None:
            new = numpy.array([name is None or chemistry.flat([name])[0] not in known for name in names])
            found.append(("novel", _ratio(new, share), False))
        found += [
            ("distant", _ratio(near < chemistry.NEW, share), False),
            ("nearest_similarity", mean(near), False),
            ("fragment_similarity", _cosine(designs.sequences, chemistry.fragments, reference.fragments), True),
            ("scaffold_similarity", _cosine(designs.sequences, chemistry.scaffolds, reference.scaffolds), True),
        ]
    table = property_table(designs.sequences)
    found.append(("pains", mean(_spread(chemistry.alerts(designs.sequences), valid)), False))
    return found + [(name, mean(table[name]), False) for name in PROPERTIES]


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


def _cosine(texts: Sequence[str], cut: Callable[[Sequence[str]], Mapping[str, int]], theirs: Pieces) -> Statistic:
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


def _chemnet(designs: Designs, reference: MoleculeReference, notes: list[str]) -> dict[str, float]:
    """The ChemNet distance of the first designs, and that of as many draws of the reference."""
    rows = designs.leading(CHEMNET_MOST)
    texts = [designs.sequences[row] for row in rows if chemistry.parsed(designs.sequences[row]) is not None]
    ours = None
    try:
        check_enough(min(len(texts), reference.activations.count))
        ours = optional(lambda: Activations.of(texts), notes)
    except TooFewForFrechetError as error:
        notes.append(f"no fcd: {error}")
    if ours is None:
        return {"fcd": numpy.nan, "fcd_floor": numpy.nan}
    notes.append(
        f"fcd is of {len(texts)} designs and falls with their number: as many of the reference itself have fcd_floor"
    )
    return {"fcd": frechet(ours, reference.activations), "fcd_floor": floor(reference.activations, len(texts))}
