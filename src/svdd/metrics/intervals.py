"""Confidence intervals that hold without a distributional assumption, or by resampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy
from numpy.typing import ArrayLike, NDArray

__all__ = ["bootstrap_interval", "quantile_interval"]


def quantile_interval(values: ArrayLike, quantile: float, *, confidence: float = 0.95) -> tuple[float, float, float]:
    """Estimate a quantile, with an order-statistic interval.

    P( X_(l) <= Q(q) <= X_(u) ) >= confidence,   from  #{X_i <= Q} ~ Binomial(n, q)

    for independent draws from any distribution. Where the sample is too small for a bound at
    that confidence the bound is infinite.

    Args:
        values: Independent draws.
        quantile: Which quantile, strictly between 0 and 1.
        confidence: Coverage, at least this much.

    Returns:
        Estimate, lower bound, upper bound.

    Raises:
        ValueError: If there are no values, or a probability is not between 0 and 1.
    """
    _check(values, quantile=quantile, confidence=confidence)
    ordered = numpy.sort(numpy.asarray(values, dtype=float).ravel())
    size = len(ordered)
    # below[i] = P(at most i of the draws lie below the true quantile).
    below = _binomial_cumulative(size, quantile)
    tail = (1 - confidence) / 2
    # X_(l) > Q has chance P(fewer than l draws below Q); X_(u) < Q has P(at least u below Q).
    lower = int(numpy.searchsorted(below, tail, side="right"))
    upper = int(numpy.searchsorted(below, 1 - tail, side="left")) + 1
    low = ordered[lower - 1] if lower >= 1 else -numpy.inf
    high = ordered[upper - 1] if upper <= size else numpy.inf
    return float(numpy.quantile(ordered, quantile)), float(low), float(high)


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[[NDArray[numpy.float64]], float] | None = None,
    *,
    confidence: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Estimate a statistic, with a percentile bootstrap interval over rows.

    Args:
        values: Observations along the first axis.
        statistic: Function of a resampled array; the mean if not given.
        confidence: Nominal coverage.
        draws: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Estimate, lower bound, upper bound.

    Raises:
        ValueError: If there are no values, or the confidence is not between 0 and 1.
    """
    _check(values, confidence=confidence)
    rows = numpy.asarray(values, dtype=float)
    function = statistic or (lambda sample: float(numpy.mean(sample)))
    generator = numpy.random.default_rng(seed)
    picks = (generator.integers(len(rows), size=len(rows)) for _ in range(draws))
    resampled = [function(rows[pick]) for pick in picks]
    low, high = numpy.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(function(rows)), float(low), float(high)


def _binomial_cumulative(size: int, chance: float) -> NDArray[numpy.float64]:
    """Return P(B <= i) for i = 0..size, where B ~ Binomial(size, chance)."""
    counts = numpy.arange(1, size + 1)
    # Logarithms keep the far tails of large samples from under- and overflowing.
    ratios = numpy.log((size - counts + 1) / counts) + numpy.log(chance) - numpy.log1p(-chance)
    logs = numpy.concatenate([[0.0], numpy.cumsum(ratios)])
    weights = numpy.exp(logs - logs.max())
    return numpy.cumsum(weights) / weights.sum()


def _check(values: ArrayLike, **probabilities: float) -> None:
    if numpy.size(values) == 0:
        raise ValueError("an interval needs at least 1 value, got 0")
    for name, probability in probabilities.items():
        if not 0 < probability < 1:
            raise ValueError(f"{name} must lie strictly between 0 and 1, got {probability}")
