"""Captions: the prompt that an image was made from, travelling with it.

The designs of an image process are a tensor of images (`svdd.domains.image.pixels`), or, where a reward may ask for the
prompts, a tree with the two keys `images` and `prompt`: row i of `prompt` is the text of row i of `images`, in UTF-8 bytes
filled up with zeros. Text in the design itself is still the right one after designs were put into chunks, asked for again
one by one, sent to a worker or read from a file.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from svdd.domains.image.pixels import Images


def encode_prompts(prompts: Sequence[Any]) -> UInt8[Tensor, "n letters"]:
    """Prompts as rows of bytes, all as long as the longest; encode those of a run together.

    Raises:
        ValueError: for anything but a list of text.
    """
    if isinstance(prompts, str) or not all(isinstance(prompt, str) for prompt in prompts):
        raise ValueError(f"prompts are a list of text, got {prompts!r:.80}")
    texts = [prompt.encode() for prompt in prompts]
    length = max([1, *map(len, texts)])
    filled = bytearray(b"".join(text.ljust(length, b"\0") for text in texts))
    return (
        torch.frombuffer(filled, dtype=torch.uint8).view(-1, length)
        if texts
        else torch.zeros(0, 1, device="cpu", dtype=torch.float32).byte()
    )


def decode_prompts(rows: UInt8[Tensor, "n letters"]) -> list[str]:
    """The inverse of `encode_prompts`."""
    return [row.tobytes().rstrip(b"\0").decode() for row in rows.cpu().numpy()]


def captioned(images: Images, prompt: UInt8[Tensor, "m letters"]) -> dict[str, Tensor]:
    """Designs that carry their prompts.

    Args:
        images: n of them.
        prompt: rows of `encode_prompts`, one an image.

    Raises:
        ValueError: for another number of prompts.
    """
    if len(images) != len(prompt):
        raise ValueError(f"every image has one prompt, got {len(prompt)} prompts for {len(images)} images")
    return {"images": images, "prompt": prompt}


def images_of(designs: Any) -> Any:
    """The images of designs, with prompts or without."""
    return designs["images"] if isinstance(designs, dict) and "images" in designs else designs


def prompts_of(designs: Any) -> list[str] | None:
    """The prompts of designs, None where they carry none."""
    return decode_prompts(designs["prompt"]) if isinstance(designs, dict) and "prompt" in designs else None
