"""Statistics of sets of images under features: how different they are, and which are nearly the same.

Features are rows of numbers that a network makes of images, such as those of the classifier that came with `image-small`
(`bundled_features`) or of CLIP. They say what is compared: name them beside every number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from svdd.domains.image.measures.features import bundled_moments, features_of, moments_of
from svdd.domains.image.pixels import Images
from svdd.domains.image.rewards.classes import image_classifier
from svdd.metrics.intervals import Statistic
from svdd.metrics.moments import Moments

NEAR = 0.01
"""Cosine distance of features below which two images are nearly the same."""
_PRETRAINED = "image-small"


@dataclass(frozen=True)
class ImageFeatures:
    """What makes features of images.

    Args:
        name: what they are, for tables and reports.
        of: images to rows of numbers.
    """

    name: str
    of: Callable[[Images], Tensor]

    def __call__(self, images: Images) -> Float[ndarray, "n d"]:
        """A row of numbers for each image, in double precision.

        Raises:
            ValueError: for another number of rows.
        """
        made = self.of(images).detach().double().cpu().numpy()
        if made.ndim != 2 or len(made) != len(images):
            raise ValueError(f"features are one row an image, got shape {made.shape} for {len(images)} images")
        return made  # type: ignore[no-any-return]


@dataclass(frozen=True)
class ImageReference:
    """Photographs, or other images, that designs are compared with.

    Args:
        name: for tables and reports.
        moments: mean and covariance of their features.
        features: the name of these features.
    """

    name: str
    moments: Moments
    features: str

    @classmethod
    def of(cls, images: Images, name: str, features: ImageFeatures) -> "ImageReference":
        """The statistics of images.

        Raises:
            ValueError: for fewer than two.
        """
        return cls(name, moments_of(torch.from_numpy(features(images))), features.name)


def bundled_features() -> ImageFeatures:
    """The layer before the logits of the classifier that came with `image-small` to judge; images are made 32x32."""
    network = image_classifier("judge")
    return ImageFeatures(f"features of the judge of {_PRETRAINED}", lambda images: features_of(network, images))


def bundled_reference() -> ImageReference:
    """The test set of CIFAR-10 under `bundled_features`."""
    return ImageReference("CIFAR-10 test set", bundled_moments(), f"features of the judge of {_PRETRAINED}")


def cosine_distances(features: Float[ndarray, "n d"]) -> Float[ndarray, "n n"]:
    """1 minus the cosine of every two rows (0 the same direction, to 2); of a row of zeros, 1."""
    length = numpy.linalg.norm(features, axis=1, keepdims=True)
    unit = numpy.divide(features, length, out=numpy.zeros_like(features), where=length > 0)
    return 1 - unit @ unit.T


def near_duplicates(distances: Float[ndarray, "n n"], near: float = NEAR) -> Bool[ndarray, " n"]:
    """Which images have another that is nearly the same.

    Args:
        distances: of every two.
        near: below which two are nearly the same.
    """
    others = distances + numpy.where(numpy.eye(len(distances), dtype=bool), numpy.inf, 0.0)
    return others.min(1, initial=numpy.inf) < near  # type: ignore[no-any-return]


def distance_within(rows: Sequence[int], distances: Float[ndarray, "m m"], groups: Sequence[str]) -> Statistic:
    """The mean distance of two different designs of one group, a prompt or a class; every pair counts the same.

    Args:
        rows: m of the designs.
        distances: of every two of them.
        groups: of each of the m.
    """
    names = numpy.asarray(groups)
    same = (names[:, None] == names[None, :]).astype(float)

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        w = weights[:, list(rows)]
        pairs = (w @ same * w).sum(1) - (w**2).sum(1)  # without those of a design with itself
        total = (w @ (distances * same) * w).sum(1)
        return numpy.divide(total, pairs, out=numpy.full(len(w), numpy.nan), where=pairs > 0)

    return Statistic(statistic, rows)
