"""Train the bundled RNA model: a denoiser of 5'UTRs, two oracles of their load, one of stability, and their card.

    python -m recipes.rna.utr --data DIR --out DIR

DIR holds the reporter library of Sample et al. 2019 (GEO series GSE114002, sample GSM3130435, as a CSV with columns `utr`
and `rl`; or an npz) and, if wanted, natural human 5'UTRs (a CSV with columns `utr` and `hrl`) and measured degradation (a CSV
with columns `Sequence`, `Value` and `Split`); see `recipes.rna.data` and `recipes.rna.stability`. Needs
the extra `svdd[recipes]`. A run that was stopped goes on from the checkpoints in the output folder.
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from recipes.dna.denoiser import train_denoiser
from recipes.outputs import write_card_files, write_trained
from recipes.rna.card import measure_card, measure_reference
from recipes.rna.card_text import draw_training, render_card
from recipes.rna.data import UtrData, read_human, read_utrs
from recipes.rna.oracles import ORACLES, train_oracle
from recipes.rna.stability import read_degradation, stability_quality, train_stability
from svdd.networks.regressors import ConvolutionalRegressor
from svdd.networks.sequences import SequenceClassifier, SequenceDenoiser
from svdd.networks.training import TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network

__all__ = ["DENOISER", "Stage", "main"]

DENOISER: dict[str, Any] = {"channels": 64, "blocks": 4, "dilations": (1, 2, 4, 8)}
"""Sizes of the denoiser: small, since a random library has little to learn."""


class Stage(str, Enum):
    """What to run: one part of the recipe, or all of it in order."""

    denoiser = "denoiser"
    guide = "guide"
    judge = "judge"
    stability = "stability"
    card = "card"
    all = "all"


def main(
    data: Annotated[Path, typer.Option(help="Folder with the library, or its file.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    stage: Annotated[Stage, typer.Option(help="Part to run.")] = Stage.all,
    steps: Annotated[int, typer.Option(help="Training steps of the denoiser.")] = 2500,
    oracle_steps: Annotated[int, typer.Option(help="Training steps of each oracle.")] = 5000,
    samples: Annotated[int, typer.Option(help="Unguided samples that the card measures.")] = 4000,
    seed: Annotated[int, typer.Option(help="Seed of every training run.")] = 0,
) -> None:
    """Train the denoiser and the oracles, and write the model card."""
    out.mkdir(parents=True, exist_ok=True)
    parts = read_utrs(data)
    if stage in (Stage.denoiser, Stage.all):
        run_denoiser(parts, out, TrainingSettings(steps=steps, learning_rate=2e-3, evaluate_every=250, seed=seed))
    settings = TrainingSettings(steps=oracle_steps, learning_rate=2e-3, weight_decay=0.1, evaluate_every=250, seed=seed)
    for role in ORACLES:
        if stage in (Stage(role), Stage.all):
            run_oracle(parts, out, role, settings)
    if stage in (Stage.stability, Stage.all):
        run_stability(data, out, seed)
    if stage in (Stage.card, Stage.all):
        write_card(parts, data, out, samples)


def run_denoiser(parts: dict[str, UtrData], out: Path, settings: TrainingSettings) -> None:
    """Train the denoiser and write its weights and history."""
    with isolated_randomness(settings.seed):
        network = SequenceDenoiser(**DENOISER)
    denoiser, result = train_denoiser(
        parts["denoiser_train"].tokens,
        parts["denoiser_validation"].tokens,
        settings,
        batch_size=128,
        network=network,
        both_strands=False,
        checkpoint=out / "denoiser.checkpoint",
    )
    write_trained(out, "denoiser", denoiser, settings, result)


def run_oracle(parts: dict[str, UtrData], out: Path, role: str, settings: TrainingSettings) -> None:
    """Train one oracle and write its weights and history."""
    oracle, result = train_oracle(
        parts[f"{role}_train"],
        parts[f"{role}_validation"],
        settings,
        shape=ORACLES[role],
        checkpoint=out / f"mrl-{role}.checkpoint",
    )
    write_trained(out, f"mrl-{role}", oracle, settings, result)


def run_stability(data: Path, out: Path, seed: int) -> None:
    """Train the stability oracle, where the folder has its table, and write its weights and history."""
    parts = read_degradation(data)
    if parts is None:
        return
    settings = TrainingSettings(
        steps=900, learning_rate=3e-3, warm_up=50, average_decay=0.99, evaluate_every=100, seed=seed
    )
    oracle, result = train_stability(parts, settings, checkpoint=out / "stability.checkpoint")
    write_trained(out, "stability", oracle, settings, result)


def write_card(parts: dict[str, UtrData], data: Path, out: Path, samples: int) -> None:
    """Measure the trained networks and write the card and the reference statistics."""
    human, degradation = read_human(data), read_degradation(data)
    names = ["denoiser", *(f"mrl-{role}" for role in ORACLES), *(["stability"] if degradation else [])]
    histories = {name: json.loads((out / f"{name}.history.json").read_text()) for name in names}
    denoiser = cast(SequenceDenoiser, load_network(out / "denoiser.safetensors"))
    oracles = {role: cast(ConvolutionalRegressor, load_network(out / f"mrl-{role}.safetensors")) for role in ORACLES}
    card = measure_card(parts, human, denoiser, oracles, histories, samples=samples)
    if degradation:
        stability = cast(SequenceClassifier, load_network(out / "stability.safetensors"))
        card["stability"] = stability_quality(stability, degradation)
    reference = measure_reference(parts, human, oracles)
    write_card_files(out, card, reference, render_card(card), draw_training(card))


if __name__ == "__main__":
    typer.run(main)
