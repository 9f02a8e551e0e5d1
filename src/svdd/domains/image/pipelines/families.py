r"""Families: how a pipeline's clean latents become images.

Pixel models hold images from -1 to 1. Latent models scale and shift what their autoencoder made, some upcast it, and Flux packs
two by two latents into a token. What a pipeline's own code does at its end is done here for any rows of look-aheads.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.domains.image.pipelines.not_numbers import check_decoded, check_latents, in_float16
from svdd.domains.image.pixels import Images, checked_images

_BARE = "movq"  # Kandinsky's, whose latents are neither scaled nor quantised
Decoder = Callable[[Tensor], Images]
_AUTOENCODERS = ("vae", "vqvae", _BARE)


def _as_it_is(x: Tensor) -> Tensor:
    return x


def image_decoder(
    pipe: Any,
    height: int | None = None,
    width: int | None = None,
    autoencoder: Any | None = None,
    resized: Callable[[Tensor], Tensor] = _as_it_is,
) -> Decoder:
    """Clean latents to images, as the pipeline itself makes them.

    Args:
        pipe: a diffusers pipeline of pixels (no autoencoder), or of latents with an autoencoder of images.
        height: of the images in pixels, where latents are packed; the pipeline's default unless given.
        width: likewise.
        autoencoder: another than the pipeline's own, such as `diffusers.AutoencoderTiny`, for the same latents.
        resized: what the pipeline does to what it decoded.

    Returns:
        `(n, ...)` latents to (n, 3, H, W) images from 0 to 1 (`svdd.domains.image.pixels`).

    Raises:
        ValueError: when latents of another form are decoded, or images are NaN.
    """
    autoencoder = autoencoder or _autoencoder(pipe)

    def decode(latents: Float[Tensor, "n ..."]) -> Images:
        x = latents if latents.ndim != 3 else _unpacked(pipe, latents, height, width)
        if x.ndim != 4:
            raise ValueError(
                f"{type(pipe).__name__} has latents of shape {tuple(latents.shape)}, which are not images of a known "
                "family; give decode=, a function of latents to images (n, 3, H, W) from 0 to 1"
            )
        check_latents(latents)
        if autoencoder is None:
            return images_of_model(resized(_pixels(pipe, x)))
        made = _decoded(pipe, autoencoder, x)
        half = in_float16(autoencoder.dtype, made.device.type) and not _is_upcast(autoencoder, _upcasts(pipe))
        check_decoded(made, half)
        return images_of_model(resized(made))

    return decode


def _autoencoder(pipe: Any) -> Any:
    """A pipeline's own, None if it has none that is known."""
    own = (getattr(pipe, name, None) for name in _AUTOENCODERS)
    return next((one for one in own if one is not None), None)


def image_encoder(pipe: Any) -> Callable[[Images], Tensor]:
    """The inverse of `image_decoder`: images (n, 3, H, W) from 0 to 1 to clean latents, the likeliest of the autoencoder.

    Args:
        pipe: a diffusers pipeline of pixels, or of latents (n, channels, h, w) with an autoencoder.
    """
    autoencoder = _autoencoder(pipe)

    def encode(images: Images) -> Tensor:
        x = 2 * images.float() - 1
        if autoencoder is None:
            return x if pipe.unet.config.in_channels == 3 else x.mean(1, keepdim=True)
        with _precise(autoencoder, _upcasts(pipe)):
            found = autoencoder.encode(x.to(autoencoder.device, autoencoder.dtype))
        latents = found.latent_dist.mode() if hasattr(found, "latent_dist") else found.latents
        return _scaled(autoencoder.config, latents.float().to(images.device))

    return encode


def images_of_model(x: Float[Tensor, "n channels h w"]) -> Images:
    """Images from what models make, -1 to 1 and sometimes beyond; one channel is grey.

    Raises:
        ValueError: for NaN, and for neither 1 nor 3 channels.
    """
    images = (x.float() / 2 + 0.5).clamp(0, 1)  # NaN stays NaN
    return checked_images(images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images)


def _pixels(pipe: Any, x: Float[Tensor, "n channels h w"]) -> Float[Tensor, "n channels h w"]:
    """What a pipeline without a known autoencoder holds, if it is images.

    Raises:
        ValueError: if it is not.
    """
    if x.shape[1] not in (1, 3):
        raise ValueError(
            f"{type(pipe).__name__} has latents of {x.shape[1]} channels and no autoencoder that svdd knows (vae, vqvae, "
            "movq); give decode=, a function of latents to images (n, 3, H, W) from 0 to 1"
        )
    return x


def _decoded(pipe: Any, autoencoder: Any, latents: Float[Tensor, "n channels h w"]) -> Float[Tensor, "n rgb H W"]:
    """The autoencoder's images of scaled latents."""
    bare = hasattr(pipe, _BARE)
    x = latents if bare else _unscaled(autoencoder.config, latents)
    how = {"force_not_quantize": True} if bare and autoencoder is getattr(pipe, _BARE) else {}
    hooked = any(hasattr(autoencoder, hook) for hook in ("_hf_hook", "_diffusers_hook"))  # which move it themselves
    with _precise(autoencoder, _upcasts(pipe)):
        x = x.to(x.device if hooked else autoencoder.device, autoencoder.dtype)
        return autoencoder.decode(x, return_dict=False, **how)[0].to(latents.device)


def _unscaled(config: Any, latents: Float[Tensor, "n channels h w"]) -> Float[Tensor, "n channels h w"]:
    factor, shift = _scale_of(config, latents)
    return latents * factor + shift


def _scaled(config: Any, latents: Float[Tensor, "n channels h w"]) -> Float[Tensor, "n channels h w"]:
    factor, shift = _scale_of(config, latents)
    return (latents - shift) / factor


def _scale_of(config: Any, like: Tensor) -> tuple[Float[Tensor, "1 c 1 1"], Float[Tensor, "1 c 1 1"]]:
    """What clean latents are multiplied by, and what is added then, to be those of an autoencoder."""
    statistics = [getattr(config, name, None) for name in ("latents_mean", "latents_std")]
    mean, std = (like.new_tensor(numbers) for numbers in (statistics if None not in statistics else ([0.0], [1.0])))
    factor = std / (getattr(config, "scaling_factor", None) or 1.0)
    shift = mean + (getattr(config, "shift_factor", None) or 0.0)
    return factor.view(1, -1, 1, 1), shift.view(1, -1, 1, 1)


def _upcasts(pipe: Any) -> bool:
    """Whether a pipeline heeds `force_upcast`, which autoencoders have by default and most families ignore."""
    return hasattr(type(pipe), "upcast_vae") or "StableDiffusionXL" in type(pipe).__name__


@contextmanager
def _precise(autoencoder: Any, upcasts: bool) -> Iterator[None]:
    """An autoencoder that overflows in float16 decodes in float32 where its family does so, and is as it was afterwards."""
    if not _is_upcast(autoencoder, upcasts):
        yield
        return
    torch.nn.Module.to(autoencoder, torch.float32)  # its own `to` warns every time
    try:
        yield
    finally:
        torch.nn.Module.to(autoencoder, torch.float16)


def _is_upcast(autoencoder: Any, upcasts: bool) -> bool:
    return autoencoder.dtype == torch.float16 and upcasts and getattr(autoencoder.config, "force_upcast", False)


def _unpacked(
    pipe: Any, latents: Float[Tensor, "n tokens four_channels"], height: int | None, width: int | None
) -> Float[Tensor, "n channels h w"]:
    """Flux's tokens back on their grid; a token is two by two latents."""
    tokens, channels = latents.shape[1:]
    if not type(pipe).__name__.startswith("Flux") or type(pipe).__name__.startswith("Flux2"):
        raise ValueError(
            f"{type(pipe).__name__} has packed latents of shape {tuple(latents.shape)}, which svdd cannot unpack; give "
            "decode=, a function of latents to images (n, 3, H, W) from 0 to 1"
        )
    default = pipe.default_sample_size * pipe.vae_scale_factor
    h, w = (int(size or default) // (2 * pipe.vae_scale_factor) for size in (height, width))
    if h * w != tokens:
        raise ValueError(
            f"{tokens} tokens are not the {h} x {w} of images {height or default} pixels high and {width or default} wide; "
            "give the height and width of the call"
        )
    x = latents.view(-1, h, w, channels // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(-1, channels // 4, 2 * h, 2 * w)
