"""What designs of sequences are worth: reward, held-out reward, naturalness, diversity, novelty, composition.

`measured` takes the designs of one run and asks the model and the judge about them, at a bounded cost that is counted by
itself. `record` makes one row of numbers with intervals from the designs of one or more runs with the same settings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy
from jaxtyping import Float
from numpy import ndarray

from svdd.accounting import Cost, chunked, metered
from svdd.alphabets import RNA, Alphabet
from svdd.metrics.folding import minimum_free_energy
from svdd.metrics.intervals import Statistic, bootstrap_weights, interval, mean, quantile
from svdd.metrics.references import Reference
from svdd.metrics.rna import upstream_starts
from svdd.metrics.sequences import (
    gc_fraction,
    kmer_counts,
    longest_homopolymer,
    nearest_edit_distance,
    pairwise_distances,
)
from svdd.models.masked import elbo_per_site
from svdd.process import Process
from svdd.result import Result
from svdd.values import Reward, checked

MOST = 256
"""Designs of a run, the first, whose likelihood, held-out reward and distances are computed."""
ELBO_SAMPLES = 8
"""Network rows a design for its likelihood bound."""
HOMOPOLYMER = 8


@dataclass(frozen=True)
class Designs:
    """Designs of runs with the same settings, and what is known of each.

    Args:
        sequences: of one length.
        run: the run of each.
        chain: its chain within the run.
        reward: what guided; -inf where invalid.
        judge: what did not guide; NaN where it was not asked.
        elbo: nats a letter under the pretrained model; NaN where it was not computed.
        elbo_rows: network rows that `elbo` took.
        judge_rows: reward rows that `judge` took.
        notes: what was left out, and why.
    """

    sequences: list[str]
    run: list[int]
    chain: list[int]
    reward: Float[ndarray, " n"]
    judge: Float[ndarray, " n"]
    elbo: Float[ndarray, " n"]
    elbo_rows: int = 0
    judge_rows: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def pooled(cls, parts: Sequence[Designs]) -> Designs:
        """The designs of several runs together, which are numbered anew."""

        def joined(name: str) -> Float[ndarray, " n"]:
            return numpy.concatenate([getattr(part, name) for part in parts])

        return cls(
            sequences=[sequence for part in parts for sequence in part.sequences],
            run=[number for number, part in enumerate(parts) for _ in part.run],
            chain=[chain for part in parts for chain in part.chain],
            reward=joined("reward"),
            judge=joined("judge"),
            elbo=joined("elbo"),
            elbo_rows=sum(part.elbo_rows for part in parts),
            judge_rows=sum(part.judge_rows for part in parts),
            notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        )


@dataclass(frozen=True)
class Evaluation:
    """One row of a table of methods, what was left out of it, and the designs it is of."""

    row: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    designs: Designs | None = None


def has_alphabet(about: Mapping[str, Any]) -> bool:
    """Whether a model makes sequences over letters that it names."""
    return isinstance(about.get("alphabet"), str) and len(about["alphabet"]) > 1


def has_bound(process: Process) -> bool:
    """Whether `elbo_per_site` holds for a model: masked sequences of one length, a network that ignores time."""
    return process.time_independent and {"alphabet", "mask", "length"} <= process.about.keys()


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
    network, asked, rows = Cost(), Cost(), chunks or {}
    unknown, first, notes = numpy.full(len(result), numpy.nan), result.samples[:MOST], []
    elbo, held_out = unknown.copy(), unknown.copy()
    if has_bound(process):
        size = rows.get("network", 256)
        denoiser = chunked(metered(process.denoiser, network, process.rows_each), size)
        bound = elbo_per_site(replace(process, denoiser=denoiser), first, samples=ELBO_SAMPLES, rows=size)
        elbo[: len(first)] = bound.numpy()
    else:
        notes.append("no likelihood bound: it needs a masked sequence model whose network ignores time")
    if judged in result.scores:
        held_out = result.scores[judged].double().numpy()
    elif judge is not None:
        ask = chunked(
            metered(lambda s: checked(judge(s), s, len(s), f"judge {judged}"), asked), rows.get("reward", 256)
        )
        held_out[: len(first)] = ask(first).numpy()
    reward = result.rewards.double().numpy()
    same_run = [0] * len(result)
    return Designs(
        list(result.samples), same_run, result.chain, reward, held_out, elbo, network.rows, asked.rows, tuple(notes)
    )


def scored(result: Result, judged: str = "") -> Designs:
    """The designs of a run of any kind with the rewards it has of them, `judged` among its scores; nothing is asked."""
    reward, unknown = result.rewards.double().numpy(), numpy.full(len(result), numpy.nan)
    judge = result.scores[judged].double().numpy() if judged in result.scores else unknown
    note = "no naturalness and no diversity: the model names no alphabet"
    return Designs(result.ids, [0] * len(result), result.chain, reward, judge, unknown, notes=(note,))


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
    weights = bootstrap_weights(designs.run, designs.chain, draws=draws)
    valid = numpy.isfinite(designs.reward)
    row: dict[str, Any] = {
        "runs": len(set(designs.run)), "designs": len(designs.sequences), "valid": float(valid.mean()),
    }  # fmt: skip
    notes = list(designs.notes)
    for name, statistic, centred in _statistics(designs, reference, alphabet, notes):
        found = (numpy.nan,) * 3 if statistic is None else interval(statistic, weights, centred=centred)
        if centred:  # moving the interval must not take it beyond what a correlation can be
            found = found[0], max(found[1], -1.0), min(found[2], 1.0)
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))
    return Evaluation(row, notes, designs)


_Measure = tuple[str, Statistic | None, bool]


def _statistics(designs: Designs, reference: Reference | None, alphabet: str, notes: list[str]) -> list[_Measure]:
    """Name, statistic (None where it cannot be taken) and whether its interval is centred."""

    def optional(make: Callable[[], Statistic | None]) -> Statistic | None:
        try:
            return make()
        except ImportError as error:
            notes.append(str(error))
            return None

    words = reference.words if reference else {}
    texts = designs.sequences
    found: list[_Measure] = [*_rewards("reward", designs.reward), *_rewards("judge", designs.judge)]
    if not alphabet:
        return found
    found.append(("elbo_per_base", mean(designs.elbo), False))
    found += [
        (f"correlation_{k}mer", _word_correlation(texts, counts, k, alphabet), True) for k, counts in words.items()
    ]
    if reference and reference.motifs:
        found.append(("correlation_motif", optional(lambda: _motif_correlation(texts, reference)), True))
    found.append(("diversity", optional(lambda: _diversity(designs)), False))
    found.append(("unique", mean([1 / count for count in map(Counter(texts).__getitem__, texts)]), False))
    if reference and reference.sequences:
        known = set(reference.sequences)
        found.append(("novel", mean([text not in known for text in texts]), False))
        found.append(("nearest_distance", optional(lambda: _nearest(designs, reference.sequences)), False))
    found.append(("homopolymer", mean(longest_homopolymer(texts) >= HOMOPOLYMER), False))
    if {"G", "C"} <= set(alphabet):
        found.append(("gc", mean(gc_fraction(texts)), False))
    if alphabet == RNA.letters:
        found.append(("uaug", mean(upstream_starts(texts) > 0), False))
        found.append(("mfe_per_base", optional(lambda: _folding(designs)), False))
    return found


def _rewards(name: str, values: Float[ndarray, " n"]) -> list[_Measure]:
    shares = {"q10": 0.1, "median": 0.5, "q90": 0.9}
    middle: _Measure = (f"{name}_mean", mean(values), False)
    return [middle, *((f"{name}_{title}", quantile(values, share), False) for title, share in shares.items())]


def _word_correlation(texts: Sequence[str], natural: ndarray, k: int, alphabet: str) -> Statistic | None:
    """Pearson correlation of word frequencies with natural ones; None where there are fewer words than kinds of words."""
    counts = numpy.stack([kmer_counts([text], k, alphabet=alphabet) for text in texts]).astype(float)
    if counts.sum() < len(natural):
        return None
    theirs = natural - natural.mean()

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        ours = weights @ counts
        ours -= ours.mean(1, keepdims=True)
        length = numpy.linalg.norm(ours, axis=1) * numpy.linalg.norm(theirs)
        return numpy.divide(ours @ theirs, length, out=numpy.full(len(ours), numpy.nan), where=length > 0)

    return statistic


def _motif_correlation(texts: Sequence[str], reference: Reference) -> Statistic:
    from svdd.metrics.motifs import jaspar_matrices, motif_hits, rank_correlation

    hits = motif_hits(texts, jaspar_matrices(reference.motifs))
    theirs = numpy.array([reference.hits[name] for name in reference.motifs])
    return lambda weights: numpy.array([rank_correlation(ours, theirs) for ours in weights @ hits])


def _first(designs: Designs) -> list[int]:
    """The rows of the designs, the first of every run, that costly measures are taken of."""
    place, rows = Counter[int](), []
    for row, run in enumerate(designs.run):
        place[run] += 1
        rows += [row] if place[run] <= MOST else []
    return rows


def _diversity(designs: Designs) -> Statistic | None:
    """Mean edit distance of two different designs."""
    rows = _first(designs)
    if len(rows) < 2:
        return None
    distances = pairwise_distances([designs.sequences[row] for row in rows]).astype(float)

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        w = weights[:, rows]
        pairs = w.sum(1) ** 2 - (w**2).sum(1)  # without those of a design with itself
        return numpy.divide((w @ distances * w).sum(1), pairs, out=numpy.full(len(w), numpy.nan), where=pairs > 0)

    return statistic


def _nearest(designs: Designs, natural: Sequence[str]) -> Statistic:
    return _of_first(designs, lambda texts: nearest_edit_distance(texts, natural))


def _folding(designs: Designs) -> Statistic:
    return _of_first(designs, lambda texts: minimum_free_energy(texts)[1] / len(texts[0]))


def _of_first(designs: Designs, measure: Callable[[list[str]], ndarray]) -> Statistic:
    """The mean of a costly measure."""
    rows = _first(designs)
    values = numpy.full(len(designs.run), numpy.nan)
    values[rows] = measure([designs.sequences[row] for row in rows])
    return mean(values)
