"""The Fréchet distance of two sets of features, from their means and covariances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from jaxtyping import Float
from numpy import ndarray

FEWEST = 500
"""Designs below which a Fréchet distance is not taken."""


class TooFewForFrechetError(ValueError):
    """A Fréchet distance of so few designs would tell their number and not the model."""


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


def check_enough(count: int) -> None:
    """Looks whether there are enough for a Fréchet distance.

    Raises:
        TooFewForFrechetError: below 500. The covariance of few has too low a rank: what the distance then tells is how many
            they are.
    """
    if count < FEWEST:
        raise TooFewForFrechetError(
            f"a Fréchet distance needs at least {FEWEST} designs and as many to compare with, got {count}: of fewer it tells "
            "their number rather than what they are like"
        )


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
