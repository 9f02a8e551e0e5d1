"""The model, a masked diffusion of loaded dice, and a way to begin a run: with the first die on the table."""

import json
from dataclasses import replace

import torch

from svdd import Process
from svdd.chain import from_logits, masked_ancestral, masked_log_linear, time_grid
from svdd.registry import bundled
from svdd_dice.designs import DiceKind


def tables():
    """The file that came with the model."""
    return json.loads(bundled("dice", "tables.json").read_text(encoding="utf-8"))


def dice(steps: int = 5, count: int = 5) -> Process:
    """Loaded dice: a face is likelier where other dice show it already.

    Args:
        steps: reverse steps.
        count: how many dice are thrown.
    """
    odds = torch.tensor(tables()["log_odds"])
    faces = torch.arange(len(odds))

    def network(x, t, cond):
        shown = (x[..., None] == faces).sum(1, keepdim=True)  # how often each face is on the table
        return (odds + 0.5 * shown).expand(*x.shape, len(odds))

    return Process(
        prior=lambda n, rng: torch.full((n, count), len(odds)),
        denoiser=from_logits(network, len(odds)),
        transition=masked_ancestral(masked_log_linear()),
        times=time_grid(steps),
        decode=lambda x: ["".join(str(face + 1) for face in row) for row in x.tolist()],
        time_independent=True,
        kind=DiceKind(count),
        about={"name": "dice"},
    )


def with_first(process: Process, first: float) -> Process:
    """The process with the first die laid down; it takes the settings of its `Start` by name."""
    if not isinstance(process.kind, DiceKind):
        raise ValueError(f"first is for dice, which {process.about.get('name', 'this model')} does not throw")
    if first not in range(1, 7):
        raise ValueError(f"first is a face of a die, 1 to 6, got {first:g}")

    def prior(n, rng):
        x = process.prior(n, rng)
        x[:, 0] = int(first) - 1  # a die that is shown stays as it is
        return x

    return replace(process, prior=prior)
