"""Toy models with exact answers: the fixtures of the tests and docs, and a place to try a new algorithm.

Each exposes `process`, `reward`, the exact soft `value(temperature)`, the tilted law (or its moments) and `log_z` of its
*discretised* chain, in float64: what a correct sampler reaches, and not the ideal it was trained towards.
"""

from svdd.chain.process import Process
from svdd.domains.toy.enumeration import Enumerable as Enumerable
from svdd.domains.toy.toy_discrete import enumerable_a as enumerable_a
from svdd.domains.toy.toy_discrete import enumerable_b as enumerable_b
from svdd.domains.toy.toy_discrete import independent_tokens as independent_tokens
from svdd.domains.toy.toy_discrete import masked as masked
from svdd.domains.toy.toy_discrete import one_step as one_step
from svdd.domains.toy.toy_discrete import ties as ties
from svdd.domains.toy.toy_discrete import uniform as uniform
from svdd.domains.toy.toy_gaussian import Gaussian as Gaussian
from svdd.domains.toy.toy_gaussian import Mixture as Mixture
from svdd.domains.toy.toy_gaussian import NodesAndEdges as NodesAndEdges
from svdd.domains.toy.toy_gaussian import NormalMixture as NormalMixture
from svdd.domains.toy.toy_gaussian import Quadratic as Quadratic
from svdd.domains.toy.toy_gaussian import gaussian_linear as gaussian_linear
from svdd.domains.toy.toy_gaussian import gaussian_quadratic as gaussian_quadratic
from svdd.domains.toy.toy_gaussian import mixture as mixture
from svdd.domains.toy.toy_gaussian import product as product


def gaussian_process(steps: int = 40) -> Process:
    """The chain of `gaussian_linear`: one number, states (n, 1)."""
    return gaussian_linear(steps).process


def masked_process(steps: int = 8) -> Process:
    """The chain of `enumerable_a`: four tokens of three kinds, states (n, 4)."""
    return enumerable_a(steps).process
