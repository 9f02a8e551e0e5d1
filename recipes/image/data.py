"""The photographs of CIFAR-10: reading them, and splitting them for models, for two classifiers, and for tests.

CIFAR-10 (Krizhevsky 2009, "Learning multiple layers of features from tiny images") has 60,000 photographs of 32x32 pixels
in ten classes. A user gets them from cs.toronto.edu/~kriz/cifar.html, or as image files from one of its mirrors, and writes
one `cifar10_jpeg.npz` with the arrays `data` (uint8: the bytes of all image files, PNG or JPEG, one after another), `offsets`
(image i is `data[offsets[i]:offsets[i + 1]]`), `label` (0 to 9), `train` (whether the image is of the training set) and
`classes` (the ten names).
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from torch import Generator, Tensor

__all__ = ["FILE", "ImageData", "Images", "flipped_at_random", "read_images"]

FILE = "cifar10_jpeg.npz"
_VALIDATION = 2000


@dataclass(frozen=True)
class Images:
    """Photographs with their classes.

    Attributes:
        pixels: uint8, shape (n, 3, 32, 32).
        labels: Class numbers, shape (n,).
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Tensor | slice) -> Images:
        return Images(self.pixels[rows], self.labels[rows])

    def scaled(self) -> Tensor:
        """Pixels as numbers in [-1, 1], as diffusion models take them."""
        return self.pixels.float() / 127.5 - 1


@dataclass(frozen=True)
class ImageData:
    """The parts of the data set.

    Attributes:
        halves: Training images of the guide and of the judge, disjoint; the diffusion model is trained on both.
        validation: Training images held out, to choose weights on and to calibrate on.
        test: The test set, for the card alone.
        classes: Names of the classes.
    """

    halves: dict[str, Images]
    validation: Images
    test: Images
    classes: tuple[str, ...]

    @property
    def train(self) -> Images:
        """All images that the diffusion model is trained on."""
        guide, judge = self.halves["guide"], self.halves["judge"]
        return Images(torch.cat([guide.pixels, judge.pixels]), torch.cat([guide.labels, judge.labels]))


def read_images(path: str | Path) -> ImageData:
    """Read `cifar10_jpeg.npz` in a folder, and split its training images at random, the same way each time.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an image is not 32x32, or if there are fewer than 40 training images or no test image.
    """
    file = Path(path) / FILE
    if not file.is_file():
        raise FileNotFoundError(f"{path} has no {FILE}; recipes.image.data tells where to get it")
    with numpy.load(file) as found:
        offsets, data = found["offsets"], found["data"].tobytes()
        pixels = numpy.stack([_decoded(data[a:b]) for a, b in itertools.pairwise(offsets)])
        images = Images(torch.from_numpy(pixels), torch.from_numpy(found["label"]).long())
        training = torch.from_numpy(found["train"]).bool()
        classes = tuple(str(name) for name in found["classes"])
    count = int(training.sum())
    if count < 40 or count == len(images):
        raise ValueError(f"{file} has {count} training images of {len(images)}; give at least 40, and test images")
    train = images[training.nonzero()[:, 0][torch.randperm(count, generator=Generator().manual_seed(0))]]
    held = min(_VALIDATION, count // 5)
    half = (count - held) // 2
    halves = {"guide": train[held : held + half], "judge": train[held + half :]}
    return ImageData(halves, train[:held], images[(~training).nonzero()[:, 0]], classes)


def _decoded(file: bytes) -> numpy.ndarray:
    """The pixels of an image file, channels first."""
    from PIL import Image

    with Image.open(io.BytesIO(file)) as image:
        pixels = numpy.asarray(image.convert("RGB")).transpose(2, 0, 1)
    if pixels.shape != (3, 32, 32):
        raise ValueError(f"images must be 32x32, got one of {pixels.shape[2]}x{pixels.shape[1]}; resize it")
    return pixels


def flipped_at_random(images: Tensor, generator: Generator) -> Tensor:
    """The images, each mirrored left to right with probability one half."""
    mirrored = torch.rand(len(images), generator=generator).to(images.device) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)
