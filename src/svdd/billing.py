"""Billing: a process, a reward and a value as a run uses them: counted, in chunks, and asked once for what is equal."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from svdd.accounting import Usage, chunked, deduplicated, metered
from svdd.components import Composite
from svdd.denoisers import Denoiser
from svdd.memo import memoised
from svdd.outcomes import judged
from svdd.pending import is_groupwise
from svdd.process import Particles, Process
from svdd.suggestions import unknown
from svdd.terms import Terms
from svdd.tree import Tree, leaves, rows
from svdd.values import Learned, Reward, Value, checked, evaluate

COMPONENTS = ("network", "decode", "reward", "value")


def _bounded(name: str, f: Callable[..., Any], chunks: Mapping[str, int]) -> Callable[..., Any]:
    """`f` in chunks; halved on out-of-memory even where no limit is given."""
    return chunked(f, chunks.get(name, sys.maxsize))


def _discrete(shared: Denoiser, plain: Denoiser) -> Denoiser:
    """`shared` for integer states, `plain` for others: equal floats are too rare to look for."""

    def wrapper(x: Tree, t: Tensor, cond: Tree) -> Any:
        whole = not any(leaf.is_floating_point() for leaf in leaves(x))
        return (shared if whole else plain)(x, t, cond)

    if hasattr(shared, "known"):
        wrapper.known = shared.known  # type: ignore[attr-defined]
    return wrapper


def accounted(
    process: Process,
    reward: Reward,
    usage: Usage,
    chunks: Mapping[str, int],
    share: bool = True,
    terms: Terms | None = None,
) -> tuple[Process, Reward]:
    """The same process and reward: counted, in chunks, and asked once for what is equal.

    Args:
        process: any process.
        reward: any reward.
        usage: where to count.
        chunks: rows at a time for `network`, `decode`, `reward`; a component not named goes in one piece while memory lasts.
        share: whether equal states and equal designs share one answer.
        terms: how the reward is asked.

    Raises:
        ValueError: for an unknown component to chunk, and for chunks of a reward of whole batches.
    """
    for name in chunks:
        if name not in COMPONENTS:
            raise ValueError(unknown("component to chunk", name, COMPONENTS))
    terms = terms or Terms()
    denoiser = _bounded("network", metered(process.denoiser, usage.network, process.rows_each), chunks)
    decode = _bounded("decode", metered(process.decode, usage.decode), chunks)
    if terms.spending is not None:
        denoiser = terms.spending.network(denoiser, process.rows_each)
    if share:
        denoiser = _discrete(
            deduplicated(denoiser, usage.network, process.time_independent, process.rows_each), denoiser
        )
    return replace(process, denoiser=denoiser, decode=decode), _asked(reward, usage, chunks, share, terms)


def _asked(reward: Reward, usage: Usage, chunks: Mapping[str, int], share: bool, terms: Terms) -> Reward:
    """The reward as a run asks it: from the inside out judged, counted, in chunks, within the budget, remembered."""
    whole, shelves = is_groupwise(reward), terms.shelves if share else None
    if whole and "reward" in chunks:
        raise ValueError(
            "a groupwise reward is given whole batches; leave reward out of chunks, and bound batch instead"
        )
    keep = shelves.keep if shelves and not whole else None
    asked = judged(reward, terms.policy, usage.outcomes, keep, terms.breakdown)
    asked = metered(asked, usage.reward)
    if not whole:
        asked = chunked(asked, chunks.get("reward", getattr(reward, "at_once", sys.maxsize)))
    if terms.spending is not None:
        asked = terms.spending.reward(asked)
    if shelves and not whole:
        again = reward if isinstance(reward, Composite) else lambda designs: None  # whose components are billed too
        asked = shelves.first(asked, usage.reward, usage.outcomes, terms.breakdown, again)
    if terms.best is not None:
        asked = terms.best.noted(asked)
    on_shelves = shelves is not None
    return memoised(asked, terms.key, usage.reward, bits=on_shelves) if share and not whole else asked


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
        predictor = _discrete(deduplicated(predictor, usage.value), predictor)
    return Learned(predictor, value.reward, value.temperature)


def true_at_the_end(value: Value, reward: Reward) -> Value:
    """`value` until the end, then `reward`: whatever looks ahead, the finished design is scored by the run's own reward."""

    def wrapper(particles: Particles) -> Any:
        return evaluate(reward, particles, particles.x) if particles.final else value(particles)

    return wrapper
