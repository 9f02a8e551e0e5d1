"""Finished batches of a run that others compute, kept in its folder until it is finished."""

from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from svdd.decoding.saving import read_state, write_state

STATE = ("steps", "identity", "batch", "step", "usage", "trace", "finished", "best", "breakdown")
"""What the state of a run holds, and that of a batch."""
_PATTERN = "batch-*.pt"


class Parts(MutableMapping[int, dict[str, Any]]):
    """The states of finished batches by their number, each in a file that is written whole or not at all.

    Args:
        folder: of the run.
        first: called before the first batch is written.
    """

    def __init__(self, folder: Path, first: Callable[[], None] = lambda: None) -> None:
        self.folder, self.first = folder, first

    def _path(self, number: int) -> Path:
        return self.folder / _PATTERN.replace("*", f"{number:06}")

    def __getitem__(self, number: int) -> dict[str, Any]:
        path = self._path(number)
        if not path.is_file():
            raise KeyError(number)
        return read_state(path, "compute that batch again")

    def __setitem__(self, number: int, state: dict[str, Any]) -> None:
        self.first()
        self.first = lambda: None
        write_state(state, self._path(number))

    def __delitem__(self, number: int) -> None:
        self._path(number).unlink()

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(int(path.stem.partition("-")[2]) for path in self.folder.glob(_PATTERN)))

    def __len__(self) -> int:
        return sum(1 for _ in self)
