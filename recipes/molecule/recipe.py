"""The bundled model of molecules: a masking-diffusion denoiser of SELFIES.

The data folder holds MOSES' `train.csv`, `test.csv` and `test_scaffolds.csv` (see `recipes.molecule.data`). Needs the extra
`svdd[recipes]`.

SELFIES, since every string of its symbols obeys the valences: whatever guidance or a look-ahead writes is a molecule that a
reward can judge, where half-finished SMILES mostly are not. MOSES alone, since it comes with a licence that allows weights
to be given away, with test sets, and with published numbers of other models; what it leaves out (charges, stereochemistry,
more than 350 Da) the model does not know.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from recipes.cards import Card, Panel
from recipes.molecule.card import Sizes, measure_card
from recipes.molecule.data import MoleculeData, read_molecules, read_smiles
from recipes.molecule.denoiser import train_denoiser
from recipes.trainer import Options, Recipe, Step, option
from svdd.domains.molecule.measures.reference import MoleculeReference, write_molecule_reference
from svdd.domains.molecule.model import molecule
from svdd.domains.molecule.selfies import VOCABULARY
from svdd.networks.sequences import SequenceDenoiser
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network

__all__ = ["DENOISER", "RECIPE", "MoleculeOptions"]

DENOISER: dict[str, Any] = {"vocabulary": VOCABULARY, "channels": 160, "blocks": 8, "kernel": 5, "stem_kernel": 5}
"""Sizes of the denoiser: what a core learns best in two hours."""


@dataclass(frozen=True)
class MoleculeOptions(Options):
    """What a user chooses of this recipe."""

    steps: int = option(10_000, "Training steps.")
    batch: int = option(256, "Molecules per training step.")
    samples: int = option(10_000, "Unguided samples that the card measures.")
    scored: int = option(10_000, "Molecules of each test set whose bits the card measures.")
    device: str = option("cpu", "Where the networks run.")


def _read(options: MoleculeOptions) -> MoleculeData:
    """Read the molecules, and write the lengths that the model draws from."""
    molecules = read_molecules(options.data, options.out)
    (options.out / "lengths.json").write_text(json.dumps({"counts": molecules.lengths()}) + "\n")
    return molecules


def _settings(options: MoleculeOptions) -> TrainingSettings:
    return TrainingSettings(
        steps=options.steps,
        learning_rate=2e-3,
        warm_up=min(300, options.steps // 10),
        weight_decay=0.02,
        average_decay=0.999,
        evaluate_every=min(500, options.steps),
        seed=options.seed,
    )


def _train(
    molecules: MoleculeData, options: MoleculeOptions, settings: TrainingSettings, checkpoint: Path
) -> tuple[SequenceDenoiser, TrainingResult]:
    with isolated_randomness(settings.seed):
        network = SequenceDenoiser(**DENOISER).to(torch.device(options.device))
    result = train_denoiser(
        molecules.train,
        molecules.validation,
        settings,
        network=network,
        batch_size=options.batch,
        checkpoint=checkpoint,
    )
    return network, result


def _measure(molecules: MoleculeData, options: MoleculeOptions, histories: dict[str, Any]) -> dict[str, Any]:
    """Measure the trained network, and write the reference statistics of the test set."""
    weights, numbers = options.out / "denoiser.safetensors", options.out / "reference.npz"
    tests = {part: read_smiles(options.data, part) for part in ("test", "test_scaffolds")}
    if not numbers.exists():
        write_molecule_reference(tests["test"], numbers, "MOSES test", device=options.device)
    return measure_card(
        molecules,
        read_smiles(options.data, "train"),
        tests,
        cast(SequenceDenoiser, load_network(weights)),
        molecule(weights=str(weights), device=options.device),
        histories,
        MoleculeReference.load(numbers),
        Sizes(samples=options.samples, scored=options.scored, held=max(2, options.samples // 40)),
    )


RECIPE = Recipe(
    about=__doc__,
    options=MoleculeOptions,
    read=_read,
    stages={"denoiser": [Step("denoiser", _settings, _train)]},
    measure=_measure,
    card=Card(Path(__file__).with_name("card.md.j2"), [Panel("bits per symbol", ["denoiser"], training=True)]),
)
