"""Diagnostics of a step: free by-products of choosing, one number a chain and parent."""

import math

import numpy
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from svdd.method.loop import Candidates, Step
from svdd.method.selectors import effective_sample_size
from svdd.method.values import log_mean_exp


def _chosen_from(step: Step) -> Candidates:
    if step.candidates is None:
        raise ValueError(f"step {step.particles.step} did not score its candidates, so there is nothing to diagnose")
    return step.candidates


def bellman_residual(step: Step, temperature: float) -> Float[Tensor, "b n"]:
    r"""$\delta_t = a \log\frac1M\sum_m e^{v(x_s^m)/a} - v(x_t)$, zero for the exact value as M grows.

    A start from the prior was not valued: its parent counts as 0, and the first residual is about a log Z.
    The variance of the sum over steps, divided by a squared, is the variance of the log-weight that SVDD ignores.

    Raises:
        ValueError: if the step did not score.
    """
    return residual_of(_chosen_from(step), temperature)


def residual_of(candidates: Candidates, temperature: float) -> Float[Tensor, "b n"]:
    """The Bellman residual of each parent of candidates."""
    return log_mean_exp(candidates.value, temperature) - candidates.parent_value


def selection_ess(step: Step, temperature: float) -> Float[Tensor, "b n"]:
    r"""$1/\sum_m p_m^2$ of the choice among siblings, $p = softmax(v/a)$: 1 (one can win) to M (no preference).

    Raises:
        ValueError: if the step did not score.
    """
    return ess_among_siblings(_chosen_from(step), temperature)


def ess_among_siblings(candidates: Candidates, temperature: float) -> Float[Tensor, "b n"]:
    """The effective sample size of the choice among the children of each parent."""
    value = candidates.value
    if temperature == 0:
        return (value == value.amax(-1, keepdim=True)).sum(-1).to(value)
    b, n, m = value.shape
    return effective_sample_size((value / temperature).view(b * n, m)).view(b, n)


def path_divergence(step: Step, temperature: float) -> Float[Tensor, " b"]:
    r"""$\log(M p_j)$ of the chosen candidate, for one particle a chain.

    Summed over steps and averaged over chains it is an upper estimate of KL(decoded path law || pretrained); argmax adds
    log M a step.
    """
    value = _chosen_from(step).value
    b, _, m = value.shape
    if temperature == 0:
        return torch.full((b,), math.log(m), dtype=value.dtype, device="cpu")
    log_p = (value[:, 0] / temperature).log_softmax(-1)
    return math.log(m) + log_p.gather(1, step.ancestor[:, :1])[:, 0]


def rank_correlation(one: Float[ndarray, " n"], other: Float[ndarray, " n"]) -> float:
    """Spearman correlation of two rows of numbers, ties at the mean of their ranks; NaN where all of either are equal."""
    ours, theirs = _ranks(one), _ranks(other)
    if not numpy.ptp(ours) or not numpy.ptp(theirs):
        return float("nan")
    return float(numpy.corrcoef(ours, theirs)[0, 1])


def _ranks(values: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    _, level, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[level.reshape(-1)]
