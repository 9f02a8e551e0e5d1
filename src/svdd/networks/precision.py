"""Whether another precision is worth its rounding on this machine: half precision is slower on many processors."""

import copy
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_SECONDS, _ROUNDS, _MARGIN = 0.3, 20, 1.1


class PrecisionWarning(UserWarning):
    """A precision that was asked for is slower than float32."""


def warn_if_slower(precision: str, short: Callable[[], Any], full: Callable[[], Any]) -> None:
    """Says so if a precision is slower than float32 on this machine, after calls in turn for about 0.3 seconds.

    Args:
        precision: its name.
        short: one call in that precision.
        full: the same call in float32.
    """
    short(), full()  # first calls set up kernels
    fastest, stop = [torch.inf, torch.inf], time.perf_counter() + _SECONDS
    for _ in range(_ROUNDS):
        for which, call in enumerate((short, full)):
            started = time.perf_counter()
            call()
            fastest[which] = min(fastest[which], time.perf_counter() - started)
        if time.perf_counter() > stop:
            break
    ratio = fastest[0] / fastest[1]
    if ratio > _MARGIN:
        warnings.warn(
            f"{precision} is {ratio:.1f} times slower than float32 on this processor, and it rounds more: "
            "leave precision out",
            PrecisionWarning,
            stacklevel=3,
        )


def warn_if_layers_are_slower(precision: str, network: nn.Module) -> None:
    """The same by the largest layer of each kind alone, where a network is too large to be there twice.

    Args:
        precision: its name.
        network: in that precision, on the CPU.
    """
    layers = [max(found, key=_size) for kind in (nn.Linear, nn.Conv2d) if (found := _layers(network, kind))]
    full = [copy.deepcopy(layer).float() for layer in layers]
    if layers:
        warn_if_slower(precision, lambda: _called(layers), lambda: _called(full))


def _layers(network: nn.Module, kind: type[nn.Module]) -> list[Any]:
    return [layer for layer in network.modules() if isinstance(layer, kind)]


def _size(layer: Any) -> int:
    return int(layer.weight.numel())


@torch.inference_mode()
def _called(layers: list[Any]) -> list[Tensor]:
    return [layer(_input(layer)) for layer in layers]


def _input(layer: Any) -> Tensor:
    shape = (64, layer.in_features) if isinstance(layer, nn.Linear) else (1, layer.in_channels, 16, 16)
    return torch.ones(shape, dtype=layer.weight.dtype, device=layer.weight.device)
