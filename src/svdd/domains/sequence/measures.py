"""What designs of sequences are worth: reward, held-out reward, naturalness, diversity, novelty, composition.

`measured` takes the designs of one run and asks the model and the judge about them, at a bounded cost that is counted by
itself. `record` makes one row of numbers with intervals from the designs of one or more runs with the same settings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy
from jaxtyping import Float
from numpy import ndarray

from svdd.chain.process import Process
from svdd.cost.batches import chunked
from svdd.cost.ledger import Cost, metered
from svdd.decoding.result import Result
from svdd.domains.rna.folding import minimum_free_energy
from svdd.domains.rna.measures import upstream_starts
from svdd.domains.sequence import distances
from svdd.domains.sequence.alphabets import RNA, Alphabet
from svdd.domains.sequence.masked import NoLikelihoodBoundError, elbo_per_site
from svdd.domains.sequence.references import Reference
from svdd.metrics import measures
from svdd.metrics.intervals import Statistic, mean
from svdd.metrics.measures import Designs, Evaluation, Measure, between, distinct, of_first, optional, scored, tabled
from svdd.scoring.reward import Reward

ELBO_SAMPLES = 8
"""Network rows a design for its likelihood bound."""
HOMOPOLYMER = 8


def has_alphabet(about: Mapping[str, Any]) -> bool:
    """Whether a model makes sequences over letters that it names."""
    return isinstance(about.get("alphabet"), str) and len(about["alphabet"]) > 1


def measured(
    result: Result,
    process: Process,
    judge: Reward | None = None,
    judged: str = "",
    chunks: Mapping[str, int] | None = None,
) -> Designs:
    """The designs of one run, with their likelihood bound and held-out reward.

    Args:
        result: sequences; a score of it named `judged` is used as it is.
        process: the pretrained model.
        judge: a reward that did not guide.
        judged: its name.
        chunks: rows at a time of `network` and `reward`.

    Raises:
        ValueError: for a letter that is not in the model's alphabet, or sequences of several lengths.

    Cost:
        8 network rows and, unless the result has the score, 1 row of the judge for each of the first 256 designs.
    """
    Alphabet(process.about["alphabet"]).encode(result.samples)
    designs = scored(result, judge, judged, chunks)
    try:
        return bounded(designs, process, elbo_per_site, chunks)
    except NoLikelihoodBoundError as error:
        return replace(designs, notes=(*designs.notes, f"no likelihood bound: {error}"))


def bounded(designs: Designs, process: Process, bound: Any, chunks: Mapping[str, int] | None = None) -> Designs:
    """Designs with a likelihood bound of the first of them.

    Args:
        designs: of one run.
        process: the pretrained model.
        bound: `elbo_per_site` or another of its kind.
        chunks: rows at a time of `network`.
    """
    network, size = Cost(), (chunks or {}).get("network", 256)
    denoiser = chunked(metered(process.denoiser, network, process.rows_each), size)
    first, found = designs.sequences[: measures.MOST], designs.elbo.copy()
    answer = bound(replace(process, denoiser=denoiser), first, samples=ELBO_SAMPLES, rows=size)
    found[: len(first)] = answer.numpy()
    return replace(designs, elbo=found, elbo_rows=network.rows)


def record(
    designs: Designs, reference: Reference | None = None, alphabet: str = "ACGT", *, draws: int = 1000
) -> Evaluation:
    """A row: every measure with its bootstrap interval in columns `_low` and `_high`.

    Intervals are of 95 %, over chains, and over runs too where there are several. Measures that cannot be taken are NaN.

    Args:
        designs: of one or more runs with the same settings.
        reference: natural sequences, for what is compared with them.
        alphabet: letters of the sequences; where it is empty, only rewards are measured.
        draws: resamples of the bootstrap.
    """
    notes = list(designs.notes)
    found = _statistics(designs, reference, alphabet, notes) if alphabet else []
    return tabled(designs, found, notes, draws)


def _statistics(designs: Designs, reference: Reference | None, alphabet: str, notes: list[str]) -> list[Measure]:
    words = reference.words if reference else {}
    texts = designs.sequences
    found: list[Measure] = [("elbo_per_base", mean(designs.elbo), False)]
    for k, counts in words.items():
        found.append((f"correlation_{k}mer", word_correlation(texts, counts, k, alphabet), True))
    if reference and reference.motifs:
        found.append(("correlation_motif", optional(lambda: _motif_correlation(texts, reference), notes), True))
    found.append(("diversity", optional(lambda: diversity_of(designs), notes), False))
    found.append(("unique", distinct(designs, texts)[0], False))
    if reference and reference.sequences:
        known, natural = set(reference.sequences), reference.sequences
        found.append(("novel", mean([text not in known for text in texts]), False))
        near = optional(lambda: of_first(designs, lambda first: distances.nearest_edit_distance(first, natural)), notes)
        found.append(("nearest_distance", near, False))
    found.append(("homopolymer", mean(distances.longest_homopolymer(texts) >= HOMOPOLYMER), False))
    if {"G", "C"} <= set(alphabet):
        found.append(("gc", mean(distances.gc_fraction(texts)), False))
    if alphabet == RNA.letters:
        found.append(("uaug", mean(upstream_starts(texts) > 0), False))
        found.append(("mfe_per_base", optional(lambda: of_first(designs, _energy_a_letter), notes), False))
    return found


def diversity_of(designs: Designs) -> Statistic | None:
    """Mean edit distance of two different designs."""
    rows = designs.first
    if len(rows) < 2:
        return None
    return between(rows, distances.pairwise_distances([designs.sequences[row] for row in rows]).astype(float))


def _energy_a_letter(texts: Sequence[str]) -> Float[ndarray, " n"]:
    return minimum_free_energy(texts)[1] / len(texts[0])


def word_correlation(texts: Sequence[str], natural: ndarray, k: int, alphabet: str) -> Statistic | None:
    """Pearson correlation of word frequencies with natural ones; None where there are fewer words than kinds of words."""
    counts = numpy.stack([distances.kmer_counts([text], k, alphabet=alphabet) for text in texts]).astype(float)
    if counts.sum() < len(natural):
        return None
    theirs = natural - natural.mean()

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        ours = weights @ counts
        ours -= ours.mean(1, keepdims=True)
        length = numpy.linalg.norm(ours, axis=1) * numpy.linalg.norm(theirs)
        return numpy.divide(ours @ theirs, length, out=numpy.full(len(ours), numpy.nan), where=length > 0)

    return Statistic(statistic, range(len(texts)))


def _motif_correlation(texts: Sequence[str], reference: Reference) -> Statistic:
    from svdd.domains.sequence.motifs import jaspar_matrices, motif_hits, rank_correlation

    hits = motif_hits(texts, jaspar_matrices(reference.motifs))
    theirs = numpy.array([reference.hits[name] for name in reference.motifs])

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        return numpy.array([rank_correlation(ours, theirs) for ours in weights @ hits])

    return Statistic(statistic, range(len(texts)))
