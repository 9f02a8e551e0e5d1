r"""Rewards of images that need no weights: the size of a JPEG, brightness, colour and symmetry.

What a reward of images is given. The designs of an image model are a float32 tensor (n, 3, H, W) from 0 to 1 on the model's
device (`svdd.domains.image.pixels`). A model with prompts hands over `{"images": the tensor, "prompt": bytes of
text}` (`svdd.domains.image.prompts`), so that every image has its own prompt with it wherever designs are put into
chunks, asked for again or sent away; such a process makes them with `Process.attach`, for instance from a column
`prompt = encode_prompts(...)` of its conditioning: `attach=lambda images, cond: captioned(images, cond["prompt"])`.

The rewards by name take either. `as_reward(f)` makes one of any `f(images)` or `f(images, prompts)`: f gets a list of PIL
images, or what its attribute `takes` says (`"pil"`, `"uint8"`, `"tensor"`), and prompts if it asks for them, one text an image.
Without prompts in the designs the reward's own `prompts="..."` is used, or `reward(images, prompts)`.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor

from svdd.domains.image.pixels import Images, encoded
from svdd.domains.image.rewards.image_reward import ImageReward
from svdd.domains.image.rewards.image_reward import as_reward as as_reward
from svdd.rewards.worker_pool import cores

_LUMA = (0.299, 0.587, 0.114)
_ENOUGH = 2**16  # pixels that are worth a thread: a millisecond of compressing


def compressibility(quality: int = 95, subsampling: str = "4:2:0", threads: int | None = None) -> ImageReward:
    r"""How small an image's JPEG file is: minus kilobytes of 1000 bytes (below 0; 512 pixels, photographs: about -130 to -40).

    $r(x) = -\frac{1}{1000} \operatorname{bytes}(\mathrm{JPEG}(\lfloor 255 x + \frac12 \rfloor))$

    Args:
        quality: of the JPEG, 1 to 95.
        subsampling: of its colours, `4:2:0` (half in both directions, the usual), `4:2:2` or `4:4:4`.
        threads: that compress at a time; as many as there are cores unless given. Pillow compresses outside of Python's lock.

    Raises:
        ValueError: for another quality or subsampling, or fewer than one thread.

    References:
        Black et al., Training diffusion models with reinforcement learning, arXiv 2305.13301.
    """
    return _jpeg("compressibility", -1.0, quality, subsampling, threads)


def incompressibility(quality: int = 95, subsampling: str = "4:2:0", threads: int | None = None) -> ImageReward:
    """How large an image's JPEG file is: kilobytes of 1000 bytes (above 0), minus `compressibility`; arguments as there."""
    return _jpeg("incompressibility", 1.0, quality, subsampling, threads)


def brightness() -> ImageReward:
    """Mean luma of an image, 0.299 R + 0.587 G + 0.114 B (0 black to 1 white)."""
    return ImageReward(_brightness, named=("brightness", {}))


def colourfulness() -> ImageReward:
    r"""Colourfulness of Hasler and Suesstrunk (0 grey; about 33 moderate, 59 quite, 109 extremely colourful).

    $r = \sqrt{\sigma_{rg}^2 + \sigma_{yb}^2} + 0.3 \sqrt{\mu_{rg}^2 + \mu_{yb}^2}$, $rg = R - G$, $yb = (R + G)/2 - B$, of
    pixels from 0 to 255.

    References:
        Hasler & Suesstrunk, Measuring colourfulness in natural images, Proc. SPIE 5007, 2003.
    """
    return ImageReward(_colourfulness, named=("colourfulness", {}))


def symmetry() -> ImageReward:
    """Likeness of an image to its mirror image, 1 minus the mean absolute difference of pixels (0 to 1 symmetric)."""
    return ImageReward(_symmetry, named=("symmetry", {}))


def _jpeg(name: str, sign: float, quality: int, subsampling: str, threads: int | None) -> ImageReward:
    known = 1 <= quality <= 95 and subsampling in ("4:2:0", "4:2:2", "4:4:4")
    if not known or (threads is not None and threads < 1):
        raise ValueError(
            "a JPEG has a quality from 1 to 95, a subsampling 4:2:0, 4:2:2 or 4:4:4 and at least 1 thread, "
            f"got {quality}, {subsampling} and {threads}"
        )
    options: dict[str, Any] = {"quality": quality, "subsampling": subsampling}
    return ImageReward(partial(_kilobytes, sign=sign, threads=threads, **options), "pil", named=(name, options))


def _kilobytes(
    images: Sequence[Any], *, sign: float, quality: int, subsampling: str, threads: int | None
) -> list[float]:
    size = partial(_size, quality=quality, subsampling=subsampling)
    work = sum(image.width * image.height for image in images)
    workers = min(threads or cores(), len(images), work // _ENOUGH)
    if workers < 2:
        return [sign * size(image) for image in images]
    with ThreadPoolExecutor(workers) as pool:
        return [sign * kilobytes for kilobytes in pool.map(size, images)]


def _size(image: Any, quality: int, subsampling: str) -> float:
    return len(encoded(image, "JPEG", quality=quality, subsampling=subsampling)) / 1000


def _brightness(images: Images) -> Float[Tensor, " n"]:
    return (images * images.new_tensor(_LUMA)[:, None, None]).sum(1).mean((1, 2))


def _colourfulness(images: Images) -> Float[Tensor, " n"]:
    red, green, blue = (255 * images).flatten(2).unbind(1)
    opponents = ((red - green), (red + green) / 2 - blue)
    variance = sum(one.var(1, correction=0) for one in opponents)
    mean = sum(one.mean(1) ** 2 for one in opponents)
    return variance.sqrt() + 0.3 * mean.sqrt()  # type: ignore[union-attr]


def _symmetry(images: Images) -> Float[Tensor, " n"]:
    return 1 - (images - images.flip(-1)).abs().mean((1, 2, 3))
