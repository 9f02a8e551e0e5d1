"""Entries: which arguments of a pipeline's call have one entry per prompt.

That is said by what an argument is called, and by the networks that the pipeline has, never by a length that happens to be
the number of prompts: a list of one picture per ControlNet is as long as any other list.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

_TEXT = re.compile(r"(negative_|source_|content_|task_)?prompt(_\d)?")
_ROWS = re.compile(r"(negative_)?(pooled_)?(prompt|image)_(embeds|embeddings|attention_mask)(_(?!scale)\w+)?")
_OF_IMAGES = re.compile(r"(negative_)?image_(embeds|embeddings)")
_LABELS = "class_labels"
_MAPS = re.compile(r"depth_map|(\w+_)?mask(_image)?")  # pictures that need no channels
_PICTURE = re.compile(r"(\w+_)?(image|mask)(_latents|_latent)?|depth_map|hint")
_NO_PICTURE = re.compile(r"(negative_)?ip_adapter_\w+|\w*attention_mask|\w*embeds_mask|gligen_\w+")  # not of prompts


def is_text(name: str) -> bool:
    """Whether an argument is one text, or a list of one per prompt."""
    return bool(_TEXT.fullmatch(name))


def is_picture(name: str) -> bool:
    """Whether an argument is one picture, or one per prompt."""
    return bool(_PICTURE.fullmatch(name)) and not _NO_PICTURE.fullmatch(name)


def is_rows(name: str) -> bool:
    """Whether an argument has a row per prompt: embeddings, their masks, classes."""
    return name == _LABELS or bool(_ROWS.fullmatch(name))


def pictures_in(name: str, value: Any) -> int | None:
    """How many pictures an argument holds; None for a single one that is not in a list or a batch."""
    one_more = getattr(value, "ndim", 0) == 3 and not (isinstance(value, np.ndarray) and value.shape[2] == 1)
    batch = getattr(value, "ndim", 0) >= 4 or (one_more and bool(_MAPS.fullmatch(name)))
    return len(value) if batch or isinstance(value, list | tuple) else None


@dataclass(frozen=True)
class Entries:
    """The arguments of one call, by prompt.

    Args:
        pipe: the pipeline.
        parameters: the names of its call's parameters.
        prompts: how many there are.
        listed: whether it is one of the tested pipelines, whose lists are known; others see to their lists themselves.
    """

    pipe: Any
    parameters: Sequence[str]
    prompts: int
    listed: bool = True

    def check(self, name: str, value: Any) -> None:
        """Refuses an argument whose entries are not one per prompt.

        Raises:
            ValueError: with both numbers and the remedy.
        """
        given = self._given(name, value)
        unknown = not self.listed and is_picture(name) and isinstance(value, list)
        if unknown and self.prompts > 1:
            raise ValueError(
                f"{name} has {given} entries for {self.prompts} prompts, and what a list of pictures means to "
                f"{type(self.pipe).__name__} is not known; call it with one prompt at a time"
            )
        if given in (None, self.prompts) or (given == 1 and is_picture(name)) or not self.listed:
            return
        instead = "one text for all" if is_text(name) else "one picture for all" if is_picture(name) else ""
        raise ValueError(
            f"{name} has {given} entries for {self.prompts} {self._counted}; give one per "
            f"{self._counted.removesuffix('s')}{instead and f', or {instead}'}"
        )

    def one_batch(self, name: str, value: Any) -> Any:
        """A list of batches of pictures, or of images' embeddings, as the one batch that pipelines make of it."""
        ndim = 4 if is_picture(name) else 2 if _OF_IMAGES.fullmatch(name) else 0
        if not isinstance(value, list) or self.per_network(name, value):
            return value
        batches = bool(value) and all(isinstance(one, Tensor) and one.ndim == ndim for one in value)
        return torch.cat(value) if batches and len({one.shape[1:] for one in value}) == 1 else value

    def of_prompts(self, name: str, value: Any) -> bool:
        """Whether an argument, or a network's part of it, has one entry per prompt."""
        if self.per_network(name, value):
            return any(self._is_batch(one) for one in value)
        if is_picture(name) and isinstance(value, list) and not self.listed:
            return False
        return self._given(name, value) == self.prompts

    def at(self, name: str, value: Any, places: Sequence[int]) -> Any:
        """An argument for the prompts at these places, which may come several times; for all prompts, it is as it is."""
        if not self.of_prompts(name, value):
            return value
        if self.per_network(name, value):
            return [_taken(one, places) if self._is_batch(one) else one for one in value]
        return _taken(value, places)

    def per_network(self, name: str, value: Any) -> bool:
        """Whether a list of pictures has one for each of the pipeline's ControlNets, adapters or kinds of control.

        A list of lists has, for several ControlNets, one list per prompt.
        """
        if not isinstance(value, list) or name != self._control():
            return False
        network = getattr(self.pipe, "controlnet", None) or getattr(self.pipe, "adapter", None)
        union = "Union" in type(network).__name__
        several = hasattr(network, "nets") or hasattr(network, "adapters")
        return union or (several and not any(isinstance(one, list) for one in value))

    @property
    def _counted(self) -> str:
        return "prompts" if "prompt" in self.parameters else "images"

    def _control(self) -> str:
        return "control_image" if "control_image" in self.parameters else "image"

    def _is_batch(self, one: Any) -> bool:
        return self.prompts > 1 and pictures_in("", one) == self.prompts and not isinstance(one, list)

    def _given(self, name: str, value: Any) -> int | None:
        """How many entries there are; None for an argument that is for all prompts."""
        if value is None or self.per_network(name, value):
            return None
        if is_picture(name):
            return pictures_in(name, value)
        if is_text(name):
            return len(value) if isinstance(value, list) else None
        sized = isinstance(value, list) or getattr(value, "ndim", 0) >= 1
        return len(value) if is_rows(name) and sized else None


def _taken(value: Any, places: Sequence[int]) -> Any:
    return value[list(places)] if isinstance(value, Tensor | np.ndarray) else [value[place] for place in places]
