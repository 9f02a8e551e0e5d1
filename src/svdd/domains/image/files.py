"""Files of images: a PNG of every design, one picture of the best, and folders that users give."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from svdd.domains.image.pixels import Images, from_any, grid, pil, to_pil, write_images
from svdd.domains.image.prompts import images_of

_KINDS = (".png", ".jpg", ".jpeg")
_PICTURE = "samples.png"
DRAWN, A_ROW = 36, 6
"""Images of the picture at most, and in a row."""


def read_images(files: Path | Sequence[Path]) -> Images:
    """Images of one size.

    Args:
        files: the files, or a folder, that of a run too; its PNG and JPEG files then, by name.

    Raises:
        ImportError: without pillow; it names the extra.
        OSError: for a file that is not there, or is no image.
        ValueError: for none, and for several sizes.
    """
    if isinstance(files, Path):
        there = sorted(files.iterdir()) if files.is_dir() else []
        found = [path for path in there if path.suffix.lower() in _KINDS and path.name != _PICTURE]
        if not found:
            raise ValueError(f"{files} is not a folder with PNG or JPEG files")
        files = found
    return from_any([pil().open(file) for file in files])


def best_rows(rewards: Sequence[float], most: int) -> list[int]:
    """The rows of the highest rewards that are numbers, best first."""
    valid = [row for row, reward in enumerate(rewards) if math.isfinite(reward)]
    return sorted(valid, key=lambda row: -rewards[row])[:most]


def write_designs(designs: Any, ids: Sequence[str], numbers: Mapping[str, Any], folder: Path) -> None:
    """Writes ID.png for every design, and samples.png, those of highest reward, best first.

    Args:
        designs: images, with prompts or without.
        ids: a name for each.
        numbers: `reward` and every further score, one a design.
        folder: where to.

    Raises:
        ImportError: without pillow; it names the extra.
    """
    images = images_of(designs)
    write_images(folder, ids, images)
    best = best_rows([float(reward) for reward in numbers["reward"]], DRAWN)
    if best:
        to_pil(grid(images[best], A_ROW))[0].save(folder / _PICTURE)
