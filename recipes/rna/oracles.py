"""The two oracles of mean ribosome load: training, calibration and quality on held-out 5'UTRs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Generator, Tensor, nn

from recipes.rna.data import LENGTH, UtrData
from svdd.networks.regressors import ConvolutionalRegressor
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train

__all__ = ["ORACLES", "calibrate", "predicted", "train_oracle"]

ORACLES: dict[str, dict[str, Any]] = {
    "guide": {"channels": 128, "layers": 3, "kernel": 7, "hidden": 40, "dropout": 0.2},
    "judge": {"channels": 96, "layers": 4, "kernel": 5, "hidden": 64, "dropout": 0.3},
}
"""Shapes of the oracles; they differ, so that they do not share weaknesses of one shape."""


def train_oracle(
    training: UtrData,
    validation: UtrData,
    settings: TrainingSettings,
    *,
    shape: dict[str, Any],
    batch_size: int = 128,
    checkpoint: Path | None = None,
) -> tuple[ConvolutionalRegressor, TrainingResult]:
    """Train and calibrate an oracle by squared error on standardised loads.

    Args:
        training: 5'UTRs to train on.
        validation: 5'UTRs to select the checkpoint on and to calibrate on.
        settings: Numbers of the run.
        shape: Sizes for `ConvolutionalRegressor`.
        batch_size: 5'UTRs per step.
        checkpoint: File to write at evaluations and to resume from.

    Returns:
        The calibrated network and the history of its validation error as a share of the variance, 1 - R2.
    """
    with isolated_randomness(settings.seed):
        network = ConvolutionalRegressor(length=LENGTH, **shape)
    target = (training.load - training.load.mean()) / training.load.std()
    wanted = (validation.load - training.load.mean()) / training.load.std()

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        rows = torch.randint(len(training), (batch_size,), generator=generator)
        return (module(training.tokens[rows])[:, 0].float() - target[rows]).square().mean()

    def value_of(module: nn.Module) -> float:
        return float((predicted(module, validation.tokens) - wanted).square().mean() / wanted.var())

    result = train(network, loss_of, value_of, settings, checkpoint)
    calibrate(network, validation)
    return network, result


def calibrate(network: ConvolutionalRegressor, validation: UtrData) -> None:
    """Fit the output's scale and shift on validation 5'UTRs by least squares, in place: ribosomes per mRNA."""
    network.scale.fill_(1)
    network.shift.fill_(0)
    raw = predicted(network, validation.tokens).double().numpy()
    slope, intercept = numpy.polyfit(raw, validation.load.double().numpy(), 1)
    network.scale.fill_(float(slope))
    network.shift.fill_(float(intercept))


@torch.no_grad()
def predicted(network: nn.Module, tokens: Tensor) -> Tensor:
    """Output 0 for tokens (n, 50), shape (n,)."""
    return torch.cat([network(part)[:, 0] for part in tokens.split(512)]).float()
