"""Saving: a step of a run as plain tensors and numbers, and back; states in files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from svdd.chain.process import Particles, Process
from svdd.chain.rng import STREAMS, Rng
from svdd.chain.tree import Tree, tree_map
from svdd.cost.ledger import Breakdown, Cost, Outcomes, Usage
from svdd.messages import OtherVersionError, check_number
from svdd.method.loop import Step

SCHEMA = 2
"""The number of what states and finished batches hold; in the first the state of a run held its finished batches."""


def step_state(step: Step) -> dict[str, Any]:
    """A step as plain tensors, on the CPU wherever they are now, and numbers."""
    particles = step.particles
    assert particles.rng is not None, "particles of a run carry their streams"
    return {
        "number": particles.step,
        "x": tree_map(Tensor.cpu, particles.x),
        "cond": tree_map(Tensor.cpu, particles.cond),
        "memory": tree_map(Tensor.cpu, particles.memory),
        "rng": particles.rng.state(),
        "value": step.value,
        "log_w": step.log_w,
        "ancestor": step.ancestor,
        "moves": step.moves,
    }


def step_from(state: dict[str, Any], process: Process, cond: Tree) -> Step:
    """The inverse of `step_state`: states go where the process has its own, and conditioning where `cond` is."""
    rng = Rng.from_state(state["rng"])
    x = tree_map(lambda leaf: leaf.to(process.device), state["x"])
    of_rows = tree_map(lambda leaf, own: leaf.to(own.device), state["cond"], cond)
    particles = Particles(process, state["number"], x, of_rows, state["memory"], rng)
    # a state of an earlier version, which had no moves, does not say how many were made
    return Step(particles, state["value"], state["log_w"], state["ancestor"], moves=state.get("moves", 0))


def write_state(state: dict[str, Any], path: Path) -> None:
    """Writes plain tensors, numbers and lists, with the numbers of this version, to a file, whole or not at all."""
    partial = path.with_suffix(".part")
    torch.save(state | {"streams": STREAMS, "schema": SCHEMA}, partial)
    partial.replace(path)


def read_state(path: Path, remedy: str, names: Sequence[str] = ()) -> dict[str, Any]:
    """What `write_state` wrote.

    Args:
        path: the file.
        remedy: what removing the file leads to, for the message.
        names: what it must hold, if more than anything.

    Raises:
        OtherVersionError: if its random streams, or what it holds, are not those of this version.
        ValueError: if it is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        for number, known in (("streams", STREAMS), ("schema", SCHEMA)):
            check_number(number, state.pop(number, None), known, path, f"remove it to {remedy}")
        return {name: state[name] for name in names or state}
    except OtherVersionError:
        raise
    except Exception as error:  # damage shows as any of several errors of pickle, zip and torch
        raise ValueError(f"{path} is damaged ({type(error).__name__}); remove it to {remedy}") from error


def add_bill(part: dict[str, Any], usage: Usage, breakdown: Breakdown) -> None:
    """Counts what a batch cost that another machine made."""
    _add(usage, Usage.from_dict(part["usage"]))
    breakdown.add(part["breakdown"])


def _add(total: Usage, usage: Usage) -> None:
    for name, part in vars(usage).items():
        mine = getattr(total, name)
        if isinstance(part, Cost | Outcomes):
            for field, number in vars(part).items():
                setattr(mine, field, getattr(mine, field) + number)
    total.seconds += usage.seconds
