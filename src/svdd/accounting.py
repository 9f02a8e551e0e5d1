"""Accounting: what a run pays for, and how to pay for it once.

The network, the decoder, the value net and the reward are the cost. Each is a callable over rows, so each concern is a
wrapper round a callable and the loop knows none of them: `metered` counts rows and seconds, `chunked` bounds how many rows
go at once, `deduplicated` asks a denoiser for each different state once, `svdd.memo` asks a reward for each design once.
"""

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.answered import Answered
from svdd.denoisers import Denoiser
from svdd.pending import Pending, like
from svdd.tree import Tree, concatenate, distinct_rows, row_hash, rows, take, tree_map


@dataclass
class Cost:
    """What one component was asked and what it cost.

    Args:
        rows: rows computed.
        hits: rows that were asked for and already known; rows + hits is what was asked.
        calls: calls made.
        seconds: wall time inside.
    """

    rows: int = 0
    hits: int = 0
    calls: int = 0
    seconds: float = 0.0

    @property
    def asked(self) -> int:
        """Rows that the algorithm asked for, whether computed or known."""
        return self.rows + self.hits


@dataclass
class Outcomes:
    """How many designs a reward had no finite number for, by what happened instead.

    Args:
        invalid: it returned -inf.
        nan: it returned NaN or +inf.
        error: it raised an exception, or its process died.
        timeout: it did not answer in time.
        retries: designs that were asked for again after a failure.
    """

    invalid: int = 0
    nan: int = 0
    error: int = 0
    timeout: int = 0
    retries: int = 0

    @property
    def failed(self) -> int:
        """Designs without an answer of their own; an invalid design has one."""
        return self.nan + self.error + self.timeout


@dataclass
class Usage:
    """The ledger of a run: rows, hits, calls and seconds of each component, the reward's failures, wall time, peak memory."""

    network: Cost = field(default_factory=Cost)
    decode: Cost = field(default_factory=Cost)
    value: Cost = field(default_factory=Cost)
    reward: Cost = field(default_factory=Cost)
    outcomes: Outcomes = field(default_factory=Outcomes)
    seconds: float = 0.0
    peak_memory_mb: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for files."""
        return asdict(self)

    @classmethod
    def from_dict(cls, numbers: dict[str, Any]) -> "Usage":
        """The inverse of `as_dict`."""
        made: dict[str, Any] = {
            k: Cost(**v) if isinstance(v, dict) else v for k, v in numbers.items() if k != "outcomes"
        }
        return cls(**made, outcomes=Outcomes(**numbers.get("outcomes", {})))

    def restore(self, earlier: "Usage") -> None:
        """Goes on from what was paid `earlier`; whoever holds a component's ledger keeps it."""
        for name, value in vars(earlier).items():
            mine = getattr(self, name)
            if isinstance(mine, Cost | Outcomes):
                vars(mine).update(vars(value))
        self.seconds = earlier.seconds

    def note_memory(self) -> None:
        """Records the highest memory use of this process so far (of the accelerator's, where one is in use)."""
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            self.peak_memory_mb = torch.cuda.max_memory_allocated() / 2**20
        elif sys.platform != "win32":  # which has no such record
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            self.peak_memory_mb = peak / (2**20 if sys.platform == "darwin" else 2**10)


def count(designs: Any) -> int:
    """How many designs there are: tensors and lists by length, other states by their rows."""
    return rows(designs) if isinstance(designs, dict | tuple) else len(designs)


def metered(f: Callable[..., Any], cost: Cost | None = None, rows_each: int = 1) -> Callable[..., Any]:
    """`f`, counting the rows of its first argument and the seconds inside.

    Args:
        f: any function of rows.
        cost: where to count; the wrapper's attribute `cost`.
        rows_each: rows a state costs (2 under classifier-free guidance).
    """
    ledger = Cost() if cost is None else cost

    def wrapper(x: Any, *args: Any) -> Any:
        started = time.perf_counter()
        try:
            answer = f(x, *args)
        finally:  # a call that fails (and is made again with fewer rows) costs time, but computed no row
            ledger.seconds += time.perf_counter() - started
            ledger.calls += 1
        ledger.rows += count(x) * rows_each
        return answer

    wrapper.cost = ledger  # type: ignore[attr-defined]
    if hasattr(f, "submit"):
        wrapper.submit = lambda x: _Metered(x, f.submit, ledger)  # type: ignore[attr-defined]
    return like(wrapper, f)


class _Metered:
    """An answer on its way, the seconds that are spent on handing it over and on waiting for it counted."""

    def __init__(self, x: Any, submit: Callable[[Any], Pending], ledger: Cost) -> None:
        started = time.perf_counter()
        self._answer, self._rows, self._ledger = submit(x), count(x), ledger
        ledger.seconds += time.perf_counter() - started

    def result(self) -> Any:
        started = time.perf_counter()
        try:
            answer = self._answer.result()
        finally:
            self._ledger.seconds += time.perf_counter() - started
            self._ledger.calls += 1
        self._ledger.rows += self._rows
        return answer


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    said = any(words in str(error) for words in ("can't allocate memory", "not enough memory"))  # torch, on the CPU
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (isinstance(error, RuntimeError) and said)


def between(rows_: Any, start: int, stop: int) -> Any:
    """Rows `start` to `stop`; a time, which has no rows, is passed on as it is."""
    if isinstance(rows_, list):
        return rows_[start:stop]
    if isinstance(rows_, Tensor) and rows_.ndim == 0:
        return rows_
    return tree_map(lambda leaf: leaf[start:stop], rows_)


def picked(designs: Any, index: Sequence[int]) -> Any:
    """Chosen rows of a list or a tree."""
    return (
        [designs[i] for i in index]
        if isinstance(designs, list)
        else take(designs, torch.tensor(index, dtype=torch.int64))
    )


def joined(parts: Sequence[Any]) -> Any:
    """Rows of lists or trees, one after the other."""
    if isinstance(parts[0], list):
        return [row for part in parts for row in part]
    return concatenate(parts)


class _Chunks:
    """Chunks that were all handed over; they are waited for one by one."""

    def __init__(self, answers: Sequence[Pending]) -> None:
        self._answers = answers

    def result(self) -> Any:
        return joined([answer.result() for answer in self._answers])


def chunked(f: Callable[..., Any], limit: int) -> Callable[..., Any]:
    """`f` on at most `limit` rows at a time; halves the limit when memory runs out, and says so once.

    The results are those of one call, row by row. What works in the background gets all chunks at once.

    Raises:
        ValueError: for a limit below 1.
    """
    if limit < 1:
        raise ValueError(f"a chunk has at least 1 row, got {limit}")
    size = limit

    def wrapper(x: Any, *args: Any) -> Any:
        nonlocal size
        n, start, parts = count(x), 0, []
        while start < n:
            try:
                stop = min(start + size, n)
                parts.append(f(*(between(arg, start, stop) for arg in (x, *args))))
                start = stop
            except Exception as error:
                if not out_of_memory(error) or size == 1:
                    raise
                if size == limit:
                    warnings.warn(f"out of memory with {size} rows at a time: going on with fewer", stacklevel=2)
                size = max(1, min(size, n) // 2)
        return joined(parts)

    if hasattr(f, "submit"):
        wrapper.submit = lambda x: _Chunks(  # type: ignore[attr-defined]
            [f.submit(between(x, i, min(i + limit, count(x)))) for i in range(0, count(x), limit)]
        )
    return like(wrapper, f)


def in_full_batches(f: Callable[[Any], Tensor], size: int) -> Callable[[Any], Tensor]:
    """`f` on batches of exactly `size` rows, the last one padded with its own first row.

    Matrix products of another shape round differently. With one shape a row's answer does not depend on how many rows
    came with it, so neither chunking, de-duplication nor a restart can change a design in its last bit.
    """

    def wrapper(x: Tree) -> Float[Tensor, "n *rest"]:
        parts, n = [], rows(x)
        for first in range(0, n, size):
            part = between(x, first, first + size)
            there, row = min(size, n - first), torch.arange(size)
            parts.append(f(part if there == size else take(part, torch.where(row < there, row, 0)))[:there])
        return torch.cat(parts)

    return wrapper


def deduplicated(
    denoiser: Denoiser,
    cost: Cost | None = None,
    time_independent: bool = False,
    rows_each: int = 1,
    keep: int = 2**26,
) -> Denoiser:
    """`denoiser`, asked once for each different (state, conditioning) row.

    With `time_independent` answers are kept: a candidate that equals its parent, or any state of the steps before, costs
    nothing.

    Args:
        denoiser: a denoiser, or a learned value, of discrete states (equal continuous states are rare).
        cost: where to count hits.
        time_independent: whether the denoiser ignores t.
        rows_each: rows a state costs, as for `metered`.
        keep: bytes of answers to keep, the latest; 64 MiB.
    """
    ledger = Cost() if cost is None else cost
    known = Answered(keep if time_independent else 0)

    def wrapper(x: Tree, t: Tensor, cond: Tree) -> Any:
        key = (x, cond)
        first, group = distinct_rows(key)
        key = take(key, first)
        hashes = row_hash(key).tolist() if time_independent else []
        place = known.find(key, hashes) if time_independent else torch.full_like(first, -1)
        old, new = (place >= 0).nonzero().flatten(), (place < 0).nonzero().flatten()
        parts = [take(known.answers, place[old])] if len(old) else []
        if len(new):
            fresh = take(key, new)
            parts.append(denoiser(fresh[0], t, fresh[1]))
            if time_independent:
                known.add(fresh, parts[-1], [hashes[i] for i in new.tolist()])
        ledger.hits += (rows(x) - len(new)) * rows_each
        where = torch.cat([old, new]).argsort()
        return take(concatenate(parts), where[group])

    if time_independent:
        wrapper.known = lambda x, cond: known.find((x, cond), row_hash((x, cond)).tolist()) >= 0  # type: ignore[attr-defined]
    return wrapper
