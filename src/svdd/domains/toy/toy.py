"""Toy models with exact answers: the fixtures of the tests and docs, and a place to try a new algorithm.

Each exposes `process`, `reward`, the exact soft `value(temperature)`, the tilted law (or its moments) and `log_z` of its
*discretised* chain, in float64: what a correct sampler reaches, and not the ideal it was trained towards.
"""

from svdd.chain.process import Process
from svdd.domains.toy.enumeration import Enumerable
from svdd.domains.toy.toy_discrete import (
    enumerable_a,
    enumerable_b,
    independent_tokens,
    masked,
    one_step,
    ties,
    uniform,
)
from svdd.domains.toy.toy_gaussian import (
    Gaussian,
    Mixture,
    NodesAndEdges,
    NormalMixture,
    Quadratic,
    gaussian_linear,
    gaussian_quadratic,
    mixture,
    product,
)

__all__ = [
    "Enumerable",
    "Gaussian",
    "Mixture",
    "NodesAndEdges",
    "NormalMixture",
    "Quadratic",
    "enumerable_a",
    "enumerable_b",
    "gaussian_linear",
    "gaussian_process",
    "gaussian_quadratic",
    "independent_tokens",
    "masked",
    "masked_process",
    "mixture",
    "one_step",
    "product",
    "ties",
    "uniform",
]


def gaussian_process(steps: int = 40) -> Process:
    """The chain of `gaussian_linear`: one number, states (n, 1)."""
    return gaussian_linear(steps).process


def masked_process(steps: int = 8) -> Process:
    """The chain of `enumerable_a`: four tokens of three kinds, states (n, 4)."""
    return enumerable_a(steps).process
