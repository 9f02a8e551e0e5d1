"""Accounting: what a run pays for, and how to pay for it once.

The network, the decoder, the value net and the reward are the cost. Each is a callable over rows, so each concern is a
wrapper round a callable and the loop knows none of them: `metered` counts rows and seconds, `chunked` bounds how many rows
go at once, `deduplicated` asks a denoiser for each different state once, `memoised` asks a reward for each design once.
"""

import sys
import time
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.denoisers import Denoiser
from svdd.distributions import Distribution
from svdd.tree import Tree, concatenate, distinct_rows, leaves, row_hash, rows, take, tree_map
from svdd.values import Reward, checked


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
class Usage:
    """The ledger of a run: rows, hits, calls and seconds of each component, wall time and peak memory."""

    network: Cost = field(default_factory=Cost)
    decode: Cost = field(default_factory=Cost)
    value: Cost = field(default_factory=Cost)
    reward: Cost = field(default_factory=Cost)
    seconds: float = 0.0
    peak_memory_mb: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for files."""
        return asdict(self)

    @classmethod
    def from_dict(cls, numbers: dict[str, Any]) -> "Usage":
        """The inverse of `as_dict`."""
        return cls(**{k: Cost(**v) if isinstance(v, dict) else v for k, v in numbers.items()})  # type: ignore[arg-type]

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
    return wrapper


def _out_of_memory(error: Exception) -> bool:
    said = any(words in str(error) for words in ("can't allocate memory", "not enough memory"))  # torch, on the CPU
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (isinstance(error, RuntimeError) and said)


def _split(rows_: Any, start: int, stop: int) -> Any:
    """Rows `start` to `stop`; a time, which has no rows, is passed on as it is."""
    if isinstance(rows_, list):
        return rows_[start:stop]
    if isinstance(rows_, Tensor) and rows_.ndim == 0:
        return rows_
    return tree_map(lambda leaf: leaf[start:stop], rows_)


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], list):
        return [row for part in parts for row in part]
    return concatenate(parts)


def chunked(f: Callable[..., Any], limit: int) -> Callable[..., Any]:
    """`f` on at most `limit` rows at a time; halves the limit when memory runs out, and says so once.

    The results are those of one call, row by row.

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
                parts.append(f(*(_split(arg, start, stop) for arg in (x, *args))))
                start = stop
            except Exception as error:
                if not _out_of_memory(error) or size == 1:
                    raise
                if size == limit:
                    warnings.warn(f"out of memory with {size} rows at a time: going on with fewer", stacklevel=2)
                size = max(1, min(size, n) // 2)
        return _joined(parts)

    return wrapper


def in_full_batches(f: Callable[[Tensor], Tensor], size: int) -> Callable[[Tensor], Tensor]:
    """`f` on batches of exactly `size` rows, the last one padded with its own first row.

    Matrix products of another shape round differently. With one shape a row's answer does not depend on how many rows
    came with it, so neither chunking, de-duplication nor a restart can change a design in its last bit.
    """

    def wrapper(x: Int64[Tensor, "n L"]) -> Float[Tensor, "n *rest"]:
        parts = []
        for part in x.split(size):  # type: ignore[no-untyped-call]
            short = size - len(part)
            padded = torch.cat([part, part[:1].expand(short, *part.shape[1:])]) if short else part
            parts.append(f(padded)[: len(part)])
        return torch.cat(parts)

    return wrapper


class _Answered:
    """States with their answers, the latest that fit into a number of bytes; later ones overwrite the earliest."""

    def __init__(self, limit: int) -> None:
        self.limit, self.size, self.next = limit, 0, 0
        self.place: dict[int, int] = {}  # of each hash
        self.hashes: list[int | None] = []  # of each place
        self.key: Tree = ()
        self.answers: Any = None

    def find(self, key: Tree, hashes: list[int]) -> Int64[Tensor, " u"]:
        """For every row of `key` its place, or -1; hashes find it and the rows themselves decide."""
        device = leaves(key)[0].device
        place = torch.tensor([self.place.get(one, -1) for one in hashes], device=device)
        if self.answers is None:
            return place
        same = place >= 0
        for mine, theirs in zip(leaves(key), leaves(self.key), strict=True):
            same &= (mine == theirs[place.clamp(min=0)]).reshape(len(mine), -1).all(1)
        return torch.where(same, place, -1)

    def add(self, key: Tree, answers: Distribution, hashes: list[int]) -> None:
        """Keeps rows that `find` did not know."""
        if self.answers is None:
            self._allocate(key, answers)
        fit = slice(max(len(hashes) - self.size, 0), None)
        hashes = hashes[fit]
        places = [(self.next + i) % self.size for i in range(len(hashes))]
        self.next = (self.next + len(hashes)) % self.size
        for place, one in zip(places, hashes, strict=True):
            old = self.hashes[place]
            if old is not None and self.place.get(old) == place:
                del self.place[old]
            self.place[one], self.hashes[place] = place, one
        for kept, fresh in zip((*leaves(self.key), *leaves(self.answers)), (*leaves(key), *leaves(answers)), strict=True):
            kept[torch.tensor(places, device=kept.device)] = fresh[fit]

    def _allocate(self, key: Tree, answers: Distribution) -> None:
        row = sum(leaf[:1].numel() * leaf.element_size() for leaf in (*leaves(key), *leaves(answers)))
        self.size = max(1, self.limit // row)
        self.hashes = [None] * self.size
        self.key, self.answers = (
            tree_map(lambda leaf: leaf.new_empty((self.size, *leaf.shape[1:])), tree) for tree in (key, answers)
        )


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
    known = _Answered(keep if time_independent else 0)

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

    return wrapper


def _comparable(designs: Any) -> bool:
    """Whether designs can be looked up: text and numbers can, arrays and most objects cannot, pixels are rarely equal."""
    return isinstance(designs, list) and all(isinstance(d, str | bytes | int | float | tuple) for d in designs)


def memoised(reward: Reward, key: Callable[[Any], Hashable] | None = None, cost: Cost | None = None) -> Reward:
    """`reward`, asked once for each different design.

    Args:
        reward: designs to one number each; a design's number must not depend on the others in the batch.
        key: what makes two designs the same; the design itself unless given, where it is text, a number or a tuple.
            Other designs are not looked up without it.
        cost: where to count hits.
    """
    ledger = Cost() if cost is None else cost
    known: dict[Hashable, float] = {}

    def wrapper(designs: Any) -> Any:
        if key is None and not _comparable(designs):
            return reward(designs)
        keys = [d if key is None else key(d) for d in designs]
        fresh = {k: i for i, k in reversed(list(enumerate(keys))) if k not in known}
        if fresh:
            asked = [designs[i] for i in sorted(fresh.values())]
            numbers = checked(reward(asked), asked, len(asked)).tolist()
            known.update(zip((keys[i] for i in sorted(fresh.values())), numbers, strict=True))
        ledger.hits += len(keys) - len(fresh)
        return torch.tensor([known[k] for k in keys], dtype=torch.float64)

    return wrapper
