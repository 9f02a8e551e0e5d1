"""The two oracles of changed stability, `ddg` and `ddg-judge`, of single substitutions in a backbone.

The data are a folder with the measurements of Tsuboyama et al. 2023 and the backbones of their domains, or one of your own with
the same columns; see `recipes.protein.ddg_data`. Needs the extra `svdd[recipes]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn

from recipes.cards import Card, Panel
from recipes.protein.ddg_card import by_domain, measure_card, predicted
from recipes.protein.ddg_data import Domains, Rows, read_ddg
from recipes.trainer import Options, Recipe, Step, option
from svdd.domains.protein.inverse_folding.substitutions import ROLES, SubstitutionEnsemble
from svdd.domains.protein.inverse_folding.weights import bundled_weights, read_network
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train
from svdd.networks.weight_files import load_network, save_network

__all__ = ["RECIPE", "DdgOptions", "train_oracle"]

MEMBERS = 5
BATCH = 512
SHAPES: dict[str, dict[str, Any]] = {"guide": {"width": 96, "dropout": 0.3}, "judge": {"width": 64, "dropout": 0.3}}


@dataclass(frozen=True)
class DdgOptions(Options):
    """What a user chooses of this recipe."""

    steps: int = option(800, "Training steps of each oracle.")
    device: str = option("cpu", "Where networks are trained, such as cuda.")


def train_oracle(
    training: Rows,
    validation: Rows,
    settings: TrainingSettings,
    *,
    shape: dict[str, Any],
    members: int = MEMBERS,
    checkpoint: Path | None = None,
) -> tuple[SubstitutionEnsemble, TrainingResult]:
    """Train and calibrate an ensemble by squared error on standardised ddG; its members see different batches.

    Args:
        training: Substitutions to train on, on the device to train on.
        validation: Substitutions of other clusters, to select the checkpoint on and to calibrate on.
        settings: Numbers of the run.
        shape: Sizes for `SubstitutionEnsemble`.
        members: Networks of the ensemble.
        checkpoint: File to write at evaluations and to resume from.

    Returns:
        The calibrated ensemble, and the history of one less the mean Spearman correlation within validation domains.
    """
    numbers = training.numbers
    with isolated_randomness(settings.seed):
        sizes = {"residues": numbers.residues.shape[-1], "changes": numbers.changes.shape[-1]}
        network = SubstitutionEnsemble(members, **sizes, **shape).to(training.ddg.device)
    network.standardise(numbers)
    targets = (training.ddg - training.ddg.mean()) / training.ddg.std()

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        losses = []
        for member in range(members):
            rows = torch.randint(len(targets), (BATCH,), generator=generator).to(targets.device)
            found = cast(SubstitutionEnsemble, module).of_member(
                member, numbers, training.residue[rows], training.letter[rows]
            )
            losses.append((found - targets[rows]).square().mean())
        return torch.stack(losses).mean()

    def value_of(module: nn.Module) -> float:
        guess = predicted(cast(SubstitutionEnsemble, module), validation).mean(1)
        return 1 - by_domain(guess, validation)["mean"]

    result = train(network, loss_of, value_of, settings, checkpoint)
    calibrate(network, validation)
    return network, result


def calibrate(network: SubstitutionEnsemble, validation: Rows) -> None:
    """Fit one scale and shift for all members, so that their mean is a least-squares guess on validation clusters."""
    import numpy

    network.scale.fill_(1)
    network.shift.fill_(0)
    raw = predicted(network, validation).mean(1).double().numpy()
    slope, intercept = numpy.polyfit(raw, validation.ddg.cpu().double().numpy(), 1)
    network.scale.fill_(float(slope))
    network.shift.fill_(float(intercept))


class Parts:
    """The domains of all parts, and what each oracle reads of them, once it is asked for."""

    def __init__(self, domains: dict[str, Domains]) -> None:
        self.domains = domains

    @cached_property
    def proteinmpnn(self) -> Any:
        """The bundled weights."""
        return read_network(bundled_weights())

    def rows(self, domains: Domains, role: str) -> Rows:
        """What an oracle reads of some domains."""
        read = partial(ROLES[role], network=self.proteinmpnn) if role == "guide" else ROLES[role]
        return domains.as_rows(read)


def _read(options: DdgOptions) -> Parts:
    return Parts(read_ddg(options.data))


def _settings(options: DdgOptions) -> TrainingSettings:
    return TrainingSettings(
        steps=options.steps, learning_rate=2e-3, warm_up=50, weight_decay=0.1, average_decay=0.99, evaluate_every=100,
        bfloat16=False, seed=options.seed,
    )  # fmt: skip


def _oracle(role: str) -> Step:
    def run(
        parts: Parts, options: DdgOptions, settings: TrainingSettings, checkpoint: Path
    ) -> tuple[SubstitutionEnsemble, TrainingResult]:
        training, validation = (parts.rows(one, role).to(options.device) for one in parts.domains[role].split())
        return train_oracle(training, validation, settings, shape=SHAPES[role], checkpoint=checkpoint)

    return Step(role, _settings, run, _write_half)


def _write_half(network: Any, out: Path, name: str) -> None:
    """Write the weights in float16, which is half the size; they are float32 again when they are read."""
    save_network(network.half(), out / f"{name}.safetensors")


def _measure(parts: Parts, options: DdgOptions, histories: dict[str, Any]) -> dict[str, Any]:
    oracles = {
        role: cast(SubstitutionEnsemble, load_network(options.out / f"{role}.safetensors").float()) for role in ROLES
    }
    return measure_card(parts.domains, parts.rows, oracles, histories)


RECIPE = Recipe(
    about=__doc__,
    options=DdgOptions,
    read=_read,
    stages={role: [_oracle(role)] for role in ROLES},
    measure=_measure,
    card=Card(Path(__file__).with_name("ddg.md.j2"), [Panel("1 - Spearman within domains", list(ROLES))]),
)
