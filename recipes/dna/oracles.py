"""The two enhancer oracles: training, calibration and quality on held-out chromosomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from recipes.dna.data import EnhancerData
from recipes.sequence_denoiser import reverse_complement
from svdd.networks.sequences import SequenceClassifier
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train

__all__ = ["ORACLES", "calibrate", "oracle_quality", "train_oracle"]

ORACLES: dict[str, dict[str, Any]] = {
    "guide": {"channels": 64, "stages": 3, "kernel": 5, "stem_kernel": 15},
    "judge": {"channels": 80, "stages": 2, "kernel": 7, "stem_kernel": 11},
}
"""Shapes of the oracles; they differ, so that they do not share weaknesses of one shape."""

_SHUFFLED_SHARE = 8


def train_oracle(
    training: EnhancerData,
    validation: EnhancerData,
    settings: TrainingSettings,
    *,
    shape: dict[str, Any],
    batch_size: int = 128,
    checkpoint: Path | None = None,
) -> tuple[SequenceClassifier, TrainingResult]:
    """Train and calibrate an oracle.

    Output 0 is the log-odds of HepG2-only against K562-only, output 1 the base-10 logarithm of
    the total signal. One row in eight of a batch has its bases shuffled and the target 1/2:
    composition alone should not decide, and a decoder should gain nothing from it.

    Args:
        training: Sites to train on.
        validation: Sites to select the checkpoint on and to calibrate on.
        settings: Numbers of the run.
        shape: Sizes for `SequenceClassifier`.
        batch_size: Sites per step.
        checkpoint: File to write at evaluations and to resume from.

    Returns:
        The calibrated network and the history of its validation cross-entropy in nats.
    """
    with isolated_randomness(settings.seed):
        network = SequenceClassifier(outputs=2, dropout=0.2, both_strands=True, **shape)
    signal = training.signal
    target = torch.nan_to_num((signal - signal.mean()) / signal.std())

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        rows = torch.randint(len(training), (batch_size,), generator=generator)
        tokens, label = training.tokens[rows], training.label[rows]
        natural = torch.arange(batch_size) >= batch_size // _SHUFFLED_SHARE
        tokens = torch.where(natural[:, None], tokens, _shuffled(tokens, generator))
        flipped = torch.rand(batch_size, 1, generator=generator) < 0.5
        tokens = torch.where(flipped, reverse_complement(tokens), tokens)
        output = module(tokens).float()
        label = torch.where(natural, label, 0.5)
        classification = functional.binary_cross_entropy_with_logits(output[:, 0], label)
        regression = (output[natural, 1] - target[rows[natural]]).square().mean()
        return classification + 0.25 * regression

    def value_of(module: nn.Module) -> float:
        logit = _outputs(module, validation.tokens)[:, 0]
        return float(functional.binary_cross_entropy_with_logits(logit, validation.label))

    result = train(network, loss_of, value_of, settings, checkpoint)
    calibrate(network, validation)
    return network, result


def calibrate(network: SequenceClassifier, validation: EnhancerData) -> None:
    """Fit the output scale and shift on validation sites, in place.

    The logit gets Platt scaling (a logistic fit of the label), the signal a linear fit.
    """
    from scipy.optimize import minimize

    network.scale.fill_(1)
    network.shift.fill_(0)
    logit, signal = _outputs(network, validation.tokens).double().numpy().T
    label = validation.label.double().numpy()

    def cross_entropy(line: numpy.ndarray) -> float:
        scaled = line[0] * logit + line[1]
        return float((numpy.logaddexp(0, scaled) - label * scaled).mean())

    line = minimize(cross_entropy, numpy.array([1.0, 0.0]), method="Nelder-Mead").x
    fit = numpy.polyfit(signal, numpy.nan_to_num(validation.signal.numpy()), 1)
    network.scale.copy_(torch.tensor([line[0], fit[0]]))
    network.shift.copy_(torch.tensor([line[1], fit[1]]))


def oracle_quality(network: SequenceClassifier, test: EnhancerData) -> dict[str, Any]:
    """Measure an oracle on test sites.

    Returns:
        `n`, `auroc`, `accuracy`, `cross_entropy` (nats), `calibration_error` (expected, over
        ten equally filled bins), `reliability` (per bin: predicted, observed, n), and of the
        accessibility output `accessibility_pearson`, `accessibility_spearman` and the same
        Pearson correlation within each cell line.
    """
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import roc_auc_score

    logit, predicted = _outputs(network, test.tokens).numpy().T
    label, signal = test.label.numpy(), test.signal.numpy()
    chance = 1 / (1 + numpy.exp(-logit.astype(float)))
    reliability = _reliability(chance, label)
    quality = {
        "n": len(test),
        "auroc": float(roc_auc_score(label, logit)),
        "accuracy": float(((logit > 0) == (label == 1)).mean()),
        "cross_entropy": float((numpy.logaddexp(0, logit) - label * logit).mean()),
        "calibration_error": sum(abs(row["predicted"] - row["observed"]) * row["n"] for row in reliability) / len(test),
        "reliability": reliability,
    }
    if not numpy.isnan(signal).any():
        quality["accessibility_pearson"] = float(pearsonr(predicted, signal)[0])
        quality["accessibility_spearman"] = float(spearmanr(predicted, signal)[0])
        for name, rows in (("hepg2", label == 1), ("k562", label == 0)):
            correlation = float(pearsonr(predicted[rows], signal[rows])[0])
            quality[f"accessibility_pearson_{name}"] = correlation
    return quality


def _reliability(chance: numpy.ndarray, label: numpy.ndarray) -> list[dict[str, float]]:
    bins = numpy.array_split(numpy.argsort(chance, kind="stable"), 10)
    return [{"predicted": float(chance[b].mean()), "observed": float(label[b].mean()), "n": len(b)} for b in bins]


def _shuffled(tokens: Tensor, generator: Generator) -> Tensor:
    """Permute the bases of each row independently."""
    order = torch.rand(tokens.shape, generator=generator).argsort(dim=1)
    return tokens.gather(1, order)


@torch.no_grad()
def _outputs(network: nn.Module, tokens: Tensor) -> Tensor:
    return torch.cat([network(part) for part in tokens.split(256)]).float()
