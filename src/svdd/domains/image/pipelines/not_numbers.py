"""Not numbers: where NaN and infinity came from in a pipeline, with the remedy for that place."""

from typing import Any

import torch
from torch import Tensor

_HALF = "load the pipeline in bfloat16 or float32"
_OF_A_NETWORK = {
    True: f"float16 is too small for it; {_HALF}",
    False: "its input is finite, so its weights, adapters or embeddings have NaN, or are too large",
}
_OF_AN_AUTOENCODER = {
    True: f"a VAE in float16 overflows; {_HALF}, or give it a VAE that was made for float16, such as "
    "madebyollin/sdxl-vae-fp16-fix",
    False: "their latents are finite, so the autoencoder's weights have NaN; load it again",
}


def first_bad_row(x: Any) -> int | None:
    """The first row that has NaN or infinity, None if all are finite."""
    if not isinstance(x, Tensor) or bool(torch.isfinite(x).all()):
        return None
    return int((~torch.isfinite(x)).reshape(len(x), -1).any(1).nonzero()[0])


def check_answer(output: Tensor, x: Tensor, place: str) -> None:
    """Looks at a network's answer.

    Args:
        output: the answer.
        x: the latents that it was asked about.
        place: the step, in words.

    Raises:
        ValueError: for NaN and infinity; it says whether the latents had them already.
    """
    row = first_bad_row(output)
    if row is None:
        return
    if first_bad_row(x) is not None:
        raise ValueError(
            f"the latents have NaN at row {first_bad_row(x)} before the network is asked, {place}; look at the latents of the "
            "call and at the settings of the scheduler"
        )
    remedy = _OF_A_NETWORK[in_float16(output.dtype, output.device.type)]
    raise ValueError(f"the network's answer has NaN or infinity at row {row}, {place}: {remedy}")


def check_step(x0: Tensor, name: str, place: str) -> None:
    """Looks at the look-ahead that a scheduler makes of a finite answer.

    Raises:
        ValueError: for NaN and infinity.
    """
    row = first_bad_row(x0)
    if row is not None:
        raise ValueError(
            f"{name} makes NaN of the network's finite answer at row {row}, {place}: its table divides by 0 there; look at its "
            "betas, timestep_spacing and prediction_type"
        )


def check_latents(latents: Tensor) -> None:
    """Looks at latents before they are decoded.

    Raises:
        ValueError: for NaN and infinity.
    """
    row = first_bad_row(latents)
    if row is not None:
        raise ValueError(
            f"the latents have NaN or infinity at row {row} before they are decoded: the network or the scheduler's step made "
            "them"
        )


def check_decoded(images: Any, half: bool | None) -> None:
    """Looks at images that were decoded from finite latents.

    Args:
        images: what was made.
        half: whether an autoencoder made them in float16; None for a function of the user's.

    Raises:
        ValueError: for NaN.
    """
    if not isinstance(images, Tensor) or not bool(images.isnan().any()):
        return
    row = int(images.isnan().reshape(len(images), -1).any(1).nonzero()[0])
    if half is None:
        raise ValueError(
            f"decode= made images with NaN at row {row} from finite latents; look at its scale and precision"
        )
    raise ValueError(f"the images have NaN at row {row}: {_OF_AN_AUTOENCODER[half]}")


def in_float16(dtype: torch.dtype, device: str) -> bool:
    """Whether something computes in float16, of its own or under autocast."""
    auto = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.float16
    return dtype == torch.float16 or auto
