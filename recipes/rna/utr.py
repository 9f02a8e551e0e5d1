"""The bundled RNA model: a denoiser of 5'UTRs, two oracles of their load and one of stability.

The data folder holds the reporter library of Sample et al. 2019 (GEO series GSE114002, sample GSM3130435, as a CSV with columns
`utr` and `rl`; or an npz) and, if wanted, natural human 5'UTRs (a CSV with columns `utr` and `hrl`) and measured degradation (a
CSV with columns `Sequence`, `Value` and `Split`); see `recipes.rna.data` and `recipes.rna.stability`. Needs the extra
`svdd[recipes]`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from recipes.cards import Card, Panel
from recipes.rna.data import UtrData, read_human, read_utrs
from recipes.rna.oracles import ORACLES, train_oracle
from recipes.rna.stability import read_degradation, stability_quality, train_stability
from recipes.rna.utr_card import measure_card, measure_reference
from recipes.sequence_denoiser import train_denoiser
from recipes.trainer import Options, Recipe, Step, option
from svdd.networks.regressors import ConvolutionalRegressor
from svdd.networks.sequences import SequenceClassifier, SequenceDenoiser
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network

if TYPE_CHECKING:
    import pandas

__all__ = ["DENOISER", "RECIPE", "Data", "UtrOptions"]

DENOISER: dict[str, Any] = {"channels": 64, "blocks": 4, "dilations": (1, 2, 4, 8)}
"""Sizes of the denoiser: small, since a random library has little to learn."""


@dataclass(frozen=True)
class UtrOptions(Options):
    """What a user chooses of this recipe."""

    steps: int = option(2500, "Training steps of the denoiser.")
    oracle_steps: int = option(5000, "Training steps of each oracle of load.")
    samples: int = option(4000, "Unguided samples that the card measures.")


@dataclass(frozen=True)
class Data:
    """What the folder holds.

    Attributes:
        parts: Of the reporter library.
        human: Natural 5'UTRs, if there are any.
        degradation: Measured degradation by part, if there is any.
    """

    parts: dict[str, UtrData]
    human: pandas.DataFrame | None
    degradation: dict[str, pandas.DataFrame] | None


def _read(options: UtrOptions) -> Data:
    return Data(read_utrs(options.data), read_human(options.data), read_degradation(options.data))


def _denoiser_settings(options: UtrOptions) -> TrainingSettings:
    return TrainingSettings(steps=options.steps, learning_rate=2e-3, evaluate_every=250, seed=options.seed)


def _train_denoiser(
    data: Data, options: UtrOptions, settings: TrainingSettings, checkpoint: Path
) -> tuple[SequenceDenoiser, TrainingResult]:
    with isolated_randomness(settings.seed):
        network = SequenceDenoiser(**DENOISER)
    return train_denoiser(
        data.parts["denoiser_train"].tokens,
        data.parts["denoiser_validation"].tokens,
        settings,
        batch_size=128,
        network=network,
        both_strands=False,
        checkpoint=checkpoint,
    )


def _oracle_settings(options: UtrOptions) -> TrainingSettings:
    return TrainingSettings(
        steps=options.oracle_steps, learning_rate=2e-3, weight_decay=0.1, evaluate_every=250, seed=options.seed
    )


def _oracle(role: str) -> Step:
    def train(
        data: Data, options: UtrOptions, settings: TrainingSettings, checkpoint: Path
    ) -> tuple[ConvolutionalRegressor, TrainingResult]:
        training, validation = data.parts[f"{role}_train"], data.parts[f"{role}_validation"]
        return train_oracle(training, validation, settings, shape=ORACLES[role], checkpoint=checkpoint)

    return Step(f"mrl-{role}", _oracle_settings, train)


def _stability_settings(options: UtrOptions) -> TrainingSettings:
    return TrainingSettings(
        steps=900, learning_rate=3e-3, warm_up=50, average_decay=0.99, evaluate_every=100, seed=options.seed
    )


def _train_stability(
    data: Data, options: UtrOptions, settings: TrainingSettings, checkpoint: Path
) -> tuple[SequenceClassifier, TrainingResult]:
    assert data.degradation is not None  # the step is not possible otherwise
    return train_stability(data.degradation, settings, checkpoint=checkpoint)


def _has_degradation(data: Data) -> bool:
    return data.degradation is not None


def _measure(data: Data, options: UtrOptions, histories: dict[str, Any]) -> dict[str, Any]:
    """Measure the trained networks, and write the reference statistics."""
    out, parts, human = options.out, data.parts, data.human
    denoiser = cast(SequenceDenoiser, load_network(out / "denoiser.safetensors"))
    oracles = {role: cast(ConvolutionalRegressor, load_network(out / f"mrl-{role}.safetensors")) for role in ORACLES}
    (out / "reference.json").write_text(json.dumps(measure_reference(parts, human, oracles)) + "\n")
    card = measure_card(parts, human, denoiser, oracles, histories, samples=options.samples)
    if data.degradation is not None:
        stability = cast(SequenceClassifier, load_network(out / "stability.safetensors"))
        card["stability"] = stability_quality(stability, data.degradation)
    return card


RECIPE = Recipe(
    about=__doc__,
    options=UtrOptions,
    read=_read,
    stages={
        "denoiser": [Step("denoiser", _denoiser_settings, _train_denoiser)],
        **{role: [_oracle(role)] for role in ORACLES},
        "stability": [Step("stability", _stability_settings, _train_stability, possible=_has_degradation)],
    },
    measure=_measure,
    card=Card(
        Path(__file__).with_name("utr.md.j2"),
        [
            Panel("bits per base", ["denoiser"], training=True),
            Panel("1 - R2", [*(f"mrl-{role}" for role in ORACLES), "stability"]),
        ],
    ),
)
