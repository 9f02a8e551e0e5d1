r"""Pixels: what an image is here, and how others' images are turned into it and back.

A batch of images is one tensor (n, 3, H, W), float32, red-green-blue, from 0 (black) to 1 (white), on the device where it was
made. Eight bits are made of it in one way only, $\lfloor 255 x + 1/2 \rfloor$ after clamping, on that device, so that a file,
a PIL image and a JPEG reward all see the same bytes.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from svdd.chain.doubts import has_nan
from svdd.messages import module_of

Images = Float[Tensor, "n 3 h w"]
"""A batch of images as the library holds it."""
SLACK = 1e-3
"""How far beyond 0 and 1 a number may lie, by rounding, and still be a pixel."""
_AT_ONCE = 8  # images that are rounded at a time: few enough to stay in a processor's caches
_NO_IMAGE = "an image is a PIL image, an array (H, W, 3) or a tensor (3, H, W), alone or several, got "
NAN = "the images have NaN at row {row}, which is no pixel"


def pil() -> Any:
    """The module `PIL.Image`.

    Raises:
        ImportError: without pillow; it names the extra.
    """
    return module_of("images", "PIL.Image", "images need pillow")


def checked_images(images: Any) -> Images:
    """The images themselves in float32, if they are images.

    Args:
        images: (n, 3, H, W), floating point, from 0 to 1; what lies beyond by rounding (`SLACK`) is clamped.

    Raises:
        ValueError: for another shape, type or range, and for NaN; with the remedy.
    """
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise ValueError(f"images are a floating-point tensor (n, 3, H, W) from 0 to 1, got {_told(images)}")
    images = images.float()
    if not images.numel():
        return images
    low, high = torch.stack(torch.aminmax(images.detach())).tolist()
    if low != low:  # NaN anywhere is NaN here
        raise ValueError(NAN.format(row=_row_with_nan(images)))
    if low < -SLACK or high > 1 + SLACK:
        raise ValueError(f"pixels go from 0 to 1, got {low:.4g} to {high:.4g}{_remedy(low, high)}")
    return images if low >= 0 and high <= 1 else images.clamp(0, 1)


def to_uint8(images: Images) -> UInt8[Tensor, "n h w 3"]:
    r"""Images as bytes, $\lfloor 255 x + 1/2 \rfloor$, channels last, on the CPU.

    Args:
        images: (n, 3, H, W); what lies outside 0 to 1 is clamped.

    Raises:
        ValueError: for NaN, which no byte stands for.
    """
    parts = [_rounded(part, first * _AT_ONCE) for first, part in enumerate(images.detach().split(_AT_ONCE))]
    return torch.cat(parts).cpu()


def _rounded(images: Images, first: int) -> UInt8[Tensor, "n h w 3"]:
    scaled = images.float().clamp(0, 1).mul_(255).add_(0.5)
    if bool(has_nan(scaled)):
        raise ValueError(NAN.format(row=first + _row_with_nan(scaled)))
    return torch.stack(scaled.to(torch.uint8).unbind(1), -1)


def _row_with_nan(images: Images) -> int:
    return int(images.isnan().flatten(1).any(1).nonzero()[0])


def from_uint8(images: UInt8[Tensor, "n h w 3"]) -> Images:
    """The inverse of `to_uint8`: bytes over 255."""
    return images.permute(0, 3, 1, 2).float().contiguous() / 255


def to_pil(images: Images) -> list[Any]:
    """A PIL image of each, in mode RGB.

    Raises:
        ImportError: without pillow; it names the extra.
        ValueError: for NaN.
    """
    module = pil()
    return [module.fromarray(image) for image in to_uint8(images).numpy()]


def from_any(images: Any, device: torch.device | str | None = None) -> Images:
    """Images of any usual kind as a batch of the library's own.

    Args:
        images: a PIL image; an array (H, W), (H, W, C) or (n, H, W, C); a tensor (C, H, W) or (n, C, H, W); or a list of
            these, of one size. Bytes, or floating point from 0 to 1; C is 3, or 1 for grey.
        device: where to; where the images are unless given.

    Raises:
        ValueError: for anything else; it names shape, type and range.
    """
    parts = [_batch(image) for image in (images if isinstance(images, list | tuple) else [images])]
    sizes = {tuple(part.shape[1:]) for part in parts}
    if len(sizes) != 1:
        raise ValueError(f"a batch has at least one image and all of one size, got {sorted(sizes) or 'none'}")
    batch = torch.cat(parts) if len(parts) > 1 else parts[0]
    return checked_images(batch if device is None else batch.to(device))


def grid(images: Images, columns: int, gap: int = 2) -> Float[Tensor, "1 3 hh ww"]:
    """Images in one, row by row, on white.

    Args:
        images: n of them.
        columns: images in a row.
        gap: white pixels between them.
    """
    n, _, h, w = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    canvas = images.new_ones(1, 3, rows * (h + gap) - gap, columns * (w + gap) - gap)
    for i, image in enumerate(images):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        canvas[0, :, top : top + h, left : left + w] = image
    return canvas


def write_images(folder: Path, ids: Sequence[str], images: Images) -> list[Path]:
    """Writes `ID.png` for every image.

    Args:
        folder: where to; made where there is none.
        ids: a name for each.
        images: as many.

    Returns:
        The files.

    Raises:
        ImportError: without pillow; it names the extra.
        ValueError: for another number of names, and for NaN.
    """
    if len(ids) != len(images):
        raise ValueError(f"every image has a name, got {len(ids)} names for {len(images)} images")
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.png" for name in ids]
    for file, png in zip(files, to_png(images), strict=True):
        file.write_bytes(png)
    return files


def to_png(images: Images) -> list[bytes]:
    """What a PNG file of each holds.

    Raises:
        ImportError: without pillow; it names the extra.
        ValueError: for NaN.
    """
    return [encoded(image, "PNG") for image in to_pil(images)]


def encoded(image: Any, kind: str, **options: Any) -> bytes:
    """What a file of a PIL image holds.

    Args:
        image: the image.
        kind: of file, by Pillow's name.
        **options: of Pillow's `save`.
    """
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _batch(images: Any) -> Tensor:
    """(n, 3, H, W) of any range, bytes over 255."""
    tensor = images if isinstance(images, Tensor) else _channels_first(images)
    tensor = tensor[None] if tensor.ndim == 3 else tensor
    if tensor.ndim != 4 or tensor.shape[1] not in (1, 3):
        raise ValueError(_NO_IMAGE + _told(images))
    tensor = tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor
    if not tensor.is_floating_point():
        raise ValueError(f"pixels are bytes, or floating point from 0 to 1, got {_told(images)}")
    return tensor.float().expand(-1, 3, -1, -1)


def _channels_first(image: Any) -> Tensor:
    """A PIL image, or an array with its channels last."""
    import numpy

    image = numpy.array(image.convert("RGB")) if hasattr(image, "convert") else image
    if not isinstance(image, numpy.ndarray) or image.dtype.kind not in "uif":
        raise ValueError(_NO_IMAGE + _told(image))
    array = image[..., None] if image.ndim == 2 else image
    return torch.from_numpy(numpy.ascontiguousarray(array)).movedim(-1, -3)


_REMEDIES = ((-1, 1, "; x / 2 + 0.5 takes -1 to 1 there"), (0, 255, "; divide by 255, or give bytes (uint8)"))


def _remedy(low: float, high: float) -> str:
    fitting = (words for least, most, words in _REMEDIES if low >= least - SLACK and high <= most + SLACK)
    return next(fitting, "")


def _told(images: Any) -> str:
    shape, dtype = getattr(images, "shape", None), getattr(images, "dtype", None)
    if shape is None or dtype is None:
        return f"{type(images).__name__}: {images!r:.60}"
    numbers = images.detach().cpu() if isinstance(images, Tensor) else images
    if isinstance(numbers, Tensor):
        numbers = (numbers.float() if numbers.dtype == torch.bfloat16 else numbers).numpy()
    known = getattr(numbers, "size", 0) and numbers.dtype.kind in "fiub"
    span = f", from {float(numbers.min()):.4g} to {float(numbers.max()):.4g}" if known else ""
    return f"{type(images).__name__} of shape {tuple(shape)} and type {dtype}{span}"
