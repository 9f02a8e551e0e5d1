"""The designs of image models: a tensor of images, or images with their prompts; written as a PNG each."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from svdd.chain.designs import DesignKind, bytes_key, one_by_one
from svdd.domains.image.files import read_images, write_designs
from svdd.domains.image.prompts import captioned, encode_prompts, images_of, prompts_of
from svdd.domains.image.rewards.image_reward import as_reward
from svdd.scoring.reward import Composite, Reward

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ImageKind(DesignKind):
    """Images.

    Args:
        classes: of a model of classes, which its chains take in turn.
    """

    classes: tuple[str | int, ...] = ()
    domain: str = field(default="image", kw_only=True)
    decides: ClassVar[tuple[str, ...]] = ("prompts", "classes")
    further: ClassVar[tuple[str, ...]] = ("prompt",)

    def facts(self) -> dict[str, Any]:
        """Domain and classes."""
        return super().facts() | ({"classes": list(self.classes)} if self.classes else {})

    def adapt(self, reward: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Any reward as one of images: a function of PIL images, say, or a composite of such."""
        return image_reward(reward)

    def keys(self, designs: Any) -> list[Hashable]:
        """The bits of each image and its prompt."""
        return [bytes_key(one) for one in one_by_one(designs)]

    def column(self, designs: Any, ids: Sequence[str]) -> Sequence[Any]:
        """The names of their files."""
        return [f"{name}.png" for name in ids]

    def columns(self, designs: Any) -> dict[str, Sequence[Any]]:
        """Their prompts, where they have any."""
        prompts = prompts_of(designs)
        return {} if prompts is None else {"prompt": prompts}

    def write(self, designs: Any, ids: Sequence[str], numbers: Mapping[str, Any], folder: Path) -> None:
        """Writes ID.png for every design, and samples.png, those of highest reward."""
        write_designs(designs, ids, numbers, folder)

    def read_given(self, path: Path) -> Any:
        """The images of a folder, or one image file."""
        return read_images(path if path.is_dir() else [path])

    def read(self, table: "pd.DataFrame", folder: Path) -> Any:
        """The images of the files, with their prompts.

        Raises:
            OSError: for a file that is not there.
            ValueError: for a name that leads out of the folder.
        """
        outside = [name for name in table["sample"] if Path(name).name != name]
        if outside:
            raise ValueError(f"an image of a run lies in its folder, but the table names {outside[0]!r}")
        images = read_images([folder / name for name in table["sample"]])
        return captioned(images, encode_prompts(table["prompt"].tolist())) if "prompt" in table else images


def image_reward(reward: Reward) -> Reward:
    """Any reward as one of images: a function of PIL images, say, or a composite of such."""
    if isinstance(reward, Composite):
        return reward.asking(lambda name, part: as_reward(part))
    return as_reward(reward)


def recognised(designs: Any) -> DesignKind | None:
    """The kind of designs that can be nothing but images: a tensor with its prompts. None for others."""
    images = images_of(designs)
    are_images = images is not designs and isinstance(images, torch.Tensor) and images.ndim == 4
    return ImageKind() if are_images else None
