"""Outputs: what a pipeline returned for some of its prompts, put together and given its rewards."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from svdd.decoding.result import Result

_FLAGS = ("nsfw_content_detected", "nsfw_detected")


class SafetyCheckerWarning(UserWarning):
    """The pipeline's safety checker blanked some of the images that were chosen."""


def joined_outputs(outputs: Sequence[Any]) -> Any:
    """The outputs of several calls as if they had been one."""
    first = outputs[0]
    if len(outputs) == 1:
        return first
    if isinstance(first, tuple):
        return tuple(_joined(parts) for parts in zip(*outputs, strict=True))
    names = [field.name for field in fields(first)]
    return type(first)(**{name: _joined([getattr(output, name) for output in outputs]) for name in names})


_JOIN: dict[type, Callable[[Any], Any]] = {
    list: lambda parts: [one for part in parts for one in part],
    Tensor: torch.cat,
    np.ndarray: np.concatenate,
}


def _joined(parts: Sequence[Any]) -> Any:
    join = next((join for kind, join in _JOIN.items() if isinstance(parts[0], kind)), itemgetter(0))
    return join(parts)


def returned_images(output: Any) -> Any:
    """What a pipeline returned as images, None if there is nothing of the kind."""
    return output[0] if isinstance(output, tuple) else getattr(output, "images", None)


def blanked(output: Any) -> list[bool]:
    """Which images a safety checker blanked; empty where there is none."""
    if isinstance(output, tuple):
        flags = next((entry for entry in output[1:] if isinstance(entry, list)), None)
    else:
        flags = next((getattr(output, name) for name in _FLAGS if getattr(output, name, None) is not None), None)
    return [bool(flag) for flag in flags] if flags and all(isinstance(flag, bool | np.bool_) for flag in flags) else []


def with_result(output: Any, result: Result) -> Any:
    """The pipeline's output with `rewards`, `usage`, `trace` and `result` beside its images.

    A plain tuple (`return_dict=False`) gets the result as its last entry.
    """
    designs = dict(result.samples)
    del designs["latents"]
    result = replace(result, samples=designs if "prompt" in designs else designs["images"])
    _warn_of_blanked(blanked(output))
    if isinstance(output, tuple):
        return (*output, result)
    for name in ("rewards", "usage", "trace"):
        setattr(output, name, getattr(result, name))
    output.result = result
    return output


def _warn_of_blanked(flags: Sequence[bool]) -> None:
    if any(flags):
        warnings.warn(
            f"the safety checker blanked {sum(flags)} of {len(flags)} images, whose rewards are those of what it hid; a "
            "pipeline loaded with safety_checker=None has none",
            SafetyCheckerWarning,
            stacklevel=5,
        )
