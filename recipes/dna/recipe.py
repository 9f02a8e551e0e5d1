"""The bundled DNA model: a denoiser of regulatory DNA and two oracles.

The data folder holds the two tables that the DNA-Diffusion project prepared from the ENCODE index of DNase-accessible sites
(Meuleman et al. 2020), or any CSV or TSV with the columns `sequence`, `chr` and `label`; see `recipes.dna.data`. Needs the
extra `svdd[recipes]`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from recipes.cards import Card, Panel
from recipes.dna.card import measure_card, measure_reference
from recipes.dna.data import EnhancerData, read_enhancers
from recipes.dna.oracles import ORACLES, train_oracle
from recipes.sequence_denoiser import train_denoiser
from recipes.trainer import Options, Recipe, Step, option
from svdd.networks.sequences import SequenceClassifier, SequenceDenoiser
from svdd.networks.training import TrainingResult, TrainingSettings
from svdd.networks.weight_files import load_network

__all__ = ["RECIPE", "EnhancerOptions"]

Parts = dict[str, EnhancerData]


@dataclass(frozen=True)
class EnhancerOptions(Options):
    """What a user chooses of this recipe."""

    steps: int = option(3500, "Training steps of the denoiser.")
    oracle_steps: int = option(1500, "Training steps of each oracle.")
    samples: int = option(1024, "Unguided samples that the card measures.")


def _read(options: EnhancerOptions) -> Parts:
    return read_enhancers(options.data)


def _denoiser_settings(options: EnhancerOptions) -> TrainingSettings:
    return TrainingSettings(steps=options.steps, evaluate_every=250, seed=options.seed)


def _train_denoiser(
    parts: Parts, options: EnhancerOptions, settings: TrainingSettings, checkpoint: Path
) -> tuple[SequenceDenoiser, TrainingResult]:
    training, validation = parts["denoiser_train"].tokens, parts["denoiser_validation"].tokens
    return train_denoiser(training, validation, settings, checkpoint=checkpoint)


def _oracle_settings(options: EnhancerOptions) -> TrainingSettings:
    return TrainingSettings(
        steps=options.oracle_steps,
        learning_rate=3e-3,
        warm_up=50,
        average_decay=0.99,
        evaluate_every=50,
        bfloat16=False,
        seed=options.seed,
    )


def _oracle(role: str) -> Step:
    def train(
        parts: Parts, options: EnhancerOptions, settings: TrainingSettings, checkpoint: Path
    ) -> tuple[SequenceClassifier, TrainingResult]:
        training, validation = parts[f"{role}_train"], parts[f"{role}_validation"]
        return train_oracle(training, validation, settings, shape=ORACLES[role], checkpoint=checkpoint)

    return Step(f"hepg2-{role}", _oracle_settings, train)


def _measure(parts: Parts, options: EnhancerOptions, histories: dict[str, Any]) -> dict[str, Any]:
    """Measure the trained networks, and write the reference statistics."""
    out = options.out
    denoiser = cast(SequenceDenoiser, load_network(out / "denoiser.safetensors"))
    oracles = {role: cast(SequenceClassifier, load_network(out / f"hepg2-{role}.safetensors")) for role in ORACLES}
    (out / "reference.json").write_text(json.dumps(measure_reference(parts, oracles)) + "\n")
    return measure_card(parts, denoiser, oracles, histories, samples=options.samples)


RECIPE = Recipe(
    about=__doc__,
    options=EnhancerOptions,
    read=_read,
    stages={
        "denoiser": [Step("denoiser", _denoiser_settings, _train_denoiser)],
        "oracles": [_oracle(role) for role in ORACLES],
    },
    measure=_measure,
    card=Card(
        Path(__file__).with_name("card.md.j2"),
        [
            Panel("bits per base", ["denoiser"], training=True),
            Panel("cross-entropy (nats)", [f"hepg2-{role}" for role in ORACLES]),
        ],
    ),
)
