"""The trace of a run: one row for every step of every chain."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.method.diagnostics import bellman_residual, selection_ess
from svdd.method.loop import Step

if TYPE_CHECKING:
    import pandas as pd


_TRACED = (
    "step", "t", "chain", "particle", "value", "log_w", "ancestor",
    "children", "candidate_mean", "candidate_best", "distinct", "bellman_residual", "selection_ess",
)  # fmt: skip


class Trace:
    """What every scoring step chose from and kept, one row a survivor; the columns of `steps.parquet`."""

    def __init__(self, temperature: float = 0.0) -> None:
        self.temperature = temperature
        self._parts: list[Tensor] = []

    def add(self, step: Step, ids: range) -> None:
        """Appends a step of the chains `ids`; a step that did not score adds nothing."""
        if step.candidates is None:
            return
        b, n = step.value.shape
        pool, children = step.candidates, step.candidates.value.shape[-1]
        parent = step.ancestor // children
        of_parent = (
            torch.full_like(pool.distinct, children),
            pool.value.mean(-1),
            pool.value.amax(-1),
            pool.distinct,
            bellman_residual(step, self.temperature),
            selection_ess(step, self.temperature),
        )
        particles = step.particles
        fixed = (
            torch.full((b, n), float(particles.step), device="cpu", dtype=torch.float32),
            particles.t.cpu().expand(b, n),
            torch.tensor(ids, device="cpu").view(b, 1).expand(b, n),
            torch.arange(n, device="cpu").expand(b, n),
            step.value,
            step.log_w,
            step.ancestor,
        )
        columns = [*fixed, *(column.gather(1, parent) for column in of_parent)]
        self._parts.append(torch.stack([c.double().flatten() for c in columns], 1))

    def rows(self) -> Float[Tensor, "r c"]:
        """All rows so far."""
        return (
            torch.cat(self._parts) if self._parts else torch.zeros(0, len(_TRACED), dtype=torch.float64, device="cpu")
        )

    def mean_distinct(self) -> float | None:
        """Distinct candidates of a parent on average, None where there was only one to begin with."""
        table = self.rows()
        several = table[table[:, _TRACED.index("children")] > 1]
        return float(several[:, _TRACED.index("distinct")].mean()) if len(several) else None

    def to_frame(self) -> "pd.DataFrame":
        """The trace as a table."""
        import pandas as pd

        frame = pd.DataFrame(self.rows().numpy(), columns=list(_TRACED))
        whole = {k: "int32" for k in ("step", "chain", "particle", "ancestor", "children", "distinct")}
        return frame.astype(whole)

    def resume(self, rows: Float[Tensor, "r c"]) -> "Trace":
        """Goes on from saved rows."""
        self._parts = [rows]
        return self
