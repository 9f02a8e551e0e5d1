"""What a vision network is given: images resized, cut and normalised as its processor's configuration says.

The processors of transformers work on PIL images on the CPU and round to bytes on the way; this is the same on tensors,
wherever they are. A pixel differs by at most 1.25/255 before it is normalised, by a third of 1/255 on average, and gradients
pass through.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from svdd.domains.image.pixels import Images

_FILTERS = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}  # by Pillow's number


@dataclass(frozen=True)
class ImageInputs:
    """How images become the input of a network.

    Args:
        size: (height, width) to resize to; one number for the shorter edge, the other in proportion.
        crop: (height, width) cut from the middle; None for no cut.
        mean: of red, green and blue, which is taken away.
        std: likewise, which divides.
        resample: `bicubic`, `bilinear` or `nearest-exact`.
    """

    size: int | tuple[int, int]
    crop: tuple[int, int] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resample: str = "bicubic"

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "ImageInputs":
        """From a processor's configuration, as `preprocessor_config.json` has it.

        Raises:
            ValueError: for a kind of resizing that is not known here.
        """
        size, crop = said.get("size", 224), said.get("crop_size", 224)
        if isinstance(size, Mapping):
            size = size["shortest_edge"] if "shortest_edge" in size else _both(size)
        if said.get("resample", 3) not in _FILTERS or not said.get("do_resize", True):
            raise ValueError(f"images are resized by a bicubic, bilinear or nearest filter, got {dict(said)!r:.200}")
        cut = _both(crop) if said.get("do_center_crop", "shortest_edge" in str(said.get("size"))) else None
        return cls(size, cut, tuple(said["image_mean"]), tuple(said["image_std"]), _FILTERS[said.get("resample", 3)])

    def __call__(self, images: Images) -> Float[Tensor, "n 3 hh ww"]:
        """The network's input.

        Raises:
            ValueError: if the cut is larger than the resized image.
        """
        resized = self._resized(images)
        if self.crop is not None:
            (height, width), (rows, columns) = resized.shape[2:], self.crop
            if rows > height or columns > width:
                raise ValueError(f"cannot cut {rows} x {columns} out of images that were made {height} x {width}")
            top, left = (height - rows) // 2, (width - columns) // 2
            resized = resized[..., top : top + rows, left : left + columns]
        mean, std = (resized.new_tensor(numbers)[:, None, None] for numbers in (self.mean, self.std))
        return (resized - mean) / std

    def _resized(self, images: Images) -> Float[Tensor, "n 3 hh ww"]:
        height, width = self.size if isinstance(self.size, tuple) else _in_proportion(self.size, *images.shape[2:])
        smooth = self.resample != "nearest-exact"
        options: dict[str, Any] = {"align_corners": False, "antialias": True} if smooth else {}
        for size in ((images.shape[2], width), (height, width)):  # as Pillow does, which clamps after each direction
            if size != tuple(images.shape[2:]):
                images = functional.interpolate(images, size, mode=self.resample, **options).clamp(0, 1)
        return images


def _both(size: Any) -> tuple[int, int]:
    return (size["height"], size["width"]) if isinstance(size, Mapping) else (size, size)


def _in_proportion(edge: int, height: int, width: int) -> tuple[int, int]:
    short, long = sorted((height, width))
    other = int(edge * long / short)
    return (edge, other) if height <= width else (other, edge)
