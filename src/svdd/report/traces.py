"""What a trace says of the particles of a chain: how evenly they weigh, and whose descendants live to the end."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

ByStep = pd.DataFrame
"""Rows of step and number, columns `step` and `number`."""


class _Grid(NamedTuple):
    """Columns of a trace by step, chain and particle."""

    steps: ndarray
    parent: ndarray
    log_w: ndarray


class Genealogy(NamedTuple):
    """Who descends from whom in one chain: by step and particle, its parent at the step before, and whether its line lives.

    Args:
        steps: their numbers.
        parent: position of the parent among the particles of the step before.
        living: whether there is a descendant at the end.
    """

    steps: ndarray
    parent: ndarray
    living: ndarray


def _grid(trace: pd.DataFrame) -> _Grid | None:
    """The chains that were traced at every step with the same number of particles; None without any, or for lone ones."""
    if trace.empty or trace["particle"].max() == 0 or trace["step"].nunique() < 2:
        return None
    width, steps = trace["particle"].max() + 1, np.sort(trace["step"].unique())
    whole = trace.groupby("chain")["step"].transform("size") == len(steps) * width
    rows = trace[whole].sort_values(["step", "chain", "particle"], kind="stable")
    if rows.empty:
        return None
    parent = rows["ancestor"] // rows["children"]
    shape = (len(steps), -1, int(width))
    return _Grid(steps, parent.to_numpy().reshape(shape), rows["log_w"].to_numpy().reshape(shape))


def _by_step(steps: ndarray, numbers: Float[ndarray, "s b"]) -> ByStep:
    return pd.DataFrame({"step": np.repeat(steps, numbers.shape[1]), "number": numbers.flatten()})


def particles(trace: pd.DataFrame) -> dict[str, ByStep]:
    r"""Effective particles $1/\sum w^2$ and surviving lineages of every chain at every step; nothing for lone particles.

    A lineage is a particle of the step with a descendant among the last particles of its chain.
    """
    grid = _grid(trace)
    if grid is None:
        return {}
    effective, living = _effective(grid.log_w), _living(grid.parent).sum(-1).astype(float)
    return {"effective particles": _by_step(grid.steps, effective), "surviving lineages": _by_step(grid.steps, living)}


def genealogy(trace: pd.DataFrame) -> Genealogy | None:
    """The family tree of the first chain; None for lone particles, and where their number changes."""
    grid = _grid(trace)
    return None if grid is None else Genealogy(grid.steps, grid.parent[:, 0], _living(grid.parent)[:, 0])


def _effective(log_w: Float[ndarray, "s b n"]) -> Float[ndarray, "s b"]:
    top = log_w.max(-1, keepdims=True)
    weights = np.exp(log_w - np.where(np.isfinite(top), top, 0.0))
    total = weights.sum(-1)
    return np.divide(total**2, (weights**2).sum(-1), out=np.full(total.shape, np.nan), where=total > 0)


def _living(parent: ndarray) -> Bool[ndarray, "s b n"]:
    """Which particles have a descendant at the end."""
    alive = np.ones(parent.shape[1:], dtype=bool)
    found = []
    for earlier in parent[::-1]:
        found.append(alive)
        before = np.zeros_like(alive)
        chain, particle = np.nonzero(alive)
        before[chain, earlier[chain, particle]] = True
        alive = before
    return np.stack(found[::-1])


def candidates(trace: pd.DataFrame) -> dict[str, ByStep]:
    r"""Distinct candidates of a parent, and effective ones $1/\sum p^2$ of the choice; nothing where none was a choice."""
    several = trace[trace["children"] > 1]
    if several["step"].nunique() < 2:
        return {}
    named = {"distinct candidates": "distinct", "effective candidates": "selection_ess"}
    return {
        title: several[["step", column]].rename(columns={column: "number"}).astype({"number": float})
        for title, column in named.items()
    }
