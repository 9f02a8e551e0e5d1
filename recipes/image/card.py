"""Everything the model card of photographs says, measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from recipes.image.autoencoder import decoded, encoded
from recipes.image.classifiers import accuracy, logits_of
from recipes.image.data import ImageData, Images
from recipes.image.text import TEMPLATES, prompts_of
from recipes.measures import speed_setting
from svdd.domains.image.classifier import ImageClassifier
from svdd.domains.image.measures.features import features_of, moments_of
from svdd.domains.image.pixels import grid, to_pil
from svdd.metrics.moments import Moments, frechet

__all__ = ["Sizes", "draw_samples", "drawn", "measure_card"]

_PHOTO = TEMPLATES.index("a photo of a {}")


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        samples: images of which quality is measured, the same number of each class.
        tried: images at each guidance scale.
        scales: guidance scales that are tried.
        steps: of the sampler.
        timed: images of which the time is taken, in 50 steps.
    """

    samples: int = 2000
    tried: int = 500
    scales: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 5.0)
    steps: int = 25
    timed: int = 20


def measure_card(
    images: ImageData, pipeline: Any, classifiers: dict[str, ImageClassifier], runs: dict[str, Any], sizes: Sizes
) -> tuple[dict[str, Any], Moments, Tensor]:
    """Measure every number of the model card.

    Args:
        images: The data.
        pipeline: The trained `StableDiffusionPipeline`.
        classifiers: `guide` and `judge`.
        runs: Settings and history of the training runs.
        sizes: How much is measured.

    Returns:
        A JSON-able record, the statistics of the test set's features, and the samples at the chosen guidance scale, class
        after class.
    """
    judge = classifiers["judge"]
    reference = moments_of(features_of(judge, _pixels(images.test)))
    tried = {scale: _tried(pipeline, images, classifiers, reference, scale, sizes) for scale in sizes.scales}
    chosen = min(tried, key=lambda scale: tried[scale]["distance"])
    samples, labels = drawn(pipeline, images.classes, sizes.samples, chosen, sizes.steps, seed=1)
    card = {
        "data": _data(images),
        "classes": list(images.classes),
        "networks": _networks(pipeline, classifiers),
        "training": runs,
        "scheduler": dict(pipeline.scheduler.config),
        "autoencoder": _reconstruction(pipeline.vae, images.test, judge, reference),
        "classifiers": {name: _classifier(network, images) for name, network in classifiers.items()},
        "features": {"width": len(reference.mean), "count": reference.count},
        "steps": sizes.steps,
        "guidance": {"chosen": chosen, "tried": {str(scale): found for scale, found in tried.items()}},
        "quality": _quality(samples, labels, classifiers, reference),
        "floor": {str(n): _floor(images, judge, reference, n) for n in sorted({sizes.samples, sizes.tried})},
        "speed": _speed(pipeline, images.classes, chosen, sizes.timed),
        "speed_setting": speed_setting(),
    }
    return card, reference, samples


def drawn(
    pipeline: Any, classes: Sequence[str], count: int, scale: float, steps: int, *, seed: int, batch: int = 100
) -> tuple[Tensor, Tensor]:
    """Samples of "a photo of a ..." for each class in turn, in [0, 1], and their class numbers."""
    pipeline.set_progress_bar_config(disable=True)
    labels = torch.arange(len(classes)).repeat_interleave(max(1, count // len(classes)))
    generator = Generator().manual_seed(seed)
    parts = [
        pipeline(
            [prompts_of(classes[label])[_PHOTO] for label in some.tolist()],
            height=32,
            width=32,
            num_inference_steps=steps,
            guidance_scale=scale,
            generator=generator,
            output_type="pt",
        ).images.cpu()
        for some in labels.split(batch)
    ]
    return torch.cat(parts).float(), labels


def draw_samples(samples: Tensor, classes: int, path: Path, *, each: int = 8, enlarged: int = 3) -> None:
    """Write the first samples of each class as one picture, a row a class."""
    count = len(samples) // classes
    shown = samples.unflatten(0, (classes, count))[:, : min(each, count)].flatten(0, 1)
    pixels = shown.repeat_interleave(enlarged, 2).repeat_interleave(enlarged, 3)
    to_pil(grid(pixels, min(each, count)))[0].save(path, optimize=True)


def _pixels(images: Images) -> Tensor:
    return images.pixels.float() / 255


def _data(images: ImageData) -> dict[str, Any]:
    halves = {name: len(half) for name, half in images.halves.items()}
    return {"halves": halves, "validation": len(images.validation), "test": len(images.test)}


def _networks(pipeline: Any, classifiers: dict[str, ImageClassifier]) -> dict[str, Any]:
    parts = {"vae": pipeline.vae, "unet": pipeline.unet, "text_encoder": pipeline.text_encoder, **classifiers}
    return {name: sum(p.numel() for p in network.parameters()) for name, network in parts.items()}


def _reconstruction(vae: Any, test: Images, judge: ImageClassifier, reference: Moments) -> dict[str, Any]:
    found = decoded(vae, encoded(vae, test))
    errors = (found - _pixels(test)).square().mean((1, 2, 3))
    return {
        "n": len(test),
        "psnr": float((-10 * errors.log10()).mean()),
        "distance": frechet(moments_of(features_of(judge, found)), reference),
        "accuracy": accuracy(_logits(judge, found), test.labels),
        "scaling_factor": float(vae.config.scaling_factor),
    }


def _classifier(network: ImageClassifier, images: ImageData) -> dict[str, Any]:
    logits, labels = logits_of(network, images.test), images.test.labels
    return {
        "accuracy": accuracy(logits, labels),
        "nats": float(functional.cross_entropy(logits, labels)),
        "temperature": float(network.temperature),
        "each": [accuracy(logits[labels == label], labels[labels == label]) for label in range(len(images.classes))],
    }


def _tried(
    pipeline: Any,
    images: ImageData,
    classifiers: dict[str, ImageClassifier],
    reference: Moments,
    scale: float,
    sizes: Sizes,
) -> dict[str, Any]:
    samples, labels = drawn(pipeline, images.classes, sizes.tried, scale, sizes.steps, seed=0)
    return _quality(samples, labels, classifiers, reference)


def _quality(
    samples: Tensor, labels: Tensor, classifiers: dict[str, ImageClassifier], reference: Moments
) -> dict[str, Any]:
    answers = {name: _logits(network, samples) for name, network in classifiers.items()}
    judged = answers["judge"]
    each = [accuracy(judged[labels == label], labels[labels == label]) for label in labels.unique()]
    return {
        "n": len(samples),
        "distance": frechet(moments_of(features_of(classifiers["judge"], samples)), reference),
        "accuracy": {name: accuracy(found, labels) for name, found in answers.items()},
        "each": each,
    }


def _floor(images: ImageData, judge: ImageClassifier, reference: Moments, count: int) -> float:
    """The distance of so many training images that the judge was not trained on."""
    return frechet(moments_of(features_of(judge, _pixels(images.halves["guide"][:count]))), reference)


@torch.no_grad()
def _logits(network: ImageClassifier, images: Tensor, batch: int = 500) -> Tensor:
    return torch.cat([network(part).float() for part in images.split(batch)])


def _speed(pipeline: Any, classes: Sequence[str], scale: float, count: int) -> dict[str, Any]:
    drawn(pipeline, classes, count, scale, 2, seed=0)
    started = time.perf_counter()
    samples, _ = drawn(pipeline, classes, count, scale, 50, seed=0)
    return {"steps": 50, "n": len(samples), "seconds_each": (time.perf_counter() - started) / len(samples)}
