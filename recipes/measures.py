"""What several model cards measure: sizes and speed of networks, spread of scores, and how well guide and judge agree."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from svdd.domains.sequence.distances import gc_fraction

__all__ = ["agreement", "describe", "gc_moments", "quantiles", "regression_quality", "speed", "speed_setting"]


def describe(network: Any) -> dict[str, Any]:
    """A network's constructor arguments and its number of parameters."""
    return {"config": network.config, "parameters": sum(p.numel() for p in network.parameters())}


@torch.inference_mode()
def speed(network: nn.Module, length: int, *, calls: int = 10) -> dict[str, float]:
    """Milliseconds per sequence of `length` letters, the best of `calls`, for two batch sizes."""
    milliseconds = {}
    for batch in (64, 256):
        tokens = torch.zeros(batch, length, dtype=torch.long)
        network(tokens)
        seconds = []
        for _ in range(calls):
            started = time.perf_counter()
            network(tokens)
            seconds.append(time.perf_counter() - started)
        milliseconds[f"batch_{batch}"] = min(seconds) / batch * 1e3
    return milliseconds


def speed_setting() -> dict[str, Any]:
    """Where `speed` was measured."""
    return {
        "threads": torch.get_num_threads(),
        "dtype": "float32",
        "processor": platform.machine(),
        "torch": torch.__version__,
    }


def quantiles(scores: Tensor) -> dict[str, float]:
    """The lowest and the highest twentieth of scores, and their median."""
    return {str(level): float(numpy.quantile(scores.numpy(), level)) for level in (0.05, 0.5, 0.95)}


def gc_moments(sequences: list[str]) -> tuple[float, float]:
    """Mean and standard deviation of the share of G and C."""
    shares = gc_fraction(sequences)
    return float(shares.mean()), float(shares.std())


def regression_quality(guess: NDArray[Any], measured: NDArray[Any]) -> dict[str, Any]:
    """Compare predicted and measured numbers.

    Returns:
        `n`, `r2` = 1 - squared error / variance, `r2_of_line` (the squared Pearson correlation, which forgives a wrong
        scale), `pearson`, `spearman`, and `error`, the root mean square in the unit of the numbers.
    """
    from scipy.stats import pearsonr, spearmanr

    pearson = float(pearsonr(guess, measured)[0])
    squared = float(numpy.square(guess - measured).mean())
    return {
        "n": len(measured),
        "r2": 1 - squared / float(measured.var()),
        "r2_of_line": pearson**2,
        "pearson": pearson,
        "spearman": float(spearmanr(guess, measured)[0]),
        "error": squared**0.5,
    }


def agreement(
    guide: Callable[[Any], Tensor], judge: Callable[[Any], Tensor], groups: Mapping[str, Any]
) -> dict[str, float]:
    """Pearson correlation of the scores of guide and judge, in each group of sequences."""
    return {name: float(torch.corrcoef(torch.stack([guide(rows), judge(rows)]))[0, 1]) for name, rows in groups.items()}
