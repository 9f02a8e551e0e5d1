"""The ledger of a run: rows, hits, calls and seconds of each cost centre, and why designs were invalid."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from svdd.cost.batches import count


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

    def count(self, kind: str) -> None:
        """Counts a design, by what happened to it."""
        setattr(self, kind, getattr(self, kind) + 1)

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
        for name in [name for name, value in vars(earlier).items() if isinstance(value, Cost | Outcomes)]:
            vars(getattr(self, name)).update(vars(getattr(earlier, name)))
        self.seconds = earlier.seconds

    def note_memory(self) -> None:
        """Records the highest memory use of this process so far (of the accelerator's, where one is in use)."""
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            self.peak_memory_mb = torch.cuda.max_memory_allocated() / 2**20
        elif sys.platform != "win32":  # which has no such record
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            self.peak_memory_mb = peak / (2**20 if sys.platform == "darwin" else 2**10)


def metered(f: Callable[..., Any], cost: Cost | None = None, rows_each: int = 1) -> Callable[..., Any]:
    """`f`, counting the rows of its first argument and the seconds inside.

    Args:
        f: any function of rows.
        cost: where to count; the wrapper's attribute `cost`.
        rows_each: rows a state costs (2 under classifier-free guidance).
    """
    ledger = Cost() if cost is None else cost

    def counted(x: Any, *args: Any) -> Any:
        started = time.perf_counter()
        try:
            answer = f(x, *args)
        finally:  # a call that fails (and is made again with fewer rows) costs time, but computed no row
            ledger.seconds += time.perf_counter() - started
            ledger.calls += 1
        ledger.rows += count(x) * rows_each
        return answer

    counted.cost = ledger  # type: ignore[attr-defined]
    return counted


_KINDS, _LETTERS = 50, 80
_REST = "other reasons"


@dataclass
class Breakdown:
    """What a run learns of its reward beyond the bill.

    Args:
        invalid: designs that were invalid, by the reason that the reward gave.
        components: what each component, and each further score, was asked and what it cost.
    """

    invalid: dict[str, int] = field(default_factory=dict)
    components: dict[str, Cost] = field(default_factory=dict)

    def count(self, why: str, times: int = 1) -> None:
        """Counts invalid designs; reasons beyond the first 50 share a line."""
        short = why[:_LETTERS]
        name = short if short in self.invalid or len(self.invalid) < _KINDS else _REST
        self.invalid[name] = self.invalid.get(name, 0) + times

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for files."""
        return asdict(self)

    def restore(self, earlier: Mapping[str, Any]) -> None:
        """Goes on from what `as_dict` gave; whoever holds a component's ledger keeps it."""
        self.invalid.clear()
        for cost in self.components.values():
            vars(cost).update(vars(Cost()))
        self.add(earlier)

    def add(self, other: Mapping[str, Any]) -> None:
        """Takes in what another part of the run gave with `as_dict`."""
        for why, times in other.get("invalid", {}).items():
            self.count(why, times)
        for name, spent in other.get("components", {}).items():
            mine = vars(self.components.setdefault(name, Cost()))
            mine.update({part: mine[part] + number for part, number in spent.items()})
