"""Judged: the images that a pipeline returns are compared with those that the reward judged.

svdd decodes latents itself, as it takes the pipeline to do. Whatever makes the two differ (another decoder, a pipeline's own
last touch), the reward of an image would be that of another one.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from svdd.chain.defaults import as_tensor
from svdd.domains.image.pipelines.callbacks import same
from svdd.domains.image.pipelines.outputs import blanked, returned_images
from svdd.domains.image.pipelines.supported import sees_mask
from svdd.domains.image.pixels import Images, to_pil

_BYTE = 0.5 / 255  # how far an image is from its own bytes
_EXACT = 1e-4  # rounding of single precision, on average, where an autoencoder amplifies it
_OF_AVERAGE = 16  # how much larger rounding may be at one pixel than on average
_AFTER = "changes latents after its last step, or images after it decodes them (its image_processor, a checker, a mask)"
_TF32 = 2**-10  # what accelerators multiply single precision with


class OtherImagesError(ValueError):
    """The pipeline returned other images than those that were judged; `output` is what it returned."""

    output: Any = None


class UncheckedWarning(UserWarning):
    """What a pipeline returned cannot be read, so it was not compared with what was judged."""


class WatermarkWarning(UserWarning):
    """The pipeline put a mark on images after they were judged."""


@dataclass(frozen=True)
class Judged:
    """What was judged, to be compared with what the pipeline makes of it.

    Args:
        pipe: the pipeline.
        given: the arguments of its call.
        decode: the user's decoder, None where it is the pipeline's own.
        latents: as the pipeline was given them at its last step.
        images: that were judged.
    """

    pipe: Any
    given: Mapping[str, Any]
    decode: Any
    latents: Tensor
    images: Images

    def check(self, output: Any) -> None:
        """Compares what the pipeline returned.

        Raises:
            OtherImagesError: where it differs by more than rounding; it says what can have done it.
        """
        returned = returned_images(output)
        if same(returned, self.latents) or _repacked(returned, self.latents):
            return
        if self.given.get("output_type") == "latent":
            sentence = None if _shape(returned) != self.latents.shape else self._other_latents(returned)
        else:
            sentence = self._other_images(returned, blanked(output))
        if sentence is not None:
            error = OtherImagesError(f"{type(self.pipe).__name__} returned {sentence}")
            error.output = output
            raise error
        if _shape(returned) != self.latents.shape and _read(returned) is None:
            warnings.warn(
                f"{type(self.pipe).__name__} returned {type(returned).__name__}, which svdd cannot read as images, so they "
                "were not compared with the judged ones",
                UncheckedWarning,
                stacklevel=5,
            )

    def _other_latents(self, returned: Tensor) -> str:
        most = float((returned.to(self.latents) - self.latents).abs().max())
        return f"other latents than those that were judged (by up to {most:.2g}): it changes them after its last step"

    def _other_images(self, returned: Any, blanks: Sequence[bool]) -> str | None:
        """How returned images differ from the judged ones, None if they do not or cannot be read."""
        read = _read(returned)
        if read is None:
            return None
        images, bytes_ = read
        if images.shape != self.images.shape:
            what = (
                "resizes, crops or pastes images"
                if len(images) == len(self.images)
                else "makes another number of images"
            )
            return f"{_sized(images)}, but judged were {_sized(self.images)}: {self._cause(what)}"
        images = images.to(self.images.device)
        differs = self._difference(images, self.images, bytes_)
        # a checker's images are warned of by its flags; some checkers blank more than they flag
        flagged = zip(blanks, images, strict=False) if any(blanks) else ()
        seen = [not flag and float(one.std()) > 0 for flag, one in flagged]
        rows = [row for row in differs.any_beyond.nonzero().flatten().tolist() if not seen or seen[row]]
        if not rows or self._only_marked(images[rows], rows, bytes_):
            return None
        row = rows[0]
        return (
            f"another image than the one that was judged, number {row} (pixels differ by {float(differs.mean[row]):.2g} on "
            f"average and up to {float(differs.most[row]):.2g}, of 1): {self._cause(_AFTER)}"
        )

    def _difference(self, images: Images, judged: Images, bytes_: bool) -> "_Difference":
        return _Difference.between(images, judged, self._rounding(), _BYTE if bytes_ else 0.0)

    def _rounding(self) -> float:
        """How much rounding may change a pixel on average: in the lowest precision of what decodes."""
        autoencoder = getattr(self.pipe, "vae", None) or getattr(self.pipe, "movq", None)
        types = {self.latents.dtype, getattr(autoencoder, "dtype", self.latents.dtype)}
        device = self.latents.device.type
        if torch.is_autocast_enabled(device):
            types.add(torch.get_autocast_dtype(device))
        eps = max(torch.finfo(dtype).eps for dtype in types if dtype.is_floating_point)
        return max(_EXACT, 2 * (eps if device == "cpu" else max(eps, _TF32)))

    def _only_marked(self, images: Images, rows: list[int], bytes_: bool) -> bool:
        """Whether the images are the judged ones with the pipeline's watermark, which is warned of."""
        marked = _marked(self.pipe, self.images[rows])
        if marked is None or bool(self._difference(images, marked.to(images), bytes_).any_beyond.any()):
            return False
        warnings.warn(
            "the pipeline put its watermark on images after they were judged, so rewards are those of images without it; load "
            "the pipeline with add_watermarker=False, or set its watermark to None",
            WatermarkWarning,
            stacklevel=7,
        )
        return True

    def _cause(self, otherwise: str) -> str:
        """What can have made the difference, and the remedy."""
        if (
            self.given.get("padding_mask_crop") is not None
            and callable(self.decode)
            and not hasattr(self.decode, "decode")
        ):
            return "padding_mask_crop pastes them into the original, which decode= does not; leave one of them out"
        if self.given.get("mask_image") is not None and self.decode is None and not sees_mask(self.pipe):
            return "mask_image pastes the known part of the image in at its end; leave it out"
        if hasattr(self.decode, "decode"):
            return (
                "decode= is not the autoencoder that the pipeline decodes with; leave it out, or give the pipeline that "
                "autoencoder too"
            )
        if self.decode is not None:
            return "decode= makes other images than the pipeline does; make it do what the pipeline does at its end"
        return f"the pipeline itself {otherwise}, unseen by the reward; leave that out, or give a decode= that does the same"


@dataclass(frozen=True)
class _Difference:
    """How much every image differs beyond its bytes: on average, at most, and whether that is more than rounding."""

    mean: Tensor
    most: Tensor
    any_beyond: Tensor

    @classmethod
    def between(cls, images: Images, judged: Images, rounding: float, bytes_: float) -> "_Difference":
        """The least of the differences for the ranges that pipelines return: from 0 to 1, or from -1 to 1."""
        forms = (images.float().clamp(0, 1), (images.float() / 2 + 0.5).clamp(0, 1))
        gaps = [((form - judged).abs() - bytes_).clamp(min=0).flatten(1) for form in forms]
        means, mosts = (torch.stack([measure(gap) for gap in gaps]) for measure in (_mean, _most))
        beyond = ~((means <= rounding) & (mosts <= _OF_AVERAGE * rounding))  # NaN is beyond
        least = means.nan_to_num(torch.inf).argmin(0, keepdim=True)
        return cls(means.gather(0, least)[0], mosts.gather(0, least)[0], beyond.all(0))


def _mean(gap: Tensor) -> Tensor:
    return gap.mean(1)


def _most(gap: Tensor) -> Tensor:
    return gap.amax(1)


def _repacked(returned: Any, latents: Tensor) -> bool:
    """Whether these are the latents in another shape: tokens of Flux back on their grid."""
    known = isinstance(returned, Tensor) and len(returned) == len(latents) and returned.numel() == latents.numel()
    if not known or returned.shape == latents.shape:
        return False
    sorted_ = [x.to(latents).flatten(1).sort(1).values for x in (returned, latents)]
    return same(*sorted_)


def _shape(images: Any) -> Any:
    return images.shape if isinstance(images, Tensor) else None


def _sized(images: Images) -> str:
    return f"{len(images)} images {images.shape[2]} pixels high and {images.shape[3]} wide"


def _read(images: Any) -> tuple[Tensor, bool] | None:
    """Images (n, 3, H, W) in the range that they have, and whether they were bytes; None for what are no images of one size."""
    if isinstance(images, list | tuple):
        arrays = [np.array(one.convert("RGB")) if hasattr(one, "convert") else one for one in images]
        parts = [as_tensor(one) for one in arrays if isinstance(one, np.ndarray | Tensor)]
        if not parts or len(parts) != len(images) or len({part.shape for part in parts}) > 1:
            return None
        images, last = torch.stack(parts), not isinstance(arrays[0], Tensor)
    elif isinstance(images, np.ndarray | Tensor):
        images, last = as_tensor(images), isinstance(images, np.ndarray)
    else:
        return None
    images = images.movedim(-1, 1) if last and images.ndim == 4 else images
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        return None
    bytes_ = images.dtype == torch.uint8
    return (images.float() / 255 if bytes_ else images.float()).expand(-1, 3, -1, -1), bytes_


def _marked(pipe: Any, images: Images) -> Images | None:
    """Images with the pipeline's watermark, as it puts it on; None where it has none."""
    if getattr(pipe, "watermark", None) is not None:
        return (pipe.watermark.apply_watermark(images * 2 - 1) / 2 + 0.5).clamp(0, 1)
    if getattr(pipe, "watermarker", None) is not None:
        pictures = pipe.watermarker.apply_watermark(to_pil(images), pipe.unet.config.sample_size)
        read = _read(pictures)
        return None if read is None else read[0]
    return None
