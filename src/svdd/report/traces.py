"""What a trace says of the particles of a chain: how evenly they weigh, and whose descendants live to the end."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

ByStep = pd.DataFrame
"""Rows of step and number, columns `step` and `number`."""


class _Grid(NamedTuple):
    """Columns of a trace by step, chain and particle."""

    steps: ndarray
    parent: ndarray
    log_w: ndarray


def _grid(trace: pd.DataFrame) -> _Grid | None:
    """The chains that were traced at every step with the same number of particles; None without any."""
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
    if trace.empty or trace["particle"].max() == 0 or trace["step"].nunique() < 2:
        return {}
    grid = _grid(trace)
    if grid is None:
        return {}
    effective, living = _effective(grid.log_w), _lineages(grid.parent)
    return {"effective particles": _by_step(grid.steps, effective), "surviving lineages": _by_step(grid.steps, living)}


def _effective(log_w: Float[ndarray, "s b n"]) -> Float[ndarray, "s b"]:
    top = log_w.max(-1, keepdims=True)
    weights = np.exp(log_w - np.where(np.isfinite(top), top, 0.0))
    total = weights.sum(-1)
    return np.divide(total**2, (weights**2).sum(-1), out=np.full(total.shape, np.nan), where=total > 0)


def _lineages(parent: ndarray) -> Float[ndarray, "s b"]:
    alive = np.ones(parent.shape[1:], dtype=bool)
    counted = []
    for earlier in parent[::-1]:
        counted.append(alive.sum(-1).astype(float))
        before = np.zeros_like(alive)
        chain, particle = np.nonzero(alive)
        before[chain, earlier[chain, particle]] = True
        alive = before
    return np.stack(counted[::-1])


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
