"""Finished batches of a run: in memory, or wherever else the run keeps them so that its state and its memory stay small."""

from collections import UserDict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from svdd.decoding.trace import Table

Batch = dict[str, Any]
"""`finished`, the state of its designs, and `trace`, their steps; and what it cost, if another machine made it."""


class Batches(MutableMapping[int, Batch]):
    """Finished batches by their number, kept outside of the run's state, such as in files."""

    def state(self, count: int) -> list[Batch]:
        """What the state of a run must hold of its first `count` batches, so that `resume` has them again."""
        return []

    def resume(self, batches: Sequence[Batch]) -> None:
        """Goes on from a `state`."""

    def tables(self, count: int) -> Iterable[Table]:
        """The traces of the first `count` batches, each read when it is its turn."""
        return _Tables(self, count)


class InMemory(UserDict[int, Batch], Batches):
    """Finished batches in memory, and so in the state."""

    def state(self, count: int) -> list[Batch]:
        """All of them."""
        return [self[number] for number in range(count)]

    def resume(self, batches: Sequence[Batch]) -> None:
        """Takes them in again."""
        self.data = dict(enumerate(batches))

    def tables(self, count: int) -> Iterable[Table]:
        """The traces alone, which do not keep the designs."""
        return [self[number]["trace"] for number in range(count)]


@dataclass(frozen=True)
class _Tables:
    batches: Mapping[int, Batch]
    count: int

    def __iter__(self) -> Iterator[Table]:
        return (self.batches[number]["trace"] for number in range(self.count))
