"""The bundled model of photographs: ten classes of CIFAR-10, 32x32 pixels, by a prompt."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from svdd.chain.process import Process
from svdd.domains.image.diffusers_process import diffusers_process
from svdd.registry import bundled

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""What it knows."""


def image_small(
    steps: int = 16,
    prompt: str | Sequence[str] | None = None,
    guidance_scale: float | int = 2.0,
    eta: float | int | None = None,
    scheduler: str | None = None,
    precision: str = "float32",
    device: torch.device | str | None = None,
    batch: int | None = None,
) -> Process:
    """Photographs of 32x32 pixels by a small latent diffusion model of text; designs are images from 0 to 1 with their prompts.

    Args:
        steps: T.
        prompt: one or several, such as `a photo of a horse`, chain i has prompt i mod n; each of the ten classes in turn unless
            given.
        guidance_scale: of classifier-free guidance, at most 1 for none.
        eta: as the others, of `svdd.domains.image.diffusers_process`.
        scheduler: likewise.
        precision: likewise.
        device: likewise.
        batch: likewise.

    Raises:
        ImportError: without diffusers; it names the extra.
        ValueError: as `diffusers_process`.

    Cost:
        1 network row a state, 2 under guidance.
    """
    named = [f"a photo of a{'n' if name[0] == 'a' else ''} {name}" for name in CLASSES]
    prompts = named if prompt is None else prompt
    options: dict[str, Any] = dict(scheduler=scheduler, precision=precision, device=device, batch=batch)
    folder = str(bundled("image-small"))
    process = diffusers_process(folder, steps, eta, prompts, guidance_scale=guidance_scale, **options)
    return replace(process, about={**process.about, "name": "image-small"})
