"""The oracle of RNA stability: reading measured degradation, training, and quality beside simpler predictors.

The data are the 81-letter designs of the OpenVaccine challenge (Wayment-Steele et al. 2022, Nature Machine Intelligence
4:1174) with one standardised degradation each and a split, as the CodonBERT project (github.com/Sanofi-Public/CodonBERT)
prepared them; a user gets the table from its benchmarks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from recipes.measures import regression_quality
from svdd.domains.rna.folding import as_rna, minimum_free_energy, unpaired
from svdd.domains.sequence.alphabets import RNA
from svdd.domains.sequence.distances import kmer_counts, nearest_edit_distance
from svdd.networks.sequences import SequenceClassifier
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train

if TYPE_CHECKING:
    import pandas

__all__ = ["SHAPE", "read_degradation", "stability_quality", "train_stability"]

SHAPE: dict[str, Any] = {"channels": 48, "stages": 2, "kernel": 5, "stem_kernel": 7, "dropout": 0.2}
"""Sizes of the oracle; pooled, so that it reads any length."""

_CLIP = 3.0


def read_degradation(path: str | Path) -> dict[str, pandas.DataFrame] | None:
    """Read the table and split it as it says, None if the folder has none.

    Args:
        path: The file, or a folder with one: a CSV with columns `Sequence`, `Value` and `Split` (train, val or test).

    Returns:
        The parts `train`, `val` and `test`, with columns `Sequence` and `Value`.
    """
    import pandas

    path = Path(path)
    for file in sorted(path.glob("*.csv*")) if path.is_dir() else [path] if ".csv" in path.name else []:
        if {"Sequence", "Value", "Split"} <= set(pandas.read_csv(file, nrows=0).columns):
            table = pandas.read_csv(file)
            table["Sequence"] = as_rna(table["Sequence"].tolist())
            return {name: table[table["Split"] == name].reset_index(drop=True) for name in ("train", "val", "test")}
    return None


def train_stability(
    parts: dict[str, pandas.DataFrame],
    settings: TrainingSettings,
    *,
    batch_size: int = 64,
    checkpoint: Path | None = None,
) -> tuple[SequenceClassifier, TrainingResult]:
    """Train the oracle to predict minus the standardised degradation.

    Training targets are clipped to 3 standard deviations, and the error is absolute beyond 1: the measurements have heavy
    tails.

    Returns:
        The network and the history of its validation error as a share of the variance, 1 - R2.
    """
    with isolated_randomness(settings.seed):
        network = SequenceClassifier(**SHAPE)
    tokens = {name: RNA.encode(parts[name]["Sequence"].tolist()) for name in ("train", "val")}
    stable = {name: torch.tensor(-parts[name]["Value"].to_numpy(), dtype=torch.float32) for name in ("train", "val")}
    target = stable["train"].clamp(-_CLIP, _CLIP)

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        rows = torch.randint(len(target), (batch_size,), generator=generator)
        return functional.smooth_l1_loss(module(tokens["train"][rows])[:, 0].float(), target[rows])

    def value_of(module: nn.Module) -> float:
        error = module(tokens["val"])[:, 0].float() - stable["val"]
        return float(error.square().mean() / stable["val"].var())

    return network, train(network, loss_of, value_of, settings, checkpoint)


def stability_quality(network: SequenceClassifier, parts: dict[str, pandas.DataFrame]) -> dict[str, Any]:
    """Measure the oracle on the test part, beside ridge regression and boosted trees.

    Returns:
        `n`; `parameters`; `r2` and `spearman` of the `network` and of the `others`; the same of the network on the
        half of the test rows that is `far` from every training row, and the median edit distance to the nearest; and
        `unpaired_spearman`, of measured stability with the share of letters that ViennaRNA leaves unpaired.
    """
    from scipy.stats import spearmanr

    train_, test = parts["train"], parts["test"]
    sequences, stable = test["Sequence"].tolist(), -test["Value"].to_numpy()
    with torch.no_grad():
        guess = network(RNA.encode(sequences))[:, 0].numpy()
    distance = nearest_edit_distance(sequences, train_["Sequence"].tolist())
    far = distance >= numpy.median(distance)
    known, asked = _features(train_["Sequence"].tolist()), _features(sequences)
    others = _fitted(known, -train_["Value"].to_numpy(), asked)
    return {
        "n": len(test),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "network": _quality(guess, stable),
        "others": {name: _quality(values, stable) for name, values in others.items()},
        "nearest_training_distance": float(numpy.median(distance)),
        "far": {"n": int(far.sum()), **_quality(guess[far], stable[far])},
        "unpaired_spearman": float(spearmanr(asked[:, -1], stable)[0]),
    }


def _quality(guess: NDArray[Any], measured: NDArray[Any]) -> dict[str, float]:
    quality = regression_quality(guess, measured)
    return {name: quality[name] for name in ("r2", "spearman")}


def _features(sequences: list[str]) -> NDArray[Any]:
    """Counts of words of 1 to 3 letters, then free energy, unpaired share of each letter, and of all."""
    words = [numpy.concatenate([kmer_counts([text], k, alphabet="ACGU") for k in (1, 2, 3)]) for text in sequences]
    energy = minimum_free_energy(sequences)[1]
    chances = unpaired(sequences)
    of_letters = [
        [chance[[letter == found for found in text]].sum() for letter in "ACGU"]
        for text, chance in zip(sequences, chances, strict=True)
    ]
    return numpy.column_stack([words, energy, of_letters, [chance.mean() for chance in chances]])


def _fitted(known: NDArray[Any], stable: NDArray[Any], asked: NDArray[Any]) -> dict[str, NDArray[Any]]:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ridge = make_pipeline(StandardScaler(), RidgeCV(numpy.logspace(-1, 5, 20)))
    boosting = HistGradientBoostingRegressor(max_iter=200, learning_rate=0.05, random_state=0)
    models = {"ridge": ridge, "boosted trees": boosting}
    return {name: model.fit(known, stable).predict(asked) for name, model in models.items()}
