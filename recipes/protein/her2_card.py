"""Everything the card of HER2 binding says, measured."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from numpy.typing import NDArray

from recipes.measures import agreement, describe, quantiles, speed, speed_setting
from recipes.protein.her2_data import BindingData
from recipes.protein.her2_oracles import oracle_quality, predicted
from svdd.domains.protein.rewards.her2 import NATIVE, RESIDUES, Her2Binding
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.networks.regressors import ConvolutionalRegressor

__all__ = ["measure_card"]

_FAR = 3
"""Changes from the nearest training variant, from which on a variant is called far."""


def measure_card(
    parts: dict[str, BindingData], oracles: dict[str, ConvolutionalRegressor], histories: dict[str, Any]
) -> dict[str, Any]:
    """Measure every number of the card.

    Args:
        parts: The split data.
        oracles: The networks `guide` and `judge`.
        histories: Settings and history of each training run.

    Returns:
        A JSON-able record, which `her2.md.j2` renders.
    """
    test = parts["test"]
    rewards = {role: _scores(network) for role, network in oracles.items()}
    groups = {
        "test": test.sequences,
        "binders": _labelled(test, 1),
        "others": _labelled(test, 0),
        "random": PROTEIN.decode(_random(len(test))),
    }
    return {
        "split": {name: {"rows": len(part), "binders": float(part.binds.mean())} for name, part in parts.items()},
        "networks": {role: describe(network) for role, network in oracles.items()},
        "training": histories,
        "oracles": {role: _quality(network, parts, role) for role, network in oracles.items()},
        "agreement": agreement(rewards["guide"], rewards["judge"], groups),
        "scores": {
            role: {name: quantiles(reward(texts)) for name, texts in groups.items()} for role, reward in rewards.items()
        },
        "native": {role: float(reward([NATIVE])) for role, reward in rewards.items()},
        "speed": {role: speed(network, RESIDUES) for role, network in oracles.items()},
        "speed_setting": speed_setting(),
    }


def _scores(network: ConvolutionalRegressor) -> Any:
    reward = Her2Binding(network)
    return lambda texts: torch.tensor(reward(texts))


def _labelled(test: BindingData, binds: int) -> list[str]:
    return [text for text, label in zip(test.sequences, test.binds.tolist(), strict=True) if label == binds]


def _random(rows: int) -> torch.Tensor:
    """Even letters at all ten residues, which the library did not sample."""
    return torch.randint(len(PROTEIN), (rows, RESIDUES), generator=torch.Generator().manual_seed(0))


def _quality(network: ConvolutionalRegressor, parts: dict[str, BindingData], role: str) -> dict[str, Any]:
    """On the test part, and there alone on variants far from all that the oracle was trained on, beside a logistic line."""
    test, training = parts["test"], parts[f"{role}_train"]
    guess = predicted(network, test).double().numpy()
    nearest = _changes(test, training)
    far = nearest >= _FAR
    return {
        **oracle_quality(guess, test),
        "logistic_auroc": oracle_quality(_logistic(training, test), test)["auroc"],
        "changes": {"median": float(numpy.median(nearest)), "share_far": float(far.mean())},
        "far": oracle_quality(guess[far], _rows(test, far)),
    }


def _rows(data: BindingData, chosen: NDArray[Any]) -> BindingData:
    rows = numpy.flatnonzero(chosen).tolist()
    return BindingData([data.sequences[row] for row in rows], data.binds[rows])


def _changes(test: BindingData, training: BindingData) -> NDArray[Any]:
    """Substitutions between each test variant and the nearest training variant."""
    known = training.tokens
    return torch.cat([(part[:, None] != known).sum(2).amin(1) for part in test.tokens.split(64)]).numpy()


def _logistic(training: BindingData, test: BindingData) -> NDArray[Any]:
    """Log-odds of a logistic regression on the letter at each residue."""
    from sklearn.linear_model import LogisticRegression

    features, asked = (
        torch.nn.functional.one_hot(data.tokens, len(PROTEIN)).flatten(1).numpy() for data in (training, test)
    )
    return LogisticRegression(max_iter=1000).fit(features, training.binds.numpy()).decision_function(asked)
