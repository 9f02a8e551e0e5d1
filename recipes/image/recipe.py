"""The bundled model of photographs: a latent diffusion model of CIFAR-10 as a diffusers pipeline.

The data folder holds `cifar10_jpeg.npz` (see `recipes.image.data`). Needs the extra `svdd[recipes]`.

A diffusion model of 8x8 latents, since it costs a sixteenth of one of the pixels: a CPU core can train it in hours, and a
reward-guided run of it takes seconds. It is written as a `StableDiffusionPipeline`, so whatever works with it works with the
pipelines people use.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recipes.cards import Card, Panel
from recipes.image.autoencoder import encoded, make_autoencoder, train_autoencoder
from recipes.image.card import Sizes, draw_samples, measure_card
from recipes.image.classifiers import CLASSIFIERS, train_classifier
from recipes.image.data import ImageData, Images, read_images
from recipes.image.denoiser import TextDenoiser, train_denoiser, write_pipeline
from recipes.image.text import make_tokenizer
from recipes.trainer import Options, Recipe, Step, option
from svdd.domains.image.classifier import ImageClassifier
from svdd.domains.image.measures.features import write_moments
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network

__all__ = ["NAME", "RECIPE", "ImageOptions"]

NAME = "image-small"
"""Of the model, and of the folder in the output folder that holds all of it."""


@dataclass(frozen=True)
class ImageOptions(Options):
    """What a user chooses of this recipe."""

    autoencoder_steps: int = option(2400, "Training steps of the autoencoder.")
    classifier_steps: int = option(2400, "Training steps of each classifier.")
    steps: int = option(12_500, "Training steps of the denoiser.")
    batch: int = option(64, "Images per training step of the denoiser.")
    samples: int = option(2000, "Samples that the card measures.")
    device: str = option("cpu", "Where the networks run.")


def _read(options: ImageOptions) -> ImageData:
    return read_images(options.data)


def _autoencoder_settings(options: ImageOptions) -> TrainingSettings:
    steps = options.autoencoder_steps
    return TrainingSettings(
        steps=steps,
        learning_rate=2e-3,
        warm_up=min(100, steps // 10),
        weight_decay=0.01,
        average_decay=0.995,
        evaluate_every=min(300, steps),
        seed=options.seed,
    )


def _train_autoencoder(
    images: ImageData, options: ImageOptions, settings: TrainingSettings, checkpoint: Path
) -> tuple[Any, TrainingResult]:
    network = make_autoencoder(settings.seed).to(torch.device(options.device))
    return network, train_autoencoder(images.train, images.validation, settings, network=network, checkpoint=checkpoint)


def _write_autoencoder(network: Any, out: Path, name: str) -> None:
    network.save_pretrained(out / name)


def _classifier(name: str, number: int) -> Step:
    def settings_of(options: ImageOptions) -> TrainingSettings:
        steps = options.classifier_steps
        return TrainingSettings(
            steps=steps,
            learning_rate=3e-3,
            warm_up=min(200, steps // 10),
            weight_decay=0.05,
            average_decay=0.998,
            evaluate_every=min(400, steps),
            seed=options.seed + number,
        )

    def train(
        images: ImageData, options: ImageOptions, settings: TrainingSettings, checkpoint: Path
    ) -> tuple[ImageClassifier, TrainingResult]:
        network, result = train_classifier(images, name, settings, device=options.device, checkpoint=checkpoint)
        return network.half(), result

    return Step(name, settings_of, train)


def _denoiser_settings(options: ImageOptions) -> TrainingSettings:
    return TrainingSettings(
        steps=options.steps,
        learning_rate=1e-3,
        warm_up=min(200, options.steps // 10),
        weight_decay=0.01,
        average_decay=0.999,
        evaluate_every=min(500, options.steps),
        seed=options.seed,
    )


def _train_denoiser(
    images: ImageData, options: ImageOptions, settings: TrainingSettings, checkpoint: Path
) -> tuple[TextDenoiser, TrainingResult]:
    """Train the UNet with its text encoder, on latents of the trained autoencoder."""
    autoencoder = _read_autoencoder(options.out).to(torch.device(options.device))
    tokenizer = make_tokenizer(images.classes, options.out / "tokenizer")
    network = TextDenoiser(images.classes, tokenizer, settings.seed).to(torch.device(options.device))
    result = train_denoiser(
        _latents(images.train, autoencoder, options.out),
        images.train.labels,
        (encoded(autoencoder, images.validation), images.validation.labels),
        settings,
        network=network,
        batch_size=options.batch,
        checkpoint=checkpoint,
    )
    return network, result


def _read_autoencoder(out: Path) -> Any:
    from diffusers import AutoencoderKL

    with isolated_randomness(0):  # initial weights are drawn before the trained ones are read
        return AutoencoderKL.from_pretrained(out / "vae").eval()


def _latents(images: Images, autoencoder: Any, out: Path) -> Tensor:
    """Latents of images and of their mirror images, computed once."""
    file = out / "latents.safetensors"
    if not file.exists():
        mirrored = Images(images.pixels.flip(-1), images.labels)
        both = torch.stack([encoded(autoencoder, images), encoded(autoencoder, mirrored)])
        save_file({"latents": both.half().contiguous()}, file)
    return load_file(file)["latents"]


def _write_pipeline(network: TextDenoiser, out: Path, name: str) -> None:
    write_pipeline(network, _read_autoencoder(out), out / NAME)


def _measure(images: ImageData, options: ImageOptions, histories: dict[str, Any]) -> dict[str, Any]:
    """Measure the trained networks, and write the classifiers, samples and the test set's statistics beside the pipeline."""
    from diffusers import StableDiffusionPipeline

    out, folder = options.out, options.out / NAME
    for name in CLASSIFIERS:
        shutil.copy(out / f"{name}.safetensors", folder)
    classifiers = {
        name: cast(ImageClassifier, load_network(out / f"{name}.safetensors").float()) for name in CLASSIFIERS
    }
    with isolated_randomness(0):
        pipeline = StableDiffusionPipeline.from_pretrained(folder).to(options.device)
    sizes = Sizes(samples=options.samples, tried=max(2 * len(images.classes), options.samples // 4))
    card, reference, samples = measure_card(images, pipeline, classifiers, histories, sizes)
    write_moments(reference, folder / "reference.npz")
    draw_samples(samples, len(images.classes), folder / "samples.png")
    return card


RECIPE = Recipe(
    about=__doc__,
    options=ImageOptions,
    read=_read,
    stages={
        "autoencoder": [Step("vae", _autoencoder_settings, _train_autoencoder, write=_write_autoencoder)],
        "classifiers": [_classifier(name, number) for number, name in enumerate(CLASSIFIERS)],
        "denoiser": [Step("unet", _denoiser_settings, _train_denoiser, write=_write_pipeline)],
    },
    measure=_measure,
    card=Card(
        Path(__file__).with_name("card.md.j2"),
        [
            Panel("absolute error", ["vae"], training=True),
            Panel("squared error of the velocity", ["unet"], training=True),
            Panel("share wrong", list(CLASSIFIERS)),
        ],
    ),
    folder=NAME,
)
