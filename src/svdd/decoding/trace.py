"""The trace of a run: one row for every survivor of every step that chose.

While a batch is open, steps leave references to their numbers alone, never to particles; its table is made in one go at its
end, or when somebody asks. So a step costs a few microseconds, and numbers on an accelerator travel once per batch.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.method.diagnostics import ess_among_siblings, residual_of
from svdd.method.loop import Candidates, Step

if TYPE_CHECKING:
    import pandas as pd

Table: TypeAlias = dict[str, Tensor]
"""Columns of one length by their names, those of `COLUMNS`."""

COLUMNS = {
    "step": torch.int32, "t": torch.float32, "chain": torch.int32, "particle": torch.int32, "value": torch.float32,
    "log_w": torch.float32, "ancestor": torch.int32, "children": torch.int32, "candidate_mean": torch.float32,
    "candidate_best": torch.float32, "distinct": torch.int32, "bellman_residual": torch.float32, "selection_ess": torch.float32,
}  # fmt: skip
"""The columns of `steps.parquet`. Differences are taken in float64, and what is kept of them are 7 digits."""
_OPEN = 2**20
"""Values of candidates that steps may hold on to before they are made into rows: 8 MiB."""
_GROUP = 2**18
"""Rows that are written at once: 13 MiB."""


class _Choice(NamedTuple):
    """What a step that chose leaves for the table."""

    number: int
    t: Float[Tensor, ""]
    ids: range
    value: Float[Tensor, "b n"]
    log_w: Float[Tensor, "b n"]
    ancestor: Int64[Tensor, "b n"]
    candidates: Candidates

    def form(self) -> tuple[object, ...]:
        """What must be equal for choices to be put into a table together."""
        return self.ids, self.value.shape, self.candidates.value.shape


class Trace:
    """What every scoring step chose from and kept; the rows of `steps.parquet`.

    Args:
        temperature: of the method, for the diagnostics.
        finished: the tables of finished batches, which may be read each time they are needed.
    """

    def __init__(self, temperature: float = 0.0, finished: Iterable[Table] = ()) -> None:
        self.temperature, self.finished = temperature, finished
        self._open, self._choices, self._numbers = list[Table](), list[_Choice](), 0

    def add(self, step: Step, ids: range) -> None:
        """Appends a step of the chains `ids`; a step that did not score adds nothing."""
        pool = step.candidates
        if pool is None:
            return
        particles = step.particles
        self._choices.append(_Choice(step.number, particles.t, ids, step.value, step.log_w, step.ancestor, pool))
        self._numbers += pool.value.numel()
        if self._numbers > _OPEN:
            self._tabulate()

    def _tabulate(self) -> None:
        groups = groupby(self._choices, _Choice.form)
        self._open += [_table(list(choices), self.temperature) for _, choices in groups]
        self._choices, self._numbers = [], 0

    def open(self) -> Table:
        """The rows of the open batch."""
        self._tabulate()
        self._open = [joined(self._open)]
        return self._open[0]

    def close(self) -> Table:
        """The rows of the open batch, which are given up: a new batch begins."""
        table, self._open = self.open(), []
        return table

    def after(self, finished: Iterable[Table]) -> "Trace":
        """This trace behind the tables of finished batches."""
        return Trace(self.temperature, finished).resume(self.open())

    def resume(self, table: Table) -> "Trace":
        """Goes on from the rows of an open batch."""
        self._open = [table]
        return self

    def tables(self) -> Iterator[Table]:
        """All rows so far, a batch at a time."""
        yield from self.finished
        yield self.open()

    def rows(self) -> Float[Tensor, "r c"]:
        """All rows so far as numbers of one type."""
        return torch.stack([column.double() for column in joined(list(self.tables())).values()], 1)

    def mean_distinct(self) -> float | None:
        """Distinct candidates of a parent on average, None where there was only one to begin with."""
        total, count = 0, 0
        for table in self.tables():
            distinct = table["distinct"][table["children"] > 1]
            total, count = total + int(distinct.sum()), count + len(distinct)
        return total / count if count else None

    def to_frame(self) -> "pd.DataFrame":
        """The trace as a table."""
        return _frame(joined(list(self.tables())))

    def write(self, file: Path) -> None:
        """Writes the table as Parquet, some batches at a time."""
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        schema = pa.Table.from_pandas(_frame(joined(())), preserve_index=False).schema
        with ParquetWriter(file, schema) as writer:
            for table in _large(self.tables()):
                writer.write_table(pa.Table.from_pandas(_frame(table), schema, preserve_index=False))


def joined(tables: Sequence[Table]) -> Table:
    """Tables one below the other."""
    if len(tables) == 1:
        return tables[0]
    parts = {name: [table[name] for table in tables] for name in COLUMNS}
    empty = {name: torch.zeros(0, dtype=dtype, device="cpu") for name, dtype in COLUMNS.items()}
    return {name: torch.cat(parts[name]) if tables else empty[name] for name in COLUMNS}


def table_of(frame: "pd.DataFrame") -> Table:
    """What `Trace.to_frame` gave, or an early version of it."""
    return {name: torch.tensor(frame[name].to_numpy(), dtype=dtype, device="cpu") for name, dtype in COLUMNS.items()}


def _frame(table: Table) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame({name: column.numpy() for name, column in table.items()}, copy=False)


def _large(tables: Iterable[Table]) -> Iterator[Table]:
    """The same rows in tables of at least `_GROUP` of them, but for the last."""
    few, count = list[Table](), 0
    for table in tables:
        few, count = [*few, table], count + len(table["step"])
        if count >= _GROUP:
            yield joined(few)
            few, count = [], 0
    if count:
        yield joined(few)


def _table(choices: Sequence[_Choice], temperature: float) -> Table:
    """The rows of choices of one form: chains of other steps are to it as further chains."""
    one, steps = choices[0], len(choices)
    (b, n), children = one.value.shape, one.candidates.value.shape[-1]
    value, log_w, ancestor = (
        torch.cat(parts).cpu() for parts in zip(*((c.value, c.log_w, c.ancestor) for c in choices), strict=True)
    )
    pool = Candidates(*(torch.cat(parts).cpu() for parts in zip(*(c.candidates for c in choices), strict=True)))
    of_parent = {
        "candidate_mean": pool.value.mean(-1),
        "candidate_best": pool.value.amax(-1),
        "distinct": pool.distinct,
        "bellman_residual": residual_of(pool, temperature),
        "selection_ess": ess_among_siblings(pool, temperature),
    }
    of_step = {
        "step": torch.tensor([c.number for c in choices], device="cpu"),
        "t": torch.stack([c.t for c in choices]),
    }
    parent = ancestor // children
    columns = {
        **{name: column.cpu().repeat_interleave(b * n) for name, column in of_step.items()},
        "chain": torch.tensor(one.ids, device="cpu").repeat_interleave(n).repeat(steps),
        "particle": torch.arange(n, device="cpu").repeat(steps * b),
        "value": value,
        "log_w": log_w,
        "ancestor": ancestor,
        "children": torch.tensor(children, device="cpu").expand(steps * b * n),
        **{name: column.gather(1, parent) for name, column in of_parent.items()},
    }
    return {name: columns[name].flatten().to(dtype) for name, dtype in COLUMNS.items()}
