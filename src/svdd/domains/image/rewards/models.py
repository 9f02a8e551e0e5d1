"""Learned rewards of images: aesthetic quality, likeness to the prompt, and people's preferences.

None of their weights is bundled or fetched unasked: `path` is a local folder or the id of a hub, in the format of
transformers. What such a reward answers is known for images of the kind that it was trained on, photographs and paintings of
224 pixels and more.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from jaxtyping import Float
from torch import Tensor

from svdd.domains.image.pixels import Images
from svdd.domains.image.rewards.blip import Blip
from svdd.domains.image.rewards.clip import Clip
from svdd.domains.image.rewards.image_reward import ImageReward
from svdd.domains.image.rewards.weights import linear_head, read_weights
from svdd.registry import HubPath

Where: TypeAlias = HubPath | None
Text: TypeAlias = str | None


def aesthetic(
    path: HubPath, head: HubPath, device: Text = None, dtype: str = "float32", batch: int = 32
) -> ImageReward:
    """LAION's aesthetic score (about 1 to 10; photographs and paintings 4 to 7): higher is more beautiful.

    Linear layers 768, 1024, 128, 64, 16, 1 without activations, on the unit vector that CLIP ViT-L/14 makes of an image.

    Args:
        path: CLIP ViT-L/14, a local folder or a hub id (openai/clip-vit-large-patch14).
        head: the file of the stack, `.safetensors` or `.pth` (sac+logos+ava1-l14-linearMSE), local or `owner/repository/file`.
        device: where it computes; where the images are unless given.
        dtype: CLIP computes in.
        batch: images at a time.

    Raises:
        ImportError: without transformers; it names the extra.
        ValueError: for what cannot be loaded or does not fit.

    References:
        Schuhmann et al., LAION-5B, arXiv 2210.08402.
    """
    clip = Clip(path, device=device, dtype=dtype, batch=batch, texts=False)
    stack = linear_head(read_weights(head), head).requires_grad_(False)
    if stack[0].in_features != clip.model.config.projection_dim:
        raise ValueError(
            f"{head} reads vectors of {stack[0].in_features} numbers, but {path} makes them of "
            f"{clip.model.config.projection_dim}: give CLIP ViT-L/14"
        )

    def numbers(images: Images) -> Float[Tensor, " n"]:
        vectors = clip.images(images)
        return stack.to(vectors.device)(vectors)[:, 0]

    return ImageReward(numbers, named=("aesthetic", _told(path=path, head=head, dtype=dtype)))


def clip_score(
    path: HubPath,
    processor: Where = None,
    prompts: Text = None,
    device: Text = None,
    dtype: str = "float32",
    batch: int = 32,
) -> ImageReward:
    """Likeness of an image to its prompt, 100 times the cosine of CLIP (-100 to 100; a photograph and its caption 25 to 35).

    Not cut off at 0, where a reward would lead nowhere.

    Args:
        path: any CLIP model, a local folder or a hub id (openai/clip-vit-base-patch16).
        processor: where its tokenizer is; `path` unless given.
        prompts: of all images, where these carry none.
        device: where it computes; where the images are unless given.
        dtype: CLIP computes in.
        batch: images at a time.

    Raises:
        ImportError: without transformers; it names the extra.
        ValueError: for what cannot be loaded.

    References:
        Hessel et al., CLIPScore, arXiv 2104.08718.
    """
    clip = Clip(path, processor, device=device, dtype=dtype, batch=batch)
    return _likeness(clip, 100.0, "clip-score", path=path, processor=processor, prompts=prompts, dtype=dtype)


def pick_score(
    path: HubPath,
    processor: Where = None,
    prompts: Text = None,
    device: Text = None,
    dtype: str = "float32",
    batch: int = 16,
) -> ImageReward:
    """PickScore, the cosine of a CLIP-H tuned to people's choices times the model's own scale, 100 (about 15 to 25).

    Args:
        path: the model, a local folder or a hub id (yuvalkirstain/PickScore_v1).
        processor: of CLIP-H, where that is not beside it (laion/CLIP-ViT-H-14-laion2B-s32B-b79K).
        prompts: of all images, where these carry none.
        device: where it computes; where the images are unless given.
        dtype: CLIP computes in.
        batch: images at a time.

    Raises:
        ImportError: without transformers; it names the extra.
        ValueError: for what cannot be loaded.

    References:
        Kirstain et al., Pick-a-Pic, arXiv 2305.01569.
    """
    clip = Clip(path, processor, device=device, dtype=dtype, batch=batch)
    return _likeness(clip, clip.scale, "pick-score", path=path, processor=processor, prompts=prompts, dtype=dtype)


def hps(
    path: HubPath,
    weights: Where = None,
    processor: Where = None,
    prompts: Text = None,
    device: Text = None,
    dtype: str = "float32",
    batch: int = 16,
) -> ImageReward:
    """Human preference score v2, the cosine of a CLIP-H tuned to people's choices (about 0.2 to 0.35), as published.

    The published weights have the names of open_clip: give CLIP-H as `path` and their file as `weights`. Images that are not
    square are cut to their middle, where the authors pad them.

    Args:
        path: CLIP-H, a local folder or a hub id (laion/CLIP-ViT-H-14-laion2B-s32B-b79K); its weights too, unless given.
        weights: the file, local or `owner/repository/file` (xswu/HPSv2/HPS_v2.1_compressed.pt).
        processor: where its tokenizer is; `path` unless given.
        prompts: of all images, where these carry none.
        device: where it computes; where the images are unless given.
        dtype: CLIP computes in.
        batch: images at a time.

    Raises:
        ImportError: without transformers; it names the extra.
        ValueError: for what cannot be loaded.

    References:
        Wu et al., Human preference score v2, arXiv 2306.09341.
    """
    clip = Clip(path, processor, weights, device, dtype, batch)
    named = {"path": path, "weights": weights, "processor": processor, "prompts": prompts}
    return _likeness(clip, 1.0, "hps", dtype=dtype, **named)


def image_reward(
    path: HubPath, weights: HubPath, prompts: Text = None, device: Text = None, dtype: str = "float32", batch: int = 16
) -> ImageReward:
    r"""ImageReward (about -2.5 to 2; mean 0 and deviation 1 over its training images): higher is preferred.

    $r = (h(z) - 0.1672) / 1.0333$, z the first state of BLIP's text network that attends to the image, h a stack of linear
    layers 768, 1024, 128, 64, 16, 1 without activations.

    Args:
        path: BLIP with a large image network, a local folder or a hub id (Salesforce/blip-itm-large-coco), for its sizes and
            its tokenizer.
        weights: the published file, ImageReward.pt, local or `owner/repository/file` (THUDM/ImageReward/ImageReward.pt).
        prompts: of all images, where these carry none.
        device: where it computes; where the images are unless given.
        dtype: it computes in.
        batch: images at a time.

    Raises:
        ImportError: without transformers; it names the extra.
        ValueError: for what cannot be loaded or does not fit.

    References:
        Xu et al., ImageReward, arXiv 2304.05977.
    """
    network = Blip(path, weights, device, dtype, batch)
    told = _told(path=path, weights=weights, prompts=prompts, dtype=dtype)
    return ImageReward(network, prompts=prompts, named=("image-reward", told))


def _likeness(clip: Clip, scale: float, name: str, **options: Any) -> ImageReward:
    def numbers(images: Images, prompts: Sequence[str]) -> Float[Tensor, " n"]:
        return scale * clip.cosines(images, prompts)

    return ImageReward(numbers, prompts=options["prompts"], named=(name, _told(**options)))


def _told(dtype: str, **options: str | None) -> dict[str, str]:
    """The options that what a reward answers depends on, less those left as they are: scores on disk are told by them."""
    given = {key: value for key, value in options.items() if value is not None}
    return given if dtype == "float32" else given | {"dtype": dtype}
