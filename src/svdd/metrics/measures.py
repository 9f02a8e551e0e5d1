"""Designs of runs, what is known of each, and rows of measures with intervals, whatever the designs are.

The kit of a domain (`svdd.metrics.Kit`) says what is measured of its designs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from svdd.chain.designs import DesignKind
from svdd.cost.batches import chunked, count, picked
from svdd.cost.ledger import Cost, metered
from svdd.decoding.result import Result
from svdd.metrics.columns import HELD_OUT, REWARD, Column, Measure
from svdd.metrics.intervals import Resamples, Statistic, cautions, interval, mean, quantile
from svdd.scoring.numbers import checked
from svdd.scoring.reward import Reward

Made = TypeVar("Made")
Chunks = Mapping[str, int]
MOST = 256
"""Designs of a run, the first, whose likelihood, held-out reward and distances are computed."""


@dataclass(frozen=True)
class Designs:
    """Designs of runs with the same settings, and what is known of each.

    Args:
        sequences: the designs as text, or their names.
        run: the run of each.
        chain: its chain within the run.
        reward: what guided; -inf where invalid.
        judge: what did not guide; NaN where it was not asked.
        elbo: nats a letter or symbol under the pretrained model; NaN where it was not computed.
        elbo_rows: network rows that `elbo` took.
        judge_rows: reward rows that `judge` took.
        notes: what was left out, and why.
        seeds: of each run.
        twins: further rewards that did not guide, by name: those of the other components of an objective.
        judged: the name of `judge`; empty without one.
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
    seeds: tuple[int, ...] = (0,)
    twins: Mapping[str, Float[ndarray, " n"]] = field(default_factory=dict)
    judged: str = ""

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
            seeds=tuple(part.seeds[0] for part in parts),
            twins={name: numpy.concatenate([part.twins[name] for part in parts]) for name in parts[0].twins},
            judged=parts[0].judged,
        )

    @property
    def first(self) -> list[int]:
        """The rows of the designs, the first of every run, that costly measures are taken of."""
        return self.leading(MOST)

    def leading(self, most: int) -> list[int]:
        """The rows of the designs, at most `most` of every run, the first."""
        place, rows = Counter[int](), []
        for row, run in enumerate(self.run):
            place[run] += 1
            rows += [row] if place[run] <= most else []
        return rows

    @property
    def clusters(self) -> tuple[list[int], list[int]]:
        """The seed and the chain of each design, which tell what two methods share."""
        return [self.seeds[run] for run in self.run], self.chain


@dataclass(frozen=True)
class Evaluation:
    """One row of a table of methods, what was left out of it, and the designs it is of."""

    row: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    designs: Designs | None = None


def scored(
    result: Result, judge: Reward | None = None, judged: str = "", chunks: Chunks | None = None, *, note: str = ""
) -> Designs:
    """The designs of a run with the rewards it has of them, and the held-out reward of the first.

    Args:
        result: designs; a score of it named `judged` is used as it is.
        judge: a reward that did not guide, asked unless the result has its score.
        judged: its name.
        chunks: rows at a time of `reward`.
        note: what is left out, and why.

    Cost:
        1 row of the judge for each of the first 256 designs, unless the result has the score.
    """
    held_out, rows = held_out_reward(result, judge, judged, chunks)
    text = isinstance(result.samples, list) and all(isinstance(sample, str) for sample in result.samples)
    return Designs(
        list(result.samples) if text else result.ids,
        [0] * len(result),
        result.chain,
        result.rewards.double().numpy(),
        held_out,
        numpy.full(len(result), numpy.nan),
        judge_rows=rows,
        notes=(note,) if note else (),
        seeds=(int(result.settings.get("seed", 0)),),
        judged=judged,
    )


def held_out_reward(
    result: Result, judge: Reward | None, judged: str, chunks: Chunks | None = None
) -> tuple[Float[ndarray, " n"], int]:
    """What a reward that did not guide says of the first designs of a run, NaN of the others; and the rows that it took.

    Args:
        result: of the run; a score of it named `judged` is used as it is.
        judge: the reward; None if it is not to be asked.
        judged: its name.
        chunks: rows at a time of `reward`.
    """
    asked, found = Cost(), numpy.full(len(result), numpy.nan)
    if judged in result.scores:
        found = result.scores[judged].double().numpy()
    elif judge is not None:
        first = picked(result.samples, range(min(MOST, len(result))))
        size = (chunks or {}).get("reward", 256)
        ask = chunked(metered(lambda s: checked(judge(s), s, count(s), f"judge {judged}"), asked), size)
        found[: count(first)] = ask(first).numpy()
    return found, asked.rows


@dataclass
class View:
    """Designs as the columns of a domain see them; a domain adds what several of its columns share.

    Args:
        designs: of one or more runs with the same settings.
        reference: natural designs, for what is compared with them; None without.
        kind: what the designs are.
        notes: what was left out, and why; columns add to them.
    """

    designs: Any
    reference: Any = None
    kind: Any = field(default_factory=DesignKind)
    notes: list[str] = field(default_factory=list)


def tabled(view: View, columns: Iterable[Column], draws: int = 1000) -> Evaluation:
    """A row: rewards and further measures, each with its bootstrap interval in columns `_low` and `_high`.

    Intervals are of 95 %, over chains, and over runs too where there are several. Measures that cannot be taken are NaN,
    and so are the bounds of what is measured of fewer than 8 chains.

    Args:
        view: the designs.
        columns: beyond the rewards.
        draws: resamples of the bootstrap.
    """
    designs = view.designs
    resamples = Resamples.of(designs.run, designs.chain, draws=draws)
    every = (*REWARDS, *map(_twin, designs.twins), *columns)
    measured = [(column, column.statistic(view)) for column in every if column.given(view)]
    view.notes += cautions(resamples.chains(range(len(designs.run))))
    row: dict[str, Any] = {}
    for column, measure in measured:
        row |= _cells(column, measure, resamples)
    return Evaluation(row, view.notes, designs)


def _cells(column: Column, measure: Measure, resamples: Resamples) -> dict[str, Any]:
    """A number, with its bounds where it is of a kind that has them."""
    if isinstance(measure, int | float):
        return {column.name: measure}
    found = (numpy.nan,) * 3 if measure is None else interval(measure, resamples, centred=column.centred)
    if column.centred:  # moving the interval must not take it beyond what a correlation can be
        found = found[0], max(found[1], -1.0), min(found[2], 1.0)
    return dict(zip((column.name, f"{column.name}_low", f"{column.name}_high"), found, strict=True))


def optional(make: Callable[[], Made], notes: list[str]) -> Made | None:
    """What a function makes, or None and a note where its extra is not installed."""
    try:
        return make()
    except ImportError as error:
        notes.append(str(error))
        return None


def distinct(designs: Designs, names: Sequence[str | None]) -> tuple[Statistic, Float[ndarray, " n"]]:
    """The share of different designs, and each design's share of one: 1 over how often it occurs.

    Args:
        designs: n of them.
        names: equal for equal designs; None for those that do not count.
    """
    counts = Counter(names)
    shares = numpy.array([numpy.nan if name is None else 1 / counts[name] for name in names])
    assert len(shares) == len(designs.run)
    return mean(shares), shares


def of_first(designs: Designs, measure: Callable[[list[str]], ArrayLike]) -> Statistic:
    """The mean of a costly measure, over the first designs of every run."""
    rows = designs.first
    values = numpy.full(len(designs.run), numpy.nan)
    values[rows] = measure([designs.sequences[row] for row in rows])
    return mean(values)


def between(rows: Sequence[int], distances: Float[ndarray, "m m"]) -> Statistic:
    """The mean distance of two different designs.

    Args:
        rows: m of the designs.
        distances: of every two of them.
    """

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        w = weights[:, list(rows)]
        pairs = w.sum(1) ** 2 - (w**2).sum(1)  # without those of a design with itself
        return numpy.divide((w @ distances * w).sum(1), pairs, out=numpy.full(len(w), numpy.nan), where=pairs > 0)

    return Statistic(statistic, rows)


def _columns_of(name: str, words: str, section: str, values: Callable[[Designs], Any]) -> tuple[Column, ...]:
    """Mean and quantiles of a reward."""

    def at(share: float) -> Callable[[View], Statistic]:
        return lambda view: quantile(values(view.designs), share)

    middle = Column(f"{name}_mean", f"mean {words}", section, lambda view: mean(values(view.designs)), better="higher")
    shares = {"q10": 0.1, "median": 0.5, "q90": 0.9}
    titles = {
        "q10": f"10 % quantile of the {words}",
        "median": f"median {words}",
        "q90": f"90 % quantile of the {words}",
    }
    return middle, *(
        Column(f"{name}_{q}", titles[q], section, at(share), better="higher") for q, share in shares.items()
    )


def _twin(name: str) -> Column:
    """The mean of a further reward that did not guide."""
    return Column(f"judge_{name}_mean", f"mean {name}", HELD_OUT, lambda view: mean(view.designs.twins[name]))


REWARDS = (
    Column("runs", "runs", REWARD, lambda view: len(set(view.designs.run))),
    Column("designs", "designs", REWARD, lambda view: len(view.designs.sequences)),
    Column(
        "valid", "share of valid designs", REWARD, lambda view: float(numpy.isfinite(view.designs.reward).mean()),
        better="higher",
    ),
    *_columns_of("reward", "guiding reward", REWARD, lambda designs: designs.reward),
    *_columns_of("judge", "held-out reward", HELD_OUT, lambda designs: designs.judge),
)  # fmt: skip
"""The columns of every evaluation."""
