"""The text-conditioned latent diffusion model of photographs: its objective, and its pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from recipes.image.text import TEMPLATES, make_text_encoder, prompts_of, some_prompts, tokens_of
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train

__all__ = ["SCHEDULER", "UNET", "TextDenoiser", "make_scheduler", "train_denoiser", "velocity_error", "write_pipeline"]

UNET: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 6,
    "out_channels": 6,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (96, 160),
    "layers_per_block": 1,
    "norm_num_groups": 16,
    "cross_attention_dim": 64,
    "attention_head_dim": 4,  # diffusers means the number of heads
    "addition_embed_type": "text",  # the prompt is added to the time embedding too: blocks without attention see it
    "addition_embed_type_num_heads": 4,
}
"""Sizes for diffusers' `UNet2DConditionModel`: what a core learns best in hours."""

SCHEDULER: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
"""Settings for diffusers' `DDIMScheduler`, those of Stable Diffusion."""

_EMPTY = 0.1


def make_scheduler() -> Any:
    """The noise schedule of training, and the default sampler."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(**SCHEDULER)


class TextDenoiser(nn.Module):
    """A UNet and the text encoder of its prompts, which are trained together.

    Args:
        classes: Names of the classes.
        tokenizer: What turns prompts into tokens.
        seed: Seed of the initial weights.
        **changes: To the sizes of the UNet.
    """

    tokens: Tensor

    def __init__(self, classes: Sequence[str], tokenizer: Any, seed: int, **changes: Any) -> None:
        from diffusers import UNet2DConditionModel

        super().__init__()
        self.tokenizer = tokenizer
        with isolated_randomness(seed):
            self.unet = UNet2DConditionModel(**UNET | changes)
        self.text_encoder = make_text_encoder(tokenizer, seed)
        prompts = [prompt for name in classes for prompt in prompts_of(name)]
        self.register_buffer("tokens", tokens_of(tokenizer, [*prompts, ""]), persistent=False)

    def forward(self, noisy: Tensor, steps: Tensor, prompts: Tensor) -> Tensor:
        """The velocity of noisy latents (n, 6, 8, 8) at steps (n,) under training prompts by number (n,)."""
        texts = self.text_encoder(self.tokens)[0]  # of all training prompts: they are fewer than a batch
        return self.unet(noisy, steps, texts[prompts]).sample  # type: ignore[no-any-return]


def velocity_error(
    network: nn.Module, latents: Tensor, prompts: Tensor, alphas: Tensor, generator: Generator
) -> Tensor:
    """The mean squared error of the velocity at steps drawn one in each of n equal strata.

    error = E |v - v_hat(a x_0 + b e, t)|^2,   v = a e - b x_0,   a^2 = alpha_bar_t = 1 - b^2
    """
    rows = len(latents)
    strata = torch.randperm(rows, generator=generator) + torch.rand(rows, generator=generator)
    steps = (strata / rows * len(alphas)).long()
    noise = torch.randn(latents.shape, generator=generator).to(latents.device)
    signal = alphas[steps].to(latents.device).sqrt()[:, None, None, None]
    spread = (1 - signal**2).sqrt()
    found = network(signal * latents + spread * noise, steps.to(latents.device), prompts.to(latents.device))
    return (found.float() - (signal * noise - spread * latents)).square().mean()


def train_denoiser(
    latents: Tensor,
    labels: Tensor,
    validation: tuple[Tensor, Tensor],
    settings: TrainingSettings,
    *,
    network: TextDenoiser,
    batch_size: int = 64,
    checkpoint: Path | None = None,
) -> TrainingResult:
    """Train a UNet and its text encoder in place, on the device they are on.

    Args:
        latents: Of the training images and of their mirror images, shape (2, n, 6, 8, 8).
        labels: Their classes, shape (n,).
        validation: Latents (m, 6, 8, 8) and classes (m,) on which the best weights are chosen.
        settings: Numbers of the run.
        network: What to train.
        batch_size: Latents per step.
        checkpoint: File to write at evaluations and to resume from.

    Returns:
        The history of the run in squared error of the velocity; the network has its best averaged weights.
    """
    device = next(network.parameters()).device
    alphas = make_scheduler().alphas_cumprod
    classes = len(network.tokens) // len(TEMPLATES)

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        rows = torch.randint(len(labels), (batch_size,), generator=generator)
        mirrored = torch.randint(2, (batch_size,), generator=generator)
        prompts = some_prompts(classes, labels[rows], _EMPTY, generator)
        return velocity_error(module, latents[mirrored, rows].float().to(device), prompts, alphas, generator)

    def value_of(module: nn.Module) -> float:
        generator, total = Generator().manual_seed(1), 0.0
        for some, their in zip(validation[0].split(250), validation[1].split(250), strict=True):
            prompts = some_prompts(classes, their, 0.0, generator)
            total += len(some) * float(velocity_error(module, some.float().to(device), prompts, alphas, generator))
        return total / len(validation[1])

    return train(network, loss_of, value_of, settings, checkpoint)


def write_pipeline(network: TextDenoiser, autoencoder: Any, folder: Path) -> None:
    """Write a `StableDiffusionPipeline`, in float16 but for the text encoder.

    Without a `torch_dtype` diffusers reads all weights as float32, but transformers as the file has them.
    """
    from diffusers import StableDiffusionPipeline

    autoencoder.register_to_config(_name_or_path=None)  # the folder that it was read from is in no published file
    pipeline = StableDiffusionPipeline(
        vae=autoencoder.half(),
        text_encoder=network.text_encoder.float(),
        tokenizer=network.tokenizer,
        unet=network.unet.half(),
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
