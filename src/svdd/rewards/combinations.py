"""Combinations: the numbers of several components, and their weights, as one number."""

import math
from collections.abc import Callable, Sequence
from functools import partial

from svdd.messages import check

Combination = Callable[[Sequence[float], Sequence[float]], float]
"""Values and weights to one number."""
PESSIMISTIC = "pessimistic"


def _weighted_sum(values: Sequence[float], weights: Sequence[float]) -> float:
    return math.fsum(weight * value for value, weight in zip(values, weights, strict=True))


def _product(values: Sequence[float], weights: Sequence[float]) -> float:
    return math.prod(value**weight for value, weight in zip(values, weights, strict=True))


def _geometric_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    total = math.fsum(weights)
    return _product(values, [weight / total for weight in weights])


def _all_met(values: Sequence[float], weights: Sequence[float]) -> float:
    return float(all(value >= 1 for value in values))


def _share_met(values: Sequence[float], weights: Sequence[float]) -> float:
    met = math.fsum(weight for value, weight in zip(values, weights, strict=True) if value >= 1)
    return met / math.fsum(weights)


def _pessimistic(values: Sequence[float], weights: Sequence[float], kappa: float | int = 1.0) -> float:
    total = math.fsum(weights)
    mean = _weighted_sum(values, weights) / total
    variance = _weighted_sum([(value - mean) ** 2 for value in values], weights) / total
    return mean - kappa * math.sqrt(variance)


COMBINATIONS: dict[str, Combination] = {
    "weighted-sum": _weighted_sum,
    "product": _product,
    "geometric-mean": _geometric_mean,
    "thresholds": _all_met,
    "share-of-thresholds": _share_met,
    PESSIMISTIC: _pessimistic,
}
OF_POSITIVE = ("product", "geometric-mean")
"""Those that take numbers of 0 or more."""


def combination(name: str, kappa: float | int | None = None) -> Combination:
    """A combination by name.

    Args:
        name: of `COMBINATIONS`.
        kappa: deviations that a pessimistic one takes off its mean, 1 unless given.

    Raises:
        ValueError: for a kappa of another combination, and one that is no number of 0 or more.
    """
    if kappa is None:
        return COMBINATIONS[name]
    check(name == PESSIMISTIC, f"kappa is for a pessimistic combination, not for {words(name)}; leave it out")
    usable = isinstance(kappa, float | int) and not isinstance(kappa, bool) and 0 <= kappa < math.inf
    check(usable, f"kappa counts deviations below the mean, a number of 0 or more, got {kappa!r:.80}")
    return partial(_pessimistic, kappa=kappa)


def words(name: str) -> str:
    """The name of a combination in words."""
    return name.replace("-", " ")
