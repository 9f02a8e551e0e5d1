"""The Fréchet distance of two sets of features, from their means and covariances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from jaxtyping import Float
from numpy import ndarray

__all__ = ["Moments", "floor", "frechet"]


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of features over a set.

    Args:
        mean: (w,).
        covariance: (w, w).
        count: how many they are of.
    """

    mean: Float[ndarray, " w"]
    covariance: Float[ndarray, "w w"]
    count: int


def frechet(ours: Moments, theirs: Moments) -> float:
    """The distance of two sets of statistics; the root's trace is taken from symmetric matrices, which may be singular."""
    root = _root(ours.covariance)
    crossed = numpy.linalg.eigvalsh(root @ theirs.covariance @ root)
    apart = ours.mean - theirs.mean
    shared = numpy.sqrt(crossed.clip(min=0)).sum()
    distance = apart @ apart + numpy.trace(ours.covariance) + numpy.trace(theirs.covariance) - 2 * shared
    return float(max(distance, 0.0))


def floor(reference: Moments, count: int, *, seed: int = 0) -> float:
    """What the distance is for `count` draws from the reference itself, which is what a perfect model can reach.

    From one draw of features from a normal distribution with the reference's mean and covariance.

    Args:
        reference: statistics of many.
        count: of a set that is judged, at least 2.
        seed: of the draw.
    """
    normal = numpy.random.default_rng(seed).standard_normal((count, len(reference.mean)))
    drawn = reference.mean + normal @ _root(reference.covariance)
    return frechet(Moments(drawn.mean(0), numpy.cov(drawn.T), count), reference)


def _root(covariance: Float[ndarray, "w w"]) -> Float[ndarray, "w w"]:
    values, vectors = numpy.linalg.eigh(covariance)
    return (vectors * numpy.sqrt(values.clip(min=0))) @ vectors.T
