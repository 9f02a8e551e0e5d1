"""Overlap: while the rewards of some particles are computed elsewhere, the network goes on with the next.

The look-aheads of a step are made in parts. Equal states share a part, so that what is asked once for equal states still is;
states that are known already are in the first, and the others go in whole batches of the network, so that it computes no more
than in one piece. The predictions of all parts are put back on the particles: the next step does not pay for them again.
"""

import contextlib
import sys
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.process import Particles
from svdd.chain.tree import concatenate, distinct_rows, leaves, take
from svdd.scoring.scorer import Question, Scorer

_PARTS, _WHOLE_BATCHES = 8, 16  # more overlap better; where the network's batch is not known, they make small ones


def rewards_meanwhile(reward: Scorer, particles: Particles) -> Float[Tensor, " n"]:
    """The reward of every particle's look-ahead, the decoded mode of q(x_0 | x_t).

    Args:
        reward: one that works in the background, `at_once` designs at a time.
        particles: not finished.
    """
    at_once = 1 if reward.at_once == sys.maxsize else reward.at_once
    most = _WHOLE_BATCHES if particles.process.rows_at_once > 1 else _PARTS
    parts = _parts(particles, max(1, min(most, len(particles) // at_once)))
    pieces, answers = list[Particles](), list[Question]()
    try:
        for part in parts:
            pieces.append(particles[part])
            designs = particles.process.designs(pieces[-1].x0, pieces[-1].cond)
            answers.append(reward.submit(designs))
    except BaseException:
        for answer in answers:  # what was paid is not thrown away
            with contextlib.suppress(Exception):
                answer.result()
        raise
    order = torch.cat(parts).argsort()
    if not particles.has_posterior:
        particles.keep_posterior(take(concatenate([piece.posterior for piece in pieces]), order))
    return torch.cat([answer.result() for answer in answers])[order]


def _parts(particles: Particles, most: int) -> list[Int64[Tensor, " r"]]:
    """At most so many parts, each with all rows of a state."""
    first, group = _groups(particles)
    known: Any = getattr(particles.process.denoiser, "known", None)
    fresh = torch.ones(len(first), dtype=torch.bool, device="cpu")
    if known is not None and not particles.has_posterior:
        fresh = ~known(take(particles.x, first), take(particles.cond, first)).cpu()
    batch = (fresh.cumsum(0) - 1).clamp(min=0) // particles.process.rows_at_once
    batches = int(batch.max()) + 1
    part = torch.where(fresh, batch * min(most, batches) // batches, 0)[group]
    return [(part == i).nonzero().flatten() for i in part.unique().tolist()]


def _groups(particles: Particles) -> tuple[Int64[Tensor, " u"], Int64[Tensor, " n"]]:
    """Equal states, as `distinct_rows` tells them; of floats equal ones are too rare to look for."""
    if any(leaf.is_floating_point() for leaf in leaves(particles.x)):
        everything = torch.arange(len(particles), device="cpu")
        return everything, everything
    first, group = distinct_rows((particles.x, particles.cond))
    return first.cpu(), group.cpu()
