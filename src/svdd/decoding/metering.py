"""The process and the value of a run, counted: rows, chunks, and equal states once."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from svdd.chain.process import Process
from svdd.chain.sharing import NOTHING_SHARED
from svdd.chain.tree import Tree, rows
from svdd.cost.batches import chunked
from svdd.cost.budget import UNLIMITED, Unlimited
from svdd.cost.ledger import Usage, metered
from svdd.cost.sharing import Sharing, deduplicated
from svdd.messages import check_known
from svdd.method.learned_values import Learned
from svdd.method.values import Value
from svdd.scoring.numbers import checked

COMPONENTS = ("network", "decode", "reward", "value")


def _bounded(name: str, f: Callable[..., Any], chunks: Mapping[str, int]) -> Callable[..., Any]:
    """`f` in chunks; halved on out-of-memory even where no limit is given."""
    return chunked(f, chunks.get(name, sys.maxsize))


def accounted(
    process: Process, usage: Usage, chunks: Mapping[str, int], share: bool = True, guard: Unlimited = UNLIMITED
) -> Process:
    """The same process: counted, in chunks, within the budget, and computed once for what is equal.

    Args:
        process: any process.
        usage: where to count.
        chunks: rows at a time for `network` and `decode`; a component not named goes in one piece while memory lasts.
        share: whether equal states share one answer.
        guard: keeps the budget.

    Raises:
        ValueError: for an unknown component to chunk.
    """
    for name in chunks:
        check_known("component to chunk", name, COMPONENTS)
    denoiser = _bounded("network", metered(process.denoiser, usage.network, process.rows_each), chunks)
    decode = _bounded("decode", metered(process.decode, usage.decode), chunks)
    denoiser = guard.network(denoiser, process.rows_each)
    sharing = Sharing(usage.network, process.time_independent, process.rows_each) if share else NOTHING_SHARED
    return replace(process.decoded_by(decode), denoiser=denoiser, sharing=sharing)


def accounted_value(value: Value, usage: Usage, chunks: Mapping[str, int], share: bool = True) -> Value:
    """The same value, counted: rows of a learned value's predictor, or look-aheads of any other.

    Args:
        value: any value; a learned one is counted where it predicts, before the reward takes over.
        usage: where to count.
        chunks: `value` bounds the rows that a learned value predicts at a time.
        share: whether equal discrete states share one prediction.

    Raises:
        ValueError: if another value than a learned one is to go in chunks.
    """
    if not isinstance(value, Learned):
        if "value" in chunks:
            raise ValueError("only a learned value goes in chunks; of a look-ahead bound network, decode and reward")
        return metered(value, usage.value)

    def usable(x: Tree, t: Tensor, cond: Tree) -> Tensor:
        return checked(value.predictor(x, t, cond), x, rows(x), "value")

    predictor = _bounded("value", metered(usable, usage.value), chunks)
    if share:
        predictor = deduplicated(predictor, usage.value)
    return Learned(predictor, value.reward, value.temperature)
