"""The bundled oracles of HER2 binding: which CDR-H3 of trastuzumab bind.

The data are the sorted library of Mason et al. 2021, or any CSV with the columns `sequence` (ten residues), `binds` (0 or 1)
and `part` (guide, judge or test); see `recipes.protein.her2_data`. Needs the extra `svdd[recipes]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from recipes.cards import Card, Panel
from recipes.protein.her2_card import measure_card
from recipes.protein.her2_data import BindingData, read_binding
from recipes.protein.her2_oracles import ORACLES, train_oracle
from recipes.trainer import Options, Recipe, Step, option
from svdd.networks.regressors import ConvolutionalRegressor
from svdd.networks.training import TrainingResult, TrainingSettings
from svdd.networks.weight_files import load_network, save_network

__all__ = ["RECIPE", "Her2Options"]


@dataclass(frozen=True)
class Her2Options(Options):
    """What a user chooses of this recipe."""

    oracle_steps: int = option(2000, "Training steps of each oracle.")


def _read(options: Her2Options) -> dict[str, BindingData]:
    return read_binding(options.data)


def _settings(options: Her2Options) -> TrainingSettings:
    return TrainingSettings(
        steps=options.oracle_steps,
        learning_rate=3e-3,
        warm_up=100,
        weight_decay=0.2,
        average_decay=0.99,
        evaluate_every=100,
        bfloat16=False,
        seed=options.seed,
    )


def _oracle(role: str) -> Step:
    def train(
        parts: dict[str, BindingData], options: Her2Options, settings: TrainingSettings, checkpoint: Path
    ) -> tuple[ConvolutionalRegressor, TrainingResult]:
        training, validation = parts[f"{role}_train"], parts[f"{role}_validation"]
        return train_oracle(training, validation, settings, shape=ORACLES[role], checkpoint=checkpoint)

    return Step(role, _settings, train, _write_half)


def _write_half(network: Any, out: Path, name: str) -> None:
    """Write the weights in float16, which is half the size; they are float32 again when they are read."""
    save_network(network.half(), out / f"{name}.safetensors")


def _measure(parts: dict[str, BindingData], options: Her2Options, histories: dict[str, Any]) -> dict[str, Any]:
    """Measure the networks as they were written."""
    files = {role: options.out / f"{role}.safetensors" for role in ORACLES}
    oracles = {role: cast(ConvolutionalRegressor, load_network(file).float()) for role, file in files.items()}
    return measure_card(parts, oracles, histories)


RECIPE = Recipe(
    about=__doc__,
    options=Her2Options,
    read=_read,
    stages={role: [_oracle(role)] for role in ORACLES},
    measure=_measure,
    card=Card(Path(__file__).with_name("her2.md.j2"), [Panel("nats", list(ORACLES))]),
)
