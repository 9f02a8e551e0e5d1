"""Train the bundled DNA model: a denoiser of regulatory DNA, two oracles and their card.

    python -m recipes.dna.enhancer --data DIR --out DIR

DIR holds the two tables that the DNA-Diffusion project prepared from the ENCODE index of
DNase-accessible sites (Meuleman et al. 2020), or any CSV or TSV with the columns `sequence`,
`chr` and `label`; see `recipes.dna.data`. Needs the extra `svdd[recipes]`. A run that was
stopped goes on from the checkpoints in the output folder.
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, cast

import typer

from recipes.dna.card import measure_card, measure_reference
from recipes.dna.card_text import draw_training, render_card
from recipes.dna.data import EnhancerData, read_enhancers
from recipes.dna.denoiser import train_denoiser
from recipes.dna.oracles import ORACLES, train_oracle
from recipes.outputs import write_card_files, write_trained
from svdd.networks.sequences import SequenceClassifier, SequenceDenoiser
from svdd.networks.training import TrainingSettings
from svdd.networks.weight_files import load_network

__all__ = ["Stage", "main"]


class Stage(str, Enum):
    """What to run: one part of the recipe, or all of it in order."""

    denoiser = "denoiser"
    oracles = "oracles"
    card = "card"
    all = "all"


def main(
    data: Annotated[Path, typer.Option(help="Folder with the tables of sites.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    stage: Annotated[Stage, typer.Option(help="Part to run.")] = Stage.all,
    steps: Annotated[int, typer.Option(help="Training steps of the denoiser.")] = 3500,
    oracle_steps: Annotated[int, typer.Option(help="Training steps of each oracle.")] = 1500,
    samples: Annotated[int, typer.Option(help="Unguided samples that the card measures.")] = 1024,
    seed: Annotated[int, typer.Option(help="Seed of every training run.")] = 0,
) -> None:
    """Train the denoiser and the oracles, and write the model card."""
    out.mkdir(parents=True, exist_ok=True)
    parts = read_enhancers(data)
    if stage in (Stage.denoiser, Stage.all):
        run_denoiser(parts, out, TrainingSettings(steps=steps, evaluate_every=250, seed=seed))
    if stage in (Stage.oracles, Stage.all):
        settings = TrainingSettings(
            steps=oracle_steps,
            learning_rate=3e-3,
            warm_up=50,
            average_decay=0.99,
            evaluate_every=50,
            bfloat16=False,
            seed=seed,
        )
        for role in ORACLES:
            run_oracle(parts, out, role, settings)
    if stage in (Stage.card, Stage.all):
        write_card(parts, out, samples)


def run_denoiser(parts: dict[str, EnhancerData], out: Path, settings: TrainingSettings) -> None:
    """Train the denoiser and write its weights and history."""
    denoiser, result = train_denoiser(
        parts["denoiser_train"].tokens,
        parts["denoiser_validation"].tokens,
        settings,
        checkpoint=out / "denoiser.checkpoint",
    )
    write_trained(out, "denoiser", denoiser, settings, result)


def run_oracle(parts: dict[str, EnhancerData], out: Path, role: str, settings: TrainingSettings) -> None:
    """Train one oracle and write its weights and history."""
    oracle, result = train_oracle(
        parts[f"{role}_train"],
        parts[f"{role}_validation"],
        settings,
        shape=ORACLES[role],
        checkpoint=out / f"hepg2-{role}.checkpoint",
    )
    write_trained(out, f"hepg2-{role}", oracle, settings, result)


def write_card(parts: dict[str, EnhancerData], out: Path, samples: int) -> None:
    """Measure the trained networks and write the card and the reference statistics."""
    histories = {name: json.loads((out / f"{name}.history.json").read_text()) for name in _names()}
    denoiser = cast(SequenceDenoiser, load_network(out / "denoiser.safetensors"))
    oracles = {role: cast(SequenceClassifier, load_network(out / f"hepg2-{role}.safetensors")) for role in ORACLES}
    reference = measure_reference(parts, oracles)
    card = measure_card(parts, denoiser, oracles, histories, samples=samples)
    write_card_files(out, card, reference, render_card(card), draw_training(card))


def _names() -> list[str]:
    return ["denoiser", *(f"hepg2-{role}" for role in ORACLES)]


if __name__ == "__main__":
    typer.run(main)
