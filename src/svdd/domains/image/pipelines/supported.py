"""Supported pipelines: the classes of diffusers that were steered one by one, and how to try another.

A class stands here because a test steers it, with two prompts or pictures, and finds that the rewards are those of the images
that it returns, and that a prompt's image does not depend on the prompts beside it (`tests/.../test_supported.py`).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Supported(NamedTuple):
    """A class that was tested.

    Args:
        family: of models.
        given: what its call was given, beside sizes and steps.
    """

    family: str
    given: str


_PIXELS, _LATENTS, _SD, _SDXL = "pixels", "latent diffusion, DiT", "Stable Diffusion 1 and 2", "Stable Diffusion XL"
_SD3, _FLUX, _PIXART, _KANDINSKY = "Stable Diffusion 3", "Flux", "PixArt", "Kandinsky 2.2"
_TEXT, _START = "text", "text, a picture to start from"
_MASK, _CONTROL = "text, a picture, a mask; a network that is given both", "text, a control picture"
_BOTH, _ALL = "text, a picture to start from, a control picture", "text, a picture, a mask, a control picture"
_ROWS: list[tuple[str, str, str]] = [
    (_PIXELS, "a number of images", "DDPMPipeline DDIMPipeline"),
    (_LATENTS, "a number of images", "LDMPipeline"),
    (_LATENTS, "classes", "DiTPipeline"),
    (_SD, _TEXT, "StableDiffusionPipeline StableDiffusionPAGPipeline LatentConsistencyModelPipeline"),
    (_SD, _TEXT, "StableDiffusionSAGPipeline"),
    (
        _SD,
        _START,
        "StableDiffusionImg2ImgPipeline StableDiffusionPAGImg2ImgPipeline LatentConsistencyModelImg2ImgPipeline",
    ),
    (_SD, _MASK, "StableDiffusionInpaintPipeline StableDiffusionPAGInpaintPipeline"),
    (_SD, "text, a picture to change", "StableDiffusionInstructPix2PixPipeline"),
    (_SD, "text, a picture to enlarge", "StableDiffusionUpscalePipeline"),
    (_SD, "pictures", "StableDiffusionImageVariationPipeline"),
    (
        _SD,
        _CONTROL,
        "StableDiffusionControlNetPipeline StableDiffusionControlNetPAGPipeline StableDiffusionAdapterPipeline",
    ),
    (_SD, _BOTH, "StableDiffusionControlNetImg2ImgPipeline"),
    (_SD, _ALL, "StableDiffusionControlNetInpaintPipeline StableDiffusionControlNetPAGInpaintPipeline"),
    (_SDXL, _TEXT, "StableDiffusionXLPipeline StableDiffusionXLPAGPipeline"),
    (_SDXL, _START, "StableDiffusionXLImg2ImgPipeline StableDiffusionXLPAGImg2ImgPipeline"),
    (_SDXL, _MASK, "StableDiffusionXLInpaintPipeline StableDiffusionXLPAGInpaintPipeline"),
    (_SDXL, "text, a picture to change", "StableDiffusionXLInstructPix2PixPipeline"),
    (_SDXL, _CONTROL, "StableDiffusionXLControlNetPipeline StableDiffusionXLControlNetPAGPipeline"),
    (_SDXL, _CONTROL, "StableDiffusionXLAdapterPipeline"),
    (_SDXL, _BOTH, "StableDiffusionXLControlNetImg2ImgPipeline StableDiffusionXLControlNetPAGImg2ImgPipeline"),
    (_SDXL, _ALL, "StableDiffusionXLControlNetInpaintPipeline"),
    (_SDXL, "text, control pictures of two kinds", "StableDiffusionXLControlNetUnionPipeline"),
    (_SDXL, _START + ", control pictures of two kinds", "StableDiffusionXLControlNetUnionImg2ImgPipeline"),
    (_SD3, _TEXT, "StableDiffusion3Pipeline StableDiffusion3PAGPipeline"),
    (_SD3, _START, "StableDiffusion3Img2ImgPipeline StableDiffusion3PAGImg2ImgPipeline"),
    (_SD3, _CONTROL, "StableDiffusion3ControlNetPipeline"),
    (_SD3, "text, a control picture, its mask", "StableDiffusion3ControlNetInpaintingPipeline"),
    (_FLUX, _TEXT, "FluxPipeline"),
    (_FLUX, _START, "FluxImg2ImgPipeline"),
    (_FLUX, _MASK, "FluxFillPipeline"),
    (_FLUX, "text, a picture to change", "FluxKontextPipeline"),
    (_FLUX, _CONTROL, "FluxControlPipeline FluxControlNetPipeline"),
    (_FLUX, _BOTH, "FluxControlImg2ImgPipeline FluxControlNetImg2ImgPipeline"),
    (_PIXART, _TEXT, "PixArtAlphaPipeline PixArtSigmaPipeline PixArtSigmaPAGPipeline"),
    (_KANDINSKY, "embeddings of images", "KandinskyV22Pipeline"),
    (_KANDINSKY, "embeddings of images, a picture to start from", "KandinskyV22Img2ImgPipeline"),
    (_KANDINSKY, "embeddings of images, a hint", "KandinskyV22ControlnetPipeline"),
]
SUPPORTED = {name: Supported(family, given) for family, given, names in _ROWS for name in names.split()}
"""What was tested, by the name of the class in diffusers."""
BLOCKS = ("StableDiffusionXLAutoBlocks", "StableDiffusion3AutoBlocks", "FluxAutoBlocks")
"""The blocks of modular pipelines that were tested."""
_PAGE = "docs/pipelines.md lists those that are"


def check_supported(pipe: Any, experimental: bool = False) -> bool:
    """Whether a pipeline is one of those that were tested: its call, which a subclass may inherit, is theirs.

    Args:
        pipe: a diffusers pipeline; anything without a scheduler is left to other checks.
        experimental: whether others are let through.

    Raises:
        ValueError: for another, with how to try it.
    """
    if getattr(pipe, "scheduler", None) is None:
        return False
    owner = next(cls for cls in type(pipe).__mro__ if "__call__" in vars(cls) or cls is object)
    name, own = type(pipe).__name__, owner.__module__.startswith("diffusers.")
    listed = own and owner.__name__ in SUPPORTED
    if listed or experimental:
        return listed
    what = (
        "is not among the tested pipelines"
        if own
        else f"has a call of its own ({owner.__module__}), which was not tested"
    )
    raise ValueError(
        f"{name} {what}; {_PAGE}. To try it all the same, give steer experimental=True and look at its images"
    )


def sees_mask(pipe: Any) -> bool:
    """Whether an inpainting pipeline's network is given the mask and the picture: it reads more channels than it writes."""
    network = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    config = getattr(network, "config", None)
    reads, writes = (getattr(config, name, None) or 0 for name in ("in_channels", "out_channels"))
    return bool(reads > (writes or reads))


def check_mask(pipe: Any, given: Mapping[str, Any]) -> None:
    """Refuses to inpaint by a network that is not given the mask, before anything is computed.

    Raises:
        ValueError: with the networks that are.
    """
    if given.get("mask_image") is not None and not sees_mask(pipe):
        raise ValueError(
            f"the network of this {type(pipe).__name__} is not given the mask, so the pipeline pastes the known part into the "
            "latents at every step, which steering chooses; load a model whose network has 9 channels, such as "
            "stable-diffusion-v1-5/stable-diffusion-inpainting or diffusers/stable-diffusion-xl-1.0-inpainting-0.1"
        )


def check_blocks(blocks: Any, experimental: bool = False) -> None:
    """Refuses blocks of a modular pipeline that were not tested.

    Raises:
        ValueError: with how to try them.
    """
    name = type(blocks).__name__
    if name not in BLOCKS and not experimental:
        raise ValueError(
            f"{name} is not among the tested blocks, {', '.join(BLOCKS)}; to try it all the same, give experimental=True and "
            "look at its images"
        )
