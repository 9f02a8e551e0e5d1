r"""Hedges: what a judge is expected to say of tilted designs and of the best of N, from one pool of designs.

A pool of designs with a guide r and a judge g, which did not guide, is weighted anew; nothing is decoded for it:

$$E_a[g] = \sum_i W_i g_i, \quad W_i \propto e^{r_i / a}, \qquad \frac{d\,E_a[g]}{d(1/a)} = \mathrm{Cov}_a(r, g)$$

So the judge is highest where the weighted covariance falls through zero: below that temperature the guide rises while the
judge falls. Of N designs that are drawn from n without replacement the best has rank i, the lowest first, with probability
$\binom{i-1}{N-1} / \binom{n}{N}$; designs of equal reward share what their ranks have. An invalid design has no weight at any
temperature, and ranks lowest among N; the best of N is asked about where one of them is valid.

A law is reliable while $ESS = 1 / \sum W_i^2$ is at least 8, so that also $KL(W \| \text{uniform}) \le \log m - 2$ of m valid
designs: beyond it a few designs have all the weight, and what the pool lacks has none. Intervals are too narrow there. Designs
that are equal by the guide are one level here.

References:
    Khalaf et al., arXiv:2506.19248, for a judge that chooses how far a guide is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy
from jaxtyping import Bool, Float, Int64
from numpy import ndarray

from svdd.metrics.intervals import Bounds, Resamples, bounds

FEWEST = 16
"""Valid designs below which nothing is told: log 16 - 2 is less than one nat."""
LEAST_ESS = 8.0
"""Designs that must count by weight; more than e squared."""
_TOLD, _BEYOND, _SIZES, _FINE, _HALVINGS = 24, 6, 40, 160, 60
_BEYOND_ESS = 3.0
_DRAWS, _NUMBERS = (100, 1000), 1_000_000
"""Fewest and most resamples, and the numbers that all of them may hold together."""

Place = Literal["first", "inside", "last"]
"""Of the best law among reliable ones: the pool as it is, the last one, or one beyond which the judge falls."""


class HedgeError(ValueError):
    """A pool from which no temperature can be told."""


@dataclass(frozen=True)
class Point:
    """A law, and what it comes to.

    Args:
        at: its temperature, infinite for the pool as it is; or N.
        judge: expected, with its 95 % interval.
        guide: expected.
        covariance: of guide and judge under it.
        kl: nats from the valid designs of the pool.
        ess: designs that count by weight.
        reliable: whether `ess` is at least 8.
    """

    at: float | int
    judge: Bounds
    guide: float
    covariance: float
    kl: float
    ess: float
    reliable: bool


@dataclass(frozen=True)
class Curve:
    """Laws of one kind, from the pool as it is to those that follow the guide too far to be told.

    Args:
        points: in this order; the first is the pool.
        best: the reliable law with the highest expected judge.
        place: of the best.
        gain: how much higher the expected judge is there than in the pool, with its 95 % interval.
        fall: how much higher it is there than at the last reliable law, with its 95 % interval.
    """

    points: Sequence[Point]
    best: Point
    place: Place
    gain: Bounds
    fall: Bounds

    @property
    def limit(self) -> Point:
        """The last reliable law."""
        return [point for point in self.points if point.reliable][-1]


def judged(guide: Float[ndarray, " n"], judge: Float[ndarray, " n"]) -> Bool[ndarray, " n"]:
    """The designs that a pool can hold: those that the judge has a number for, and invalid ones, which it is not asked for."""
    return numpy.isneginf(guide) | numpy.isfinite(judge)


class Law(NamedTuple):
    """A law of designs of the pool.

    Args:
        mass: of each level, in the pool itself.
        judge: expected, in the pool itself and in every resample.
    """

    mass: Float[ndarray, " l"]
    judge: Float[ndarray, " k"]


class Pool:
    """Designs by the levels of their guide, in the pool itself (row 0) and in bootstrap resamples of its chains.

    Args:
        guide: (n,), -inf where invalid.
        judge: (n,); of a valid design a finite number.
        chain: (n,), of each design.

    Raises:
        HedgeError: for fewer than 16 valid designs, and where guide or judge says the same of all of them.
    """

    def __init__(self, guide: Float[ndarray, " n"], judge: Float[ndarray, " n"], chain: Sequence[int]) -> None:
        valid = numpy.isfinite(guide)
        _check_pool(guide[valid], judge[valid])
        resamples = Resamples.of([0] * len(guide), chain, draws=_draws(len(guide)))
        order = numpy.flatnonzero(valid)[numpy.argsort(guide[valid], kind="stable")]
        self.levels, starts = numpy.unique(guide[order], return_index=True)
        self.chains, weights = resamples.chains(order.tolist()), resamples.weights[:, order]
        self.counts = numpy.add.reduceat(weights, starts, axis=1)
        self.sums = numpy.add.reduceat(weights * judge[order], starts, axis=1)
        invalid = resamples.weights[:, ~valid].sum(1, keepdims=True)
        self.below = numpy.concatenate([invalid, invalid + self.counts.cumsum(1)], 1).astype(int)
        self.valid, self.size = int(valid.sum()), len(guide)

    def tilted(self, inverse: float) -> Law:
        r"""$W \propto e^{r \cdot inverse}$, where `inverse` is 1 / temperature, 0 for the pool as it is."""
        tilt = numpy.exp(inverse * (self.levels - self.levels[-1]))
        return Law(self.mass_at(inverse), _over(self.sums @ tilt, self.counts @ tilt))

    def best_of(self, n: int) -> Law:
        """The best of n designs, of which one at least is valid."""
        mass = numpy.diff(_share_of_choices(self.below, n), axis=1)
        judged = _over(self.sums, self.counts, 0.0)
        return Law(mass[0] / mass[0].sum(), _over((mass * judged).sum(1), mass.sum(1)))

    def mass_at(self, inverse: float) -> Float[ndarray, " l"]:
        """Of each level at a temperature, in the pool itself."""
        mass = self.counts[0] * numpy.exp(inverse * (self.levels - self.levels[-1]))
        return mass / mass.sum()

    def expected(self, mass: Float[ndarray, " l"]) -> float:
        """The expected judge, in the pool itself."""
        return float(mass @ (self.sums[0] / self.counts[0]))

    def covariance(self, mass: Float[ndarray, " l"]) -> float:
        """Of guide and judge."""
        return self.expected(mass * (self.levels - mass @ self.levels))

    def kl(self, mass: Float[ndarray, " l"]) -> float:
        """Nats from the valid designs of the pool, each of which counts once."""
        some = mass > 0
        nats = float(mass[some] @ numpy.log(mass[some] * self.valid / self.counts[0, some]))
        return round(nats, 12) + 0.0

    def ess(self, mass: Float[ndarray, " l"]) -> float:
        """Designs that count by weight."""
        return 1 / float((mass**2 / self.counts[0]).sum())

    def point(self, at: float | int, law: Law) -> Point:
        """A law in numbers."""
        mass, ess = law.mass, self.ess(law.mass)
        judge = bounds(law.judge, self.chains, 0.95, centred=True)
        guide, covariance = float(mass @ self.levels), self.covariance(mass)
        return Point(at, judge, guide, covariance, self.kl(mass), ess, ess >= LEAST_ESS * (1 - 1e-9))

    def higher(self, law: Law, other: Law) -> Bounds:
        """How much higher the expected judge is under a law than under another."""
        return bounds(law.judge - other.judge, self.chains, 0.95, centred=True)

    def inverse_at(self, ess: float) -> float:
        """1 / the temperature at which so many designs count by weight, which become fewer as it falls.

        No temperature leaves fewer than there are in the best level; this stops short of it.
        """
        best = float(self.counts[0, -1])
        least = max(ess, best * (self.valid / best) ** 0.01)

        def above(inverse: float) -> bool:
            return self.ess(self.mass_at(inverse)) > least

        high = 1 / float(self.levels.std())
        while above(high):
            high *= 2
        return _last(above, 0.0, high)

    def rises(self, inverse: float) -> bool:
        """Whether the expected judge rises as the temperature falls."""
        return self.covariance(self.mass_at(inverse)) > 0


def _last(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Where something that holds at `low` ceases to hold before `high`, by halves."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _over(total: ndarray, count: ndarray, otherwise: float = numpy.nan) -> ndarray:
    return numpy.divide(total, count, out=numpy.full(total.shape, otherwise), where=count > 0)


def _check_pool(guide: Float[ndarray, " m"], judge: Float[ndarray, " m"]) -> None:
    if len(guide) < FEWEST:
        raise HedgeError(f"a hedge needs at least {FEWEST} valid designs, got {len(guide)}: make a larger pool")
    for name, values in (("guide", guide), ("judge", judge)):
        if values.min() == values.max():
            raise HedgeError(
                f"the {name} says {values[0]:g} of all {len(values)} valid designs, so there is nothing to weigh"
            )


def _draws(n: int) -> int:
    fewest, most = _DRAWS
    return max(fewest, min(most, _NUMBERS // n))


def _share_of_choices(below: Int64[ndarray, "k l"], n: int) -> Float[ndarray, "k l"]:
    """The share of choices of n different ones, among as many as the last of each row, that lie among the lowest `below`."""
    numbers = numpy.arange(1, int(below[:, -1].max()) + 1)
    log_factorial = numpy.concatenate([[0.0], numpy.log(numbers).cumsum()])
    log_choices = log_factorial[below] - log_factorial[numpy.maximum(below - n, 0)]
    return numpy.where(below >= n, numpy.exp(log_choices - log_choices[:, -1:]), 0.0)


def _place(number: int, count: int) -> Place:
    """Where a number of `count` is."""
    return "first" if number == 0 else "last" if number == count - 1 else "inside"


def tempered(pool: Pool) -> Curve:
    """The expected judge against temperature, and the best temperature.

    The curve ends a little beyond the last reliable temperature. The best one is where the covariance of guide and judge
    falls through zero, next to the highest of 160 reliable temperatures.
    """
    end, beyond = pool.inverse_at(LEAST_ESS), pool.inverse_at(_BEYOND_ESS)
    fine = numpy.linspace(0, end, _FINE)
    highest = int(numpy.argmax([pool.expected(pool.mass_at(inverse)) for inverse in fine]))
    place, inverse = _place(highest, _FINE), float(fine[highest])
    if place == "inside":
        inverse = _last(pool.rises, float(fine[highest - 1]), float(fine[highest + 1]))
    drawn = [*numpy.linspace(0, end, _TOLD), *numpy.linspace(end, beyond, _BEYOND + 1)[1:]]
    points = [_at(pool, float(one)) for one in drawn if one <= end or beyond > end]
    best, pool_itself, limit = (pool.tilted(one) for one in (inverse, 0.0, end))
    compared = pool.higher(best, pool_itself), pool.higher(best, limit)
    return Curve(points, _at(pool, inverse), place, *compared)


def _at(pool: Pool, inverse: float) -> Point:
    return pool.point(1 / inverse if inverse else numpy.inf, pool.tilted(inverse))


def best_of_n(pool: Pool) -> Curve:
    """The expected judge against N, and the best N among those of the curve, which lie about a sixth apart."""
    sizes = numpy.unique(numpy.geomspace(1, pool.size // 2, _SIZES).round().astype(int)).tolist()
    points = [pool.point(n, pool.best_of(n)) for n in sizes]
    reliable = [point for point in points if point.reliable]
    highest = int(numpy.argmax([point.judge[0] for point in reliable]))
    best, pool_itself, limit = (pool.best_of(int(at)) for at in (reliable[highest].at, 1, reliable[-1].at))
    compared = pool.higher(best, pool_itself), pool.higher(best, limit)
    return Curve(points[: len(reliable) + _BEYOND], reliable[highest], _place(highest, len(reliable)), *compared)
