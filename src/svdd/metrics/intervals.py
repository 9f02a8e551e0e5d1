"""Bootstrap intervals of designs that come in chains of seeded runs.

A statistic here is a function of weights: how often each design counts. The estimate has every weight 1; a resample has
whole numbers, so that any statistic of a resample is one product of matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

__all__ = ["Statistic", "bootstrap_weights", "interval", "mean", "quantile"]

Statistic = Callable[[Float[ndarray, "k n"]], Float[ndarray, " k"]]
"""Weights of n designs, a resample a row, to one number a row."""


def bootstrap_weights(
    runs: Sequence[int], chains: Sequence[int], *, draws: int = 1000, seed: int = 0
) -> Float[ndarray, "k n"]:
    """How often each design occurs in each resample; the first row is the sample itself, all ones.

    Runs are drawn with replacement, then as many chains of each drawn run as it has; the designs of a chain stay
    together. With one run only chains are drawn.

    Args:
        runs: the run of each design.
        chains: its chain within the run.
        draws: number of resamples.
        seed: of the resampling.

    Returns:
        Weights, shape (1 + draws, n).

    Raises:
        ValueError: if there are no designs.
    """
    if not len(runs):
        raise ValueError("an interval needs at least 1 design, got 0")
    generator = numpy.random.default_rng(seed)
    run, chain = numpy.asarray(runs), numpy.asarray(chains)
    names = numpy.unique(run)
    times = generator.multinomial(len(names), numpy.full(len(names), 1 / len(names)), size=draws)
    weights = numpy.ones((1 + draws, len(run)))
    for column, name in enumerate(names):
        rows = numpy.flatnonzero(run == name)
        groups, member = numpy.unique(chain[rows], return_inverse=True)
        # A run drawn k times gives k independent draws of its chains, which add up to one of k times as many.
        drawn = generator.multinomial(times[:, column] * len(groups), numpy.full(len(groups), 1 / len(groups)))
        weights[1:, rows] = drawn[:, member]
    return weights


def interval(
    statistic: Statistic, weights: Float[ndarray, "k n"], *, confidence: float = 0.95, centred: bool = False
) -> tuple[float, float, float]:
    """Estimate a statistic, with a percentile bootstrap interval.

    Args:
        statistic: of weights.
        weights: of `bootstrap_weights`.
        confidence: nominal coverage.
        centred: moves the interval so that its median is the estimate. For statistics that resampling itself pulls
            one way, such as correlations, which it lowers.

    Returns:
        Estimate, lower bound, upper bound; NaN where the statistic is not defined.

    Raises:
        ValueError: if the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence}")
    numbers = statistic(weights)
    estimate, drawn = float(numbers[0]), numbers[1:][numpy.isfinite(numbers[1:])]
    if not numpy.isfinite(estimate) or not len(drawn):
        return estimate, numpy.nan, numpy.nan
    low, middle, high = numpy.quantile(drawn, [(1 - confidence) / 2, 0.5, (1 + confidence) / 2])
    shift = estimate - middle if centred else 0.0
    return estimate, float(low + shift), float(high + shift)


def _finite(values: ArrayLike) -> tuple[Float[ndarray, " n"], ndarray]:
    numbers = numpy.asarray(values, dtype=float)
    where = numpy.isfinite(numbers)
    return numbers[where], where


def _over(total: Float[ndarray, " k"], count: Float[ndarray, " k"]) -> Float[ndarray, " k"]:
    return numpy.divide(total, count, out=numpy.full(len(total), numpy.nan), where=count > 0)


def mean(values: ArrayLike) -> Statistic:
    """The mean of the finite values."""
    numbers, where = _finite(values)
    return lambda weights: _over(weights[:, where] @ numbers, weights[:, where].sum(1))


def quantile(values: ArrayLike, share: float) -> Statistic:
    """A quantile of the finite values, linear between order statistics.

    Raises:
        ValueError: if the share is not strictly between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"a quantile's share must lie strictly between 0 and 1, got {share}")
    numbers, where = _finite(values)
    order = numpy.argsort(numbers, kind="stable")
    ordered = numpy.append(numbers[order], numpy.nan)

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        reached = weights[:, where][:, order].cumsum(1)
        place = (weights[:, where].sum(1) - 1) * share
        below, above = (ordered[(reached <= end[:, None]).sum(1)] for end in (numpy.floor(place), numpy.ceil(place)))
        return below + (above - below) * (place - numpy.floor(place))

    return statistic
