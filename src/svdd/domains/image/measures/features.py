"""The Fréchet distance of photographs under the features of a bundled classifier."""

from pathlib import Path
from typing import Any

import numpy
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from svdd.domains.image.classifier import ImageClassifier
from svdd.domains.image.pixels import Images
from svdd.domains.image.rewards.classes import image_classifier
from svdd.metrics.moments import Moments, check_enough, frechet
from svdd.registry import bundled

_BATCH = 500


def image_distance(images: Images, reference: Moments | None = None) -> float:
    r"""Fréchet distance of images to the test set of CIFAR-10, $|\mu - m|^2 + \mathrm{tr}(C + D - 2 (C D)^{1/2})$.

    Of the 128 features before the logits of the classifier `judge` of `image-small`: not Inception's, so numbers compare with
    each other alone. It depends on the number of images: fewer read higher, so compare sets of one size, of at least 500.

    Args:
        images: (n, 3, H, W) from 0 to 1; resized to 32x32 if they have another size.
        reference: statistics in place of the test set's.

    Raises:
        TooFewForFrechetError: for fewer than 500 images, or statistics of fewer.

    References:
        Heusel et al., GANs trained by a two time-scale update rule, arXiv 1706.08500.
    """
    theirs = reference or bundled_moments()
    check_enough(min(len(images), theirs.count))
    return frechet(moments_of(features_of(image_classifier("judge"), images)), theirs)


def bundled_moments() -> Moments:
    """Statistics of the test set of CIFAR-10, under the same features."""
    return read_moments(bundled("image-small", "reference.npz"))


@torch.inference_mode()
def features_of(network: ImageClassifier, images: Images) -> Float[Tensor, "n k"]:
    """The layer before the logits, on the CPU."""
    device = network.head.weight.device
    return torch.cat([network.features(part.to(device)).float().cpu() for part in images.split(_BATCH)])


def moments_of(features: Float[Tensor, "n k"]) -> Moments:
    """Mean and covariance of features.

    Raises:
        ValueError: for fewer than two rows.
    """
    if len(features) < 2:
        raise ValueError(f"a Fréchet distance needs at least 2 images, got {len(features)}")
    rows: ndarray[Any, Any] = features.double().numpy()
    return Moments(rows.mean(0), numpy.cov(rows.T), len(rows))


def read_moments(path: Path) -> Moments:
    """Statistics from the file that `write_moments` wrote."""
    with numpy.load(path) as found:
        return Moments(found["mean"].astype(float), found["covariance"].astype(float), int(found["count"]))


def write_moments(moments: Moments, path: Path) -> None:
    """Write statistics to an npz file."""
    numpy.savez_compressed(
        path, mean=moments.mean.astype("f4"), covariance=moments.covariance.astype("f4"), count=moments.count
    )
