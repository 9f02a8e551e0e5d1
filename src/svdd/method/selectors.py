r"""Selectors: which of k candidates survive, decided in every chain by itself.

A `Selector` maps `(log_w (b, k), n, rng)` to a `Selection`: the n survivors' positions, and the log-weights they carry on.
Weights stay in log space. Resampling is unbiased, $E[counts_i] = n W_i$ with $W = softmax(log\_w)$, and leaves every
survivor the log of the mean weight, so that the level (and with it log Z) is conserved. A chain whose candidates are all
`-inf` selects uniformly.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from svdd.chain.rng import Rng


class Selection(NamedTuple):
    """Survivors of every chain: positions among its candidates, and the log-weights they carry on."""

    ancestor: Int64[Tensor, "b n"]
    log_w: Float[Tensor, "b n"]


Selector: TypeAlias = Callable[[Tensor, int, Rng], Selection]


def log_mean(log_w: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
    r"""$\log \frac1k \sum_i w_i$ of every chain."""
    return log_w.logsumexp(-1) - math.log(log_w.shape[-1])


def effective_sample_size(log_w: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
    r"""$(\sum w)^2 / \sum w^2$, from 1 (one weight) to k (equal weights)."""
    alive = torch.where(log_w.isneginf().all(-1, keepdim=True), 0.0, log_w)
    return (2 * alive.logsumexp(-1) - (2 * alive).logsumexp(-1)).exp()


def _refuse_nan(log_w: Float[Tensor, "b k"]) -> None:
    """Does nothing if all are log-weights."""
    if not (log_w.numpy() < np.inf).all():
        row = int((log_w.isnan() | log_w.isposinf()).any(-1).nonzero()[0])
        raise ValueError(f"chain {row} has a log-weight that is NaN or +inf: {log_w[row].tolist()!r:.80}")


def _weights(log_w: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """Normalised weights; uniform where a chain has none."""
    _refuse_nan(log_w)
    return torch.where(log_w.isneginf().all(-1, keepdim=True), 0.0, log_w).softmax(-1)


def _inverted(weights: Float[Tensor, "b k"], u: Float[Tensor, "b n"]) -> Int64[Tensor, "b n"]:
    cdf = weights.cumsum(-1)
    return torch.searchsorted(cdf / cdf[:, -1:], u, right=True).clamp(max=weights.shape[-1] - 1)


def _resampled(ancestor: Int64[Tensor, "b n"], log_w: Float[Tensor, "b k"]) -> Selection:
    return Selection(ancestor, log_mean(log_w)[:, None].expand(ancestor.shape).clone())


def keep(log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
    """The first n candidates, weights untouched."""
    return Selection(torch.arange(n, device="cpu").expand(len(log_w), n), log_w[:, :n])


def top(log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
    """The n best, ties broken at random by the chain's own stream; not a resampler, so it has no log Z."""
    _refuse_nan(log_w)
    chance = rng.uniform(log_w.shape, dtype=torch.float64)
    ancestor = torch.from_numpy(np.lexsort((chance.numpy(), -log_w.numpy()), -1)[:, :n])
    return Selection(ancestor, log_w.gather(-1, ancestor))


def multinomial(log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
    """Draws all n independently; for n = 1 the categorical choice of SVDD."""
    u = rng.uniform((len(log_w), n), dtype=torch.float64)
    return _resampled(_inverted(_weights(log_w), u), log_w)


def stratified(log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
    r"""One draw in each of n equal strata: $u_j = (j + U_j)/n$ through the inverse cdf."""
    u = (torch.arange(n, device="cpu") + rng.uniform((len(log_w), n), dtype=torch.float64)) / n
    return _resampled(_inverted(_weights(log_w), u), log_w)


def systematic(log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
    r"""Strata with one shared fresh offset a chain: $u_j = (j + U)/n$; every count is $nW$ rounded up or down."""
    u = (torch.arange(n, device="cpu") + rng.uniform((len(log_w), 1), dtype=torch.float64)) / n
    return _resampled(_inverted(_weights(log_w), u), log_w)


def residual(log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
    r"""$\lfloor nW_i \rfloor$ copies for certain, the rest drawn from what remains."""
    expected = n * _weights(log_w)
    copies = (expected + 1e-12).floor()
    slot = torch.arange(n, dtype=expected.dtype, device="cpu").expand(len(log_w), n).contiguous()
    certain = torch.searchsorted(copies.cumsum(-1), slot, right=True)
    rest = (expected - copies).clamp(min=0)
    rest = torch.where(rest.sum(-1, keepdim=True) > 0, rest, expected)
    drawn = _inverted(rest, rng.uniform((len(log_w), n), dtype=torch.float64))
    sure = slot < copies.sum(-1, keepdim=True)
    return _resampled(torch.where(sure, certain, drawn), log_w)


def ssp(log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
    r"""Srinivasan sampling: counts are $nW$ rounded up or down, negatively associated.

    Walks along the candidates with two open fractional parts a, b of $nW$: with $\delta_1 = \min(b, 1 - a)$ and
    $\delta_2 = \min(a, 1 - b)$, moves $\delta_1$ from b to a with probability $\delta_2/(\delta_1 + \delta_2)$,
    else $\delta_2$ from a to b, and replaces whichever became whole by the next candidate.

    References:
        Gerber, Chopin and Whiteley, Negative association, ordering and convergence of resampling methods, 2019.
    """
    expected = n * _weights(log_w)
    counts = (expected + 1e-12).floor()
    part = (expected - counts).clamp(0, 1)
    b, k = part.shape
    u = rng.uniform((b, k), dtype=torch.float64)
    chain, i = torch.arange(b, device="cpu"), torch.zeros(b, dtype=torch.int64, device="cpu")
    for j in range(1, k):
        pi, pj = part[chain, i], part[:, j].clone()
        up, down = torch.minimum(pj, 1 - pi), torch.minimum(pi, 1 - pj)
        gain = u[:, j] * (up + down) < down
        part[chain, i] = torch.where(gain, pi + up, pi - down)
        part[:, j] = torch.where(gain, pj - up, pj + down)
        whole_i = torch.where(gain, 1 - pi <= pj, pi <= 1 - pj)  # i became 1 or 0: go on with j
        i = torch.where(whole_i, j, i)
    counts = counts + part.round()
    slots = torch.arange(n, dtype=counts.dtype, device="cpu").expand(b, n).contiguous()
    ancestor = torch.searchsorted(counts.cumsum(-1), slots, right=True).clamp(max=k - 1)
    return _resampled(ancestor, log_w)


def adaptive(selector: Selector, ess: float = 0.5) -> Selector:
    """Resamples only the chains whose effective sample size is below `ess` times k; the others carry their weights.

    0 never resamples, 1 always does. Where k is not n there is nothing to keep, and every chain resamples.

    Raises:
        ValueError: unless 0 <= ess <= 1.
    """
    if not 0 <= ess <= 1:
        raise ValueError(f"ess is a fraction of the particles, from 0 to 1, got {ess}")

    def select(log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
        drawn, k = selector(log_w, n, rng), log_w.shape[-1]
        if ess == 1 or k != n:
            return drawn
        poor = (effective_sample_size(log_w) < ess * k)[:, None]
        return Selection(*(torch.where(poor, a, b) for a, b in zip(drawn, keep(log_w, n, rng), strict=True)))

    return select


def _local(log_w: Float[Tensor, "b k"], n: int, pick: Selector, rng: Rng) -> Selection:
    """One child of each of the n parents (whose children are adjacent), as positions among all k candidates."""
    b, k = log_w.shape
    if k % n:
        raise ValueError(f"{k} candidates are not shared out evenly among {n} parents")
    _refuse_nan(log_w)  # by the number of the chain
    chosen, level = pick(log_w.reshape(b * n, k // n), 1, rng)
    return Selection(chosen.view(b, n) + torch.arange(n, device="cpu") * (k // n), level.view(b, n))


def nested(outer: Selector, pick: Selector = multinomial) -> Selector:
    """Picks one child of every parent, gives it the log-mean weight of its siblings, then resamples with `outer`.

    The properly weighted form of SVDD's local choice; at least as many draws of `pick` as parents.
    """

    def select(log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
        local = _local(log_w, n, pick, rng)
        ancestor, level = outer(local.log_w, n, rng)
        return Selection(local.ancestor.gather(-1, ancestor), level)

    return select


def share(fraction: float, n: int) -> int:
    """How many of n a fraction is, rounded down but not by the rounding of the fraction."""
    return int(fraction * n + 1e-9)


def twice_tilted(pick: Selector, replace: float | None = None) -> Selector:
    """SVDD-R: one child of every parent by `pick`, then a second, global resampling by the same weights.

    Args:
        pick: the local choice.
        replace: None resamples all n ("full"); a fraction replaces only that share of n, the lowest.
    """

    def lowest(log_w: Float[Tensor, "b n"], rng: Rng) -> Bool[Tensor, "b n"]:
        if replace is None:
            return torch.ones_like(log_w, dtype=torch.bool)
        worst = top(-log_w.clamp(min=-1e300), share(replace, log_w.shape[-1]), rng).ancestor
        return torch.zeros_like(log_w, dtype=torch.bool).scatter(1, worst, True)

    def select(log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
        local = _local(log_w, n, pick, rng).ancestor
        values = log_w.gather(-1, local)
        lost = lowest(values, rng)
        pool = values if replace is None else torch.where(lost, -torch.inf, values)
        drawn = multinomial(pool, n, rng).ancestor
        ancestor = local.gather(-1, torch.where(lost, drawn, torch.arange(n, device="cpu").expand_as(drawn)))
        return Selection(ancestor, log_w.gather(-1, ancestor))

    return select
