"""The autoencoder of photographs: 32x32 pixels to 8x8 latents of unit variance, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from recipes.image.data import Images, flipped_at_random
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train

__all__ = ["AUTOENCODER", "decoded", "encoded", "make_autoencoder", "reconstruction_loss", "train_autoencoder"]

AUTOENCODER: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "block_out_channels": (16, 32, 64),
    "layers_per_block": 1,
    "latent_channels": 6,
    "norm_num_groups": 8,
    "sample_size": 32,
    "mid_block_add_attention": False,
}
"""Sizes for diffusers' `AutoencoderKL`: 384 latents for 3072 pixels."""

_KL = 1e-3


def make_autoencoder(seed: int, **changes: Any) -> nn.Module:
    """An untrained `AutoencoderKL`."""
    from diffusers import AutoencoderKL

    with isolated_randomness(seed):
        return AutoencoderKL(**AUTOENCODER | changes)


def reconstruction_loss(network: Any, images: Tensor, generator: Generator) -> Tensor:
    """The mean absolute error of drawn latents' reconstructions, with a small price on what the latents tell.

    loss = |x - D(z)| + 0.001 KL(q(z | x) || N(0, 1)) / pixels,   z ~ q(z | x)
    """
    latents = network.encode(images).latent_dist
    noise = torch.randn(latents.mean.shape, generator=generator).to(images.device)
    found = network.decode(latents.mean + latents.std * noise).sample
    told = latents.kl().float().mean() / images[0].numel()
    return (found.float() - images).abs().mean() + _KL * told


def train_autoencoder(
    training: Images,
    validation: Images,
    settings: TrainingSettings,
    *,
    network: nn.Module,
    batch_size: int = 32,
    checkpoint: Path | None = None,
) -> TrainingResult:
    """Train an autoencoder in place, and set its scaling factor so that latents have unit variance.

    Args:
        training: Images to train on; mirrored at random.
        validation: Images on which the best weights are chosen.
        settings: Numbers of the run.
        network: Autoencoder to train, on the device to train on.
        batch_size: Images per step.
        checkpoint: File to write at evaluations and to resume from.

    Returns:
        The history of the run in mean absolute error, of pixels in [-1, 1], with the price of the latents.
    """
    device = next(network.parameters()).device

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        rows = torch.randint(len(training), (batch_size,), generator=generator)
        images = flipped_at_random(training[rows].scaled(), generator)
        return reconstruction_loss(module, images.to(device), generator)

    def value_of(module: nn.Module) -> float:
        generator = Generator().manual_seed(1)
        parts = validation.scaled().split(250)
        losses = [reconstruction_loss(module, part.to(device), generator) * len(part) for part in parts]
        return float(sum(losses, torch.zeros(()))) / len(validation)

    result = train(network, loss_of, value_of, settings, checkpoint)
    network.register_to_config(scaling_factor=1 / float(_means(network, validation).std()))  # type: ignore[operator]
    return result


@torch.no_grad()
def _means(network: Any, images: Images, batch: int = 250) -> Tensor:
    device = next(network.parameters()).device
    return torch.cat([network.encode(x.to(device)).latent_dist.mean.cpu() for x in images.scaled().split(batch)])


def encoded(network: Any, images: Images) -> Tensor:
    """The latents of images as the diffusion model sees them, of unit variance, on the CPU, shape (n, 6, 8, 8)."""
    return _means(network, images) * network.config.scaling_factor


@torch.no_grad()
def decoded(network: Any, latents: Tensor, batch: int = 250) -> Tensor:
    """The images of latents, in [0, 1], on the CPU, shape (n, 3, 32, 32)."""
    device = next(network.parameters()).device
    scaled = latents.to(device) / network.config.scaling_factor
    images = torch.cat([network.decode(part).sample.cpu() for part in scaled.split(batch)])
    return (images / 2 + 0.5).clamp(0, 1)
