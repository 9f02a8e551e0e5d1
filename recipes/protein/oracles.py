"""The two oracles of miniprotein stability: training, calibration and quality on held-out families."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from recipes.measures import regression_quality
from recipes.protein.data import StabilityData
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.ensembles import SequenceEnsemble
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train

__all__ = ["ORACLES", "STABLE", "calibrate", "oracle_quality", "predicted", "train_oracle"]

_SHAPE = {"vocabulary": len(PROTEIN), "dropout": 0.3}
ORACLES: dict[str, dict[str, Any]] = {
    "guide": _SHAPE | {"channels": 48, "stages": 1, "kernel": 7, "stem_kernel": 7},
    "judge": _SHAPE | {"channels": 32, "stages": 2, "kernel": 5, "stem_kernel": 9},
}
"""Shapes of the members; they differ, so that the oracles do not share weaknesses of one shape."""

MEMBERS = 5
STABLE = 1.0
"""Score from which on the paper calls a design stable: ten times the EC50 predicted for the unfolded chain."""


def train_oracle(
    training: StabilityData,
    validation: StabilityData,
    settings: TrainingSettings,
    *,
    shape: dict[str, Any],
    members: int = MEMBERS,
    batch_size: int = 128,
    checkpoint: Path | None = None,
    device: str = "cpu",
) -> tuple[SequenceEnsemble, TrainingResult]:
    """Train and calibrate an ensemble by squared error on standardised scores; its members see different batches.

    Args:
        training: Constructs to train on; a batch is of one length, which is drawn by its rows.
        validation: Constructs to select the checkpoint on and to calibrate on.
        settings: Numbers of the run.
        shape: Sizes for `SequenceClassifier`.
        members: Networks of the ensemble.
        batch_size: Constructs per step and member.
        checkpoint: File to write at evaluations and to resume from.
        device: Where to train.

    Returns:
        The calibrated ensemble and the history of the validation error of its mean as a share of the variance, 1 - R2.
    """
    with isolated_randomness(settings.seed):
        network = SequenceEnsemble(members, shape=shape).to(device)
    mean, deviation = training.stability.mean(), training.stability.std()
    lengths = [training.of_length(length) for length in training.lengths]
    batches = [(one.tokens.to(device), ((one.stability - mean) / deviation).to(device)) for one in lengths]
    counts = torch.tensor([float(len(one)) for one in lengths])
    wanted = (validation.stability - mean) / deviation

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        tokens, targets = batches[int(torch.multinomial(counts, 1, generator=generator))]
        losses = []
        for member in cast(SequenceEnsemble, module).members:
            rows = torch.randint(len(tokens), (batch_size,), generator=generator)
            losses.append((member(tokens[rows])[:, 0].float() - targets[rows]).square().mean())
        return torch.stack(losses).mean()

    def value_of(module: nn.Module) -> float:
        return float(
            (predicted(cast(SequenceEnsemble, module), validation).mean(1) - wanted).square().mean() / wanted.var()
        )

    result = train(network, loss_of, value_of, settings, checkpoint)
    calibrate(network, validation)
    return network, result


@torch.no_grad()
def predicted(network: SequenceEnsemble, data: StabilityData) -> Tensor:
    """Each member's number, float32, shape (n, members)."""
    device = next(network.parameters()).device
    lengths = torch.tensor([len(text) for text in data.sequences])
    found = torch.empty(len(data), len(network.members))
    for length in data.lengths:
        tokens = data.of_length(length).tokens.to(device)
        found[lengths == length] = torch.cat([network(part) for part in tokens.split(512)]).float().cpu()
    return found


def calibrate(network: SequenceEnsemble, validation: StabilityData) -> None:
    """Fit one scale and shift for all members, so that their mean is a least-squares guess on validation families."""
    network.scale.fill_(1)
    network.shift.fill_(0)
    raw = predicted(network, validation).mean(1).double().numpy()
    slope, intercept = numpy.polyfit(raw, validation.stability.double().numpy(), 1)
    network.scale.fill_(float(slope))
    network.shift.fill_(float(intercept))


def oracle_quality(guess: NDArray[Any], data: StabilityData) -> dict[str, Any]:
    """`regression_quality` of guessed scores, and `auroc` of whether a construct is stable."""
    from sklearn.metrics import roc_auc_score

    measured = data.stability.double().numpy()
    return regression_quality(guess, measured) | {"auroc": float(roc_auc_score(measured > STABLE, guess))}
