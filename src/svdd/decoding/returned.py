"""Designs: what a run returns, of its last step or, if it was stopped, of everything it scored."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.tree import take
from svdd.cost.batches import picked
from svdd.decoding.result import Result
from svdd.method.loop import Step
from svdd.method.selectors import log_mean, multinomial, top
from svdd.method.table import Method
from svdd.scoring.best_designs import BestDesigns

Columns = Callable[[Any], dict[str, Tensor]]


def returned(step: Step, method: Method, ids: range, process: Process, rng: Rng, further: Columns) -> Result:
    """The designs of a batch.

    Args:
        step: its last.
        method: says which particles of a chain are its designs.
        ids: the numbers of its chains.
        process: decodes.
        rng: the streams of the chains.
        further: what there is to say of designs beside their reward.
    """
    index = _chosen(step, method, rng)
    log_z = log_mean(step.log_w).tolist() if method.weighted else None
    told = method.weighted and method.returns == "all"
    log_w = step.log_w.gather(1, index).flatten() if told else None
    return designs_at(index, step, ids, process, further, log_z=log_z, log_w=log_w)


def designs_at(
    index: Int64[Tensor, "b r"], step: Step, ids: range, process: Process, further: Columns, **known: Any
) -> Result:
    """The designs of some particles.

    Args:
        index: of the particles of each chain.
        step: whose particles they are.
        ids: the numbers of its chains.
        process: decodes.
        further: what there is to say of designs beside their reward.
        **known: of a `Result`, what is known of them.
    """
    row = (torch.arange(len(ids), device="cpu")[:, None] * step.value.shape[1] + index).flatten()
    designs = process.designs(take(step.particles.x, row), take(step.particles.cond, row))
    rewards = step.value.gather(1, index).flatten()
    chain = [i for i in ids for _ in range(index.shape[1])]
    return Result(designs, rewards, chain, further(designs), **known)


def _chosen(step: Step, method: Method, rng: Rng) -> Int64[Tensor, "b r"]:
    if method.returns == "all":
        return torch.arange(step.value.shape[1], device="cpu").expand(step.value.shape)
    if method.returns == "top":
        return top(step.value, 1, rng).ancestor
    return multinomial(step.log_w, 1, rng).ancestor


def filled_up(finished: list[Result], best: BestDesigns, samples: int, further: Columns) -> list[Result]:
    """The finished designs and, up to `samples`, the best that were scored; these are in no chain, -1."""
    designs, rewards = best.top(samples)
    taken = {key for result in finished for key in best.keys(result.samples)}
    missing = max(samples - sum(map(len, finished)), 0)
    index = [i for i, key in enumerate(best.keys(designs)) if key not in taken][:missing]
    designs, n = picked(designs, index), len(index)
    return finished + ([Result(designs, rewards[index], [-1] * n, further(designs))] if n else [])
