"""Break-even: after how many designs a learned value has cost less than the posterior mean, from measured rows and seconds."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch

from svdd.chain.process import Process
from svdd.chain.tree import leaves, rows, take
from svdd.cost.ledger import Usage
from svdd.decoding.decoding import decode
from svdd.fitting.settings import Settings
from svdd.method.learned_values import Learned
from svdd.scoring.reward import Reward

DESIGNS = 8


def per_design(process: Process, reward: Reward, value: Any, settings: Settings) -> dict[str, float]:
    """Rows computed and seconds a design of argmax SVDD."""
    cond = (
        take(settings.cond, torch.arange(DESIGNS, device="cpu") % rows(settings.cond)) if leaves(settings.cond) else ()
    )
    sizes = {"candidates": settings.candidates, "samples": DESIGNS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        usage = decode(process, reward, value=value, cond=cond, seed=settings.seed, progress=False, **sizes).usage
    computed = {"network_rows": usage.network.rows, "reward_rows": usage.reward.rows, "value_rows": usage.value.rows}
    return {name: number / DESIGNS for name, number in (computed | {"seconds": usage.seconds}).items()}


def break_even(
    process: Process, reward: Reward, value: Learned, settings: Settings, usage: Usage, seconds: float
) -> dict[str, Any]:
    """Designs after which fitting and decoding have cost less than decoding with the posterior mean.

    By the formula of rows asked the posterior mean takes 1 + (T-1)M network rows a design and a learned value T; the
    measured rows are those computed, equal states counted once.

    Args:
        process: not accounted.
        reward: not accounted.
        value: what was fitted.
        settings: of the fit; its `candidates` are M.
        usage: of the training roll-outs.
        seconds: of roll-outs and training.
    """
    posterior_mean = per_design(process, reward, "posterior-mean", settings)
    learned = per_design(process, reward, value, settings)
    spent = {"network_rows": usage.network.rows, "reward_rows": usage.reward.rows, "seconds": seconds}
    saved_by_formula = (process.steps - 1) * (settings.candidates - 1)
    return {
        "candidates": settings.candidates,
        "posterior_mean_a_design": posterior_mean,
        "learned_a_design": learned,
        "designs_by_formula": usage.network.asked / saved_by_formula if saved_by_formula else None,
        "designs": _designs(spent, posterior_mean, learned),
    }


def _designs(
    spent: Mapping[str, float | int], without: Mapping[str, float], with_: Mapping[str, float]
) -> dict[str, float | None]:
    """Of every cost, how many designs pay for what was spent; None where a design costs no less."""
    saved = {name: without[name] - with_[name] for name in spent}
    return {name: spent[name] / saved[name] if saved[name] > 0 else None for name in spent}
