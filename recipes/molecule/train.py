"""Train the bundled model of molecules: a masking-diffusion denoiser of SELFIES, and its card.

    python -m recipes.molecule.train --data DIR --out DIR

DIR holds MOSES' `train.csv`, `test.csv` and `test_scaffolds.csv` (see `recipes.molecule.data`). Needs the extra
`svdd[recipes]`. A run that was stopped goes on from the checkpoint in the output folder.

SELFIES, since every string of its symbols obeys the valences: whatever guidance or a look-ahead writes is a molecule that a
reward can judge, where half-finished SMILES mostly are not. MOSES alone, since it comes with a licence that allows weights
to be given away, with test sets, and with published numbers of other models; what it leaves out (charges, stereochemistry,
more than 350 Da) the model does not know.
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, cast

import torch
import typer

from recipes.molecule.card import Sizes, measure_card
from recipes.molecule.card_text import draw_training, render_card
from recipes.molecule.data import MoleculeData, read_molecules, read_smiles
from recipes.molecule.denoiser import train_denoiser
from recipes.outputs import write_card_files, write_trained
from svdd.domains.molecule.measures.reference import MoleculeReference, write_molecule_reference
from svdd.domains.molecule.model import molecule
from svdd.domains.molecule.selfies import VOCABULARY
from svdd.networks.sequences import SequenceDenoiser
from svdd.networks.training import TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network

__all__ = ["DENOISER", "Stage", "main"]

DENOISER: dict[str, Any] = {"vocabulary": VOCABULARY, "channels": 160, "blocks": 8, "kernel": 5, "stem_kernel": 5}
"""Sizes of the denoiser: what a core learns best in two hours."""


class Stage(str, Enum):
    """What to run: one part of the recipe, or all of it in order."""

    denoiser = "denoiser"
    card = "card"
    all = "all"


def main(
    data: Annotated[Path, typer.Option(help="Folder with MOSES' files.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    stage: Annotated[Stage, typer.Option(help="Part to run.")] = Stage.all,
    steps: Annotated[int, typer.Option(help="Training steps.")] = 10_000,
    batch: Annotated[int, typer.Option(help="Molecules a training step.")] = 256,
    samples: Annotated[int, typer.Option(help="Unguided samples that the card measures.")] = 10_000,
    scored: Annotated[int, typer.Option(help="Molecules of each test set whose bits the card measures.")] = 10_000,
    device: Annotated[str, typer.Option(help="Where the networks run.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Seed of the training run.")] = 0,
) -> None:
    """Train the denoiser of molecules, and write the model card."""
    out.mkdir(parents=True, exist_ok=True)
    molecules = read_molecules(data, out)
    (out / "lengths.json").write_text(json.dumps({"counts": molecules.lengths()}) + "\n")
    if stage in (Stage.denoiser, Stage.all):
        settings = TrainingSettings(
            steps=steps,
            learning_rate=2e-3,
            warm_up=min(300, steps // 10),
            weight_decay=0.02,
            average_decay=0.999,
            evaluate_every=min(500, steps),
            seed=seed,
        )
        run_denoiser(molecules, out, settings, batch, device)
    if stage in (Stage.card, Stage.all):
        sizes = Sizes(samples=samples, scored=scored, held=max(2, samples // 40))
        write_card(molecules, data, out, sizes, device)


def run_denoiser(molecules: MoleculeData, out: Path, settings: TrainingSettings, batch: int, device: str) -> None:
    """Train the denoiser and write its weights and history."""
    with isolated_randomness(settings.seed):
        network = SequenceDenoiser(**DENOISER).to(torch.device(device))
    result = train_denoiser(
        molecules.train,
        molecules.validation,
        settings,
        network=network,
        batch_size=batch,
        checkpoint=out / "denoiser.checkpoint",
    )
    write_trained(out, "denoiser", network, settings, result)


def write_card(molecules: MoleculeData, data: Path, out: Path, sizes: Sizes, device: str) -> None:
    """Measure the trained network, and write the card and the reference statistics of the test set."""
    weights = out / "denoiser.safetensors"
    history = json.loads((out / "denoiser.history.json").read_text())
    tests = {part: read_smiles(data, part) for part in ("test", "test_scaffolds")}
    numbers = out / "reference.npz"
    if not numbers.exists():
        write_molecule_reference(tests["test"], numbers, "MOSES test", device=device)
    card = measure_card(
        molecules,
        read_smiles(data, "train"),
        tests,
        cast(SequenceDenoiser, load_network(weights)),
        molecule(weights=str(weights), device=device),
        history,
        MoleculeReference.load(numbers),
        sizes,
    )
    write_card_files(out, card, None, render_card(card), draw_training(card))


if __name__ == "__main__":
    typer.run(main)
