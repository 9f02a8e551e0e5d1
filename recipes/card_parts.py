"""What all model cards have: sizes and speed of networks, and Markdown tables."""

from __future__ import annotations

import platform
import time
from typing import Any

import torch
from torch import nn

__all__ = ["describe", "speed", "speed_setting", "table"]


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


def table(header: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table; fractions have four digits."""
    cells = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in cells) + "\n"


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
