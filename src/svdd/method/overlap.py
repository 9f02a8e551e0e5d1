"""Overlap: while the rewards of some particles are computed elsewhere, the network goes on with the next.

The look-aheads of a step are made in parts. Equal states share a part, so that what is asked once for equal states still is;
states that are known already are in the first, and the others go in whole batches of the network, so that it computes no more
than in one piece. The predictions of all parts are put back on the particles: the next step does not pay for them again.
"""

import contextlib
import sys

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.process import Particles
from svdd.chain.tree import concatenate, take
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
            answers.append(reward.submit(*pieces[-1].designs_ahead()))
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
    equal = particles.equal
    known = [False] * len(equal) if particles.has_posterior else particles.process.sharing.known(equal)
    fresh = ~torch.tensor(known, device="cpu")
    batch = (fresh.cumsum(0) - 1).clamp(min=0) // particles.process.rows_at_once
    batches = int(batch.max()) + 1
    part = equal.spread(torch.where(fresh, batch * min(most, batches) // batches, 0))
    return [(part == i).nonzero().flatten() for i in part.unique().tolist()]
