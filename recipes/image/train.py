"""Train the bundled model of photographs: a latent diffusion model of CIFAR-10 as a diffusers pipeline, and its card.

    python -m recipes.image.train --data DIR --out DIR

DIR holds `cifar10_jpeg.npz` (see `recipes.image.data`). Needs the extra `svdd[recipes]`. A run that was stopped goes on
from the checkpoints in the output folder.

A diffusion model of 8x8 latents, since it costs a sixteenth of one of the pixels: a CPU core can train it in hours, and a
reward-guided run of it takes seconds. It is written as a `StableDiffusionPipeline`, so whatever works with it works with the
pipelines people use.
"""

from __future__ import annotations

import json
import shutil
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, cast

import torch
import typer
from safetensors.torch import load_file, save_file
from torch import Tensor

from recipes.image.autoencoder import encoded, make_autoencoder, train_autoencoder
from recipes.image.card import Sizes, measure_card
from recipes.image.card_text import draw_samples, draw_training, render_card
from recipes.image.classifiers import CLASSIFIERS, train_classifier
from recipes.image.data import ImageData, Images, read_images
from recipes.image.denoiser import TextDenoiser, train_denoiser, write_pipeline
from recipes.image.text import make_tokenizer
from recipes.outputs import write_card_files, write_history, write_trained
from svdd.domains.image.classifier import ImageClassifier
from svdd.domains.image.measures.features import write_moments
from svdd.networks.training import TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network

__all__ = ["NAME", "Stage", "main"]

NAME = "image-small"
"""Of the model, and of the folder in the output folder that holds all of it."""


class Stage(str, Enum):
    """What to run: one part of the recipe, or all of it in order."""

    autoencoder = "autoencoder"
    classifiers = "classifiers"
    denoiser = "denoiser"
    card = "card"
    all = "all"


def main(
    data: Annotated[Path, typer.Option(help="Folder with the images.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    stage: Annotated[Stage, typer.Option(help="Part to run.")] = Stage.all,
    autoencoder_steps: Annotated[int, typer.Option(help="Training steps of the autoencoder.")] = 2400,
    classifier_steps: Annotated[int, typer.Option(help="Training steps of each classifier.")] = 2400,
    steps: Annotated[int, typer.Option(help="Training steps of the denoiser.")] = 12_500,
    batch: Annotated[int, typer.Option(help="Images a training step of the denoiser.")] = 64,
    samples: Annotated[int, typer.Option(help="Samples that the card measures.")] = 2000,
    device: Annotated[str, typer.Option(help="Where the networks run.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Seed of the training runs.")] = 0,
) -> None:
    """Train the autoencoder, the classifiers and the denoiser of photographs, and write the model card."""
    out.mkdir(parents=True, exist_ok=True)
    images = read_images(data)
    if stage in (Stage.autoencoder, Stage.all):
        run_autoencoder(images, out, autoencoder_steps, device, seed)
    if stage in (Stage.classifiers, Stage.all):
        run_classifiers(images, out, classifier_steps, device, seed)
    if stage in (Stage.denoiser, Stage.all):
        settings = TrainingSettings(
            steps=steps,
            learning_rate=1e-3,
            warm_up=min(200, steps // 10),
            weight_decay=0.01,
            average_decay=0.999,
            evaluate_every=min(500, steps),
            seed=seed,
        )
        run_denoiser(images, out, settings, batch, device)
    if stage in (Stage.card, Stage.all):
        write_card(images, out, Sizes(samples=samples, tried=max(2 * len(images.classes), samples // 4)), device)


def run_autoencoder(images: ImageData, out: Path, steps: int, device: str, seed: int) -> None:
    """Train the autoencoder and write its folder and history."""
    settings = TrainingSettings(
        steps=steps,
        learning_rate=2e-3,
        warm_up=min(100, steps // 10),
        weight_decay=0.01,
        average_decay=0.995,
        evaluate_every=min(300, steps),
        seed=seed,
    )
    network: Any = make_autoencoder(seed).to(torch.device(device))
    result = train_autoencoder(
        images.train, images.validation, settings, network=network, checkpoint=out / "vae.checkpoint"
    )
    network.save_pretrained(out / "vae")
    write_history(out, "vae", settings, result)


def run_classifiers(images: ImageData, out: Path, steps: int, device: str, seed: int) -> None:
    """Train both classifiers and write their weights and histories."""
    for number, name in enumerate(CLASSIFIERS):
        settings = TrainingSettings(
            steps=steps,
            learning_rate=3e-3,
            warm_up=min(200, steps // 10),
            weight_decay=0.05,
            average_decay=0.998,
            evaluate_every=min(400, steps),
            seed=seed + number,
        )
        checkpoint = out / f"{name}.checkpoint"
        network, result = train_classifier(images, name, settings, device=device, checkpoint=checkpoint)
        write_trained(out, name, network.half(), settings, result)


def run_denoiser(images: ImageData, out: Path, settings: TrainingSettings, batch: int, device: str) -> None:
    """Train the UNet with its text encoder, and write the pipeline and the history."""
    from diffusers import AutoencoderKL

    with isolated_randomness(0):  # initial weights are drawn before the trained ones are read
        autoencoder: Any = AutoencoderKL.from_pretrained(out / "vae").eval().to(torch.device(device))
    tokenizer = make_tokenizer(images.classes, out / "tokenizer")
    network = TextDenoiser(images.classes, tokenizer, settings.seed).to(torch.device(device))
    result = train_denoiser(
        _latents(images.train, autoencoder, out),
        images.train.labels,
        (encoded(autoencoder, images.validation), images.validation.labels),
        settings,
        network=network,
        batch_size=batch,
        checkpoint=out / "unet.checkpoint",
    )
    write_pipeline(network, tokenizer, autoencoder, out / NAME)
    write_history(out, "unet", settings, result)


def _latents(images: Images, autoencoder: Any, out: Path) -> Tensor:
    """Latents of images and of their mirror images, computed once."""
    file = out / "latents.safetensors"
    if not file.exists():
        mirrored = Images(images.pixels.flip(-1), images.labels)
        both = torch.stack([encoded(autoencoder, images), encoded(autoencoder, mirrored)])
        save_file({"latents": both.half().contiguous()}, file)
    return load_file(file)["latents"]


def write_card(images: ImageData, out: Path, sizes: Sizes, device: str) -> None:
    """Measure the trained networks, and write the card, samples and the test set's statistics into the model's folder."""
    from diffusers import StableDiffusionPipeline

    folder = out / NAME
    classifiers = {
        name: cast(ImageClassifier, load_network(out / f"{name}.safetensors").float()) for name in CLASSIFIERS
    }
    for name in CLASSIFIERS:
        shutil.copy(out / f"{name}.safetensors", folder)
    with isolated_randomness(0):
        pipeline = StableDiffusionPipeline.from_pretrained(folder).to(device)
    runs = {name: json.loads((out / f"{name}.history.json").read_text()) for name in ("vae", "unet", *CLASSIFIERS)}
    card, reference, samples = measure_card(images, pipeline, classifiers, runs, sizes)
    write_moments(reference, folder / "reference.npz")
    draw_samples(samples, len(images.classes), folder / "samples.png")
    write_card_files(folder, card, None, render_card(card), draw_training(card))


if __name__ == "__main__":
    typer.run(main)
