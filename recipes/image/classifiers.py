"""The two classifiers of photographs: one to guide with, one that only judges, from disjoint images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from recipes.image.data import ImageData, Images, flipped_at_random
from svdd.domains.image.classifier import ImageClassifier
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train

__all__ = ["CLASSIFIERS", "accuracy", "logits_of", "shifted_at_random", "train_classifier"]

CLASSIFIERS: dict[str, dict[str, Any]] = {
    "guide": {"channels": [48, 96, 160], "blocks": 1},
    "judge": {"channels": [64, 96, 128], "blocks": 1, "dropout": 0.2},
}
"""Shapes of the classifiers; they differ, so that they do not share weaknesses of one shape."""

_SMOOTHING, _SHIFT = 0.05, 3


def train_classifier(
    images: ImageData,
    which: str,
    settings: TrainingSettings,
    *,
    batch_size: int = 64,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> tuple[ImageClassifier, TrainingResult]:
    """Train a classifier by cross-entropy on its half of the images, mirrored and shifted at random, and calibrate it.

    Args:
        images: The data; `validation` chooses the weights and the temperature.
        which: `guide` or `judge`.
        settings: Numbers of the run.
        batch_size: Images per step.
        device: Where to train.
        checkpoint: File to write at evaluations and to resume from.

    Returns:
        The calibrated network, and the history of its share of wrong answers on `validation`.
    """
    training, validation = images.halves[which], images.validation
    with isolated_randomness(settings.seed):
        network = ImageClassifier(images.classes, **CLASSIFIERS[which]).to(torch.device(device))

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        rows = torch.randint(len(training), (batch_size,), generator=generator)
        pixels = shifted_at_random(flipped_at_random(training.pixels[rows], generator), generator)
        logits = module(pixels.float().to(device) / 255).float()
        return functional.cross_entropy(logits, training.labels[rows].to(device), label_smoothing=_SMOOTHING)

    def value_of(module: nn.Module) -> float:
        return 1 - accuracy(logits_of(module, validation), validation.labels)

    result = train(network, loss_of, value_of, settings, checkpoint)
    _calibrate(network, validation)
    return network, result


def shifted_at_random(pixels: Tensor, generator: Generator) -> Tensor:
    """Images moved by up to three pixels each way; the border is repeated."""
    padded = functional.pad(pixels.float(), (_SHIFT,) * 4, mode="replicate")
    height, width = pixels.shape[-2:]
    moves = torch.randint(2 * _SHIFT + 1, (len(pixels), 2), generator=generator).tolist()
    return torch.stack([image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, moves, strict=True)])


@torch.no_grad()
def logits_of(network: nn.Module, images: Images, batch: int = 500) -> Tensor:
    """Logits of images, on the CPU."""
    device = next(network.parameters()).device
    return torch.cat([network(part.float().to(device) / 255).float().cpu() for part in images.pixels.split(batch)])


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of images whose class has the highest logit."""
    return float((logits.argmax(1) == labels).float().mean())


def _calibrate(network: ImageClassifier, validation: Images) -> None:
    """Set the temperature with the smallest cross-entropy on validation images, in place."""
    network.temperature.fill_(1)
    logits = logits_of(network, validation)
    candidates = torch.logspace(-1, 1, 401, base=4)
    losses = [float(functional.cross_entropy(logits / one, validation.labels)) for one in candidates]
    network.temperature.fill_(float(candidates[losses.index(min(losses))]))
