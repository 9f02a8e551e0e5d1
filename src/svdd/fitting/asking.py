"""Asking: the process and the reward as a fit uses them: counted, scores kept in a file, invalid designs as a number."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.accounting import Usage
from svdd.billing import accounted
from svdd.components import apart
from svdd.fitting.settings import Settings
from svdd.process import Process
from svdd.terms import make_terms
from svdd.values import Reward


@contextmanager
def asked(process: Process, reward: Reward, usage: Usage, settings: Settings) -> Iterator[tuple[Process, Reward]]:
    """The same process and reward: counted, in chunks, asked once for what is equal, now or in an earlier fit or run.

    Args:
        process: any process.
        reward: any reward.
        usage: where to count.
        settings: of the fit; its `chunks` and `cache`.
    """
    terms = make_terms(reward, usage, 0, cache=settings.cache)
    try:
        remembered, _ = apart(reward, terms.remembered)
        yield accounted(process, remembered, usage, settings.chunks, terms=terms)
    finally:
        terms.close()


def counted(rewards: Float[Tensor, " n"], settings: Settings) -> Float[Tensor, " n"]:
    """Rewards in which an invalid design, -inf, counts as the number that the settings give for it."""
    return rewards if settings.invalid is None else rewards.masked_fill(rewards.isneginf(), float(settings.invalid))


def counting(reward: Reward, settings: Settings) -> Reward:
    """An asked reward of which `counted` is all that is seen."""
    return lambda designs: counted(torch.as_tensor(reward(designs)), settings)
