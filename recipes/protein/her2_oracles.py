"""The two oracles of HER2 binding: training, calibration and quality on held-out groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from recipes.protein.her2_data import BindingData
from svdd.domains.protein.rewards.her2 import RESIDUES
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.networks.regressors import ConvolutionalRegressor
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train

__all__ = ["ORACLES", "calibrate", "oracle_quality", "predicted", "train_oracle"]

_SHAPE = {"vocabulary": len(PROTEIN), "length": RESIDUES, "bins": RESIDUES}
ORACLES: dict[str, dict[str, Any]] = {
    "guide": _SHAPE | {"channels": 32, "layers": 1, "kernel": 3, "hidden": 64, "dropout": 0.3},
    "judge": _SHAPE | {"channels": 64, "layers": 2, "kernel": 5, "hidden": 64, "dropout": 0.4},
}
"""Shapes of the oracles; they differ, so that they do not share weaknesses of one shape."""


def train_oracle(
    training: BindingData,
    validation: BindingData,
    settings: TrainingSettings,
    *,
    shape: dict[str, Any],
    batch_size: int = 256,
    checkpoint: Path | None = None,
) -> tuple[ConvolutionalRegressor, TrainingResult]:
    """Train and calibrate an oracle by cross-entropy; its output is the log-odds of binding.

    Args:
        training: Variants to train on.
        validation: Variants to select the checkpoint on and to calibrate on.
        settings: Numbers of the run.
        shape: Sizes for `ConvolutionalRegressor`.
        batch_size: Variants per step.
        checkpoint: File to write at evaluations and to resume from.

    Returns:
        The calibrated network and the history of its validation cross-entropy in nats.
    """
    with isolated_randomness(settings.seed):
        network = ConvolutionalRegressor(**shape)
    tokens = training.tokens

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        rows = torch.randint(len(training), (batch_size,), generator=generator)
        return functional.binary_cross_entropy_with_logits(module(tokens[rows])[:, 0].float(), training.binds[rows])

    def value_of(module: nn.Module) -> float:
        return float(functional.binary_cross_entropy_with_logits(predicted(module, validation), validation.binds))

    result = train(network, loss_of, value_of, settings, checkpoint)
    calibrate(network, validation)
    return network, result


@torch.no_grad()
def predicted(network: nn.Module, data: BindingData) -> Tensor:
    """The log-odds of each variant, float32, shape (n,)."""
    return torch.cat([network(part)[:, 0] for part in data.tokens.split(1024)]).float()


def calibrate(network: ConvolutionalRegressor, validation: BindingData) -> None:
    """Fit the output's scale and shift on validation variants by a logistic line, in place (Platt scaling)."""
    from scipy.optimize import minimize

    network.scale.fill_(1)
    network.shift.fill_(0)
    raw, binds = predicted(network, validation).double().numpy(), validation.binds.double().numpy()
    line = minimize(lambda line: _cross_entropy(line[0] * raw + line[1], binds), [1.0, 0.0], method="Nelder-Mead").x
    network.scale.fill_(float(line[0]))
    network.shift.fill_(float(line[1]))


def oracle_quality(guess: NDArray[Any], test: BindingData) -> dict[str, Any]:
    """Measure log-odds of test variants.

    Returns:
        `n`, `auroc`, `average_precision`, `accuracy`, `cross_entropy` (nats) and `reliability`: over ten equally filled bins
        the mean chance, the share that binds and the number.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    binds, chance = test.binds.double().numpy(), 1 / (1 + numpy.exp(-guess))
    bins = numpy.array_split(numpy.argsort(chance, kind="stable"), 10)
    return {
        "n": len(test),
        "auroc": float(roc_auc_score(binds, guess)),
        "average_precision": float(average_precision_score(binds, guess)),
        "accuracy": float(((guess > 0) == (binds == 1)).mean()),
        "cross_entropy": _cross_entropy(guess, binds),
        "reliability": [
            {"predicted": float(chance[b].mean()), "observed": float(binds[b].mean()), "n": len(b)} for b in bins
        ],
    }


def _cross_entropy(logits: NDArray[Any], binds: NDArray[Any]) -> float:
    return float((numpy.logaddexp(0, logits) - binds * logits).mean())
