"""The bundled protein model: a denoiser of miniproteins and two oracles of their stability.

The data are the library of Rocklin et al. 2017, or any CSV with the columns `sequence`, `stability`, `part` (guide, judge or
test) and `family`; see `recipes.protein.data`. Needs the extra `svdd[recipes]`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from recipes.cards import Card, Panel
from recipes.protein.card import measure_card, measure_reference
from recipes.protein.data import StabilityData, family_weights, read_stability
from recipes.protein.oracles import ORACLES, train_oracle
from recipes.sequence_denoiser import train_denoiser
from recipes.trainer import Options, Recipe, Step, option
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.ensembles import SequenceEnsemble
from svdd.networks.sequences import SequenceDenoiser
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network, save_network

__all__ = ["DENOISER", "RECIPE", "MiniproteinOptions"]

Parts = dict[str, StabilityData]

DENOISER: dict[str, Any] = {"vocabulary": len(PROTEIN), "channels": 128, "blocks": 8, "dilations": (1, 2, 4, 8)}
"""Sizes of the denoiser."""


@dataclass(frozen=True)
class MiniproteinOptions(Options):
    """What a user chooses of this recipe."""

    steps: int = option(4000, "Training steps of the denoiser.")
    oracle_steps: int = option(2500, "Training steps of each oracle.")
    samples: int = option(1024, "Unguided samples that the card measures.")
    device: str = option("cpu", "Where networks are trained, such as cuda.")


def _read(options: MiniproteinOptions) -> Parts:
    return read_stability(options.data)


def _denoiser_settings(options: MiniproteinOptions) -> TrainingSettings:
    return TrainingSettings(steps=options.steps, learning_rate=2e-3, evaluate_every=200, seed=options.seed)


def _train_denoiser(
    parts: Parts, options: MiniproteinOptions, settings: TrainingSettings, checkpoint: Path
) -> tuple[SequenceDenoiser, TrainingResult]:
    training, validation = parts["denoiser_train"], parts["denoiser_validation"]
    with isolated_randomness(settings.seed):
        network = SequenceDenoiser(**DENOISER, dropout=0.1)
    return train_denoiser(
        training.tokens.to(options.device),
        validation.tokens.to(options.device),
        settings,
        batch_size=128,
        network=network.to(options.device),
        both_strands=False,
        weights=family_weights(training),
        checkpoint=checkpoint,
    )


def _oracle_settings(options: MiniproteinOptions) -> TrainingSettings:
    return TrainingSettings(
        steps=options.oracle_steps,
        learning_rate=4e-3,
        warm_up=100,
        weight_decay=0.1,
        average_decay=0.99,
        evaluate_every=250,
        bfloat16=False,
        seed=options.seed,
    )


def _oracle(role: str) -> Step:
    def train(
        parts: Parts, options: MiniproteinOptions, settings: TrainingSettings, checkpoint: Path
    ) -> tuple[SequenceEnsemble, TrainingResult]:
        training, validation = parts[f"{role}_train"], parts[f"{role}_validation"]
        return train_oracle(
            training, validation, settings, shape=ORACLES[role], checkpoint=checkpoint, device=options.device
        )

    return Step(f"stability-{role}", _oracle_settings, train, _write_half)


def _write_half(network: Any, out: Path, name: str) -> None:
    """Write the weights in float16, which is half the size; they are float32 again when they are read."""
    save_network(network.half(), out / f"{name}.safetensors")


def _measure(parts: Parts, options: MiniproteinOptions, histories: dict[str, Any]) -> dict[str, Any]:
    """Measure the trained networks, and write the reference statistics."""
    out = options.out
    denoiser = cast(SequenceDenoiser, load_network(out / "denoiser.safetensors").float())
    oracles = {
        role: cast(SequenceEnsemble, load_network(out / f"stability-{role}.safetensors").float()) for role in ORACLES
    }
    (out / "reference.json").write_text(json.dumps(measure_reference(parts, oracles)) + "\n")
    return measure_card(parts, denoiser, oracles, histories, samples=options.samples)


RECIPE = Recipe(
    about=__doc__,
    options=MiniproteinOptions,
    read=_read,
    stages={
        "denoiser": [Step("denoiser", _denoiser_settings, _train_denoiser, _write_half)],
        **{role: [_oracle(role)] for role in ORACLES},
    },
    measure=_measure,
    card=Card(
        Path(__file__).with_name("card.md.j2"),
        [
            Panel("bits per residue", ["denoiser"], training=True),
            Panel("1 - R2", [f"stability-{role}" for role in ORACLES]),
        ],
    ),
)
