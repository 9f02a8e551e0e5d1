"""Finished batches of a run, kept in its folder until it is finished."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from svdd.decoding.finished import Batch, Batches
from svdd.decoding.saving import read_state, write_state

STATE = ("steps", "identity", "batch", "step", "trace", "batches", "usage", "best", "breakdown")
"""What the state of a run holds."""
PART = ("finished", "trace")
"""What a batch holds that was made here; what it cost is in the run's state."""
BILLED = (*PART, "usage", "best", "breakdown")
"""What a batch holds that another machine made."""
_PATTERN = "batch-*.pt"


class Parts(Batches):
    """Finished batches, each in a file that is written once, whole or not at all.

    Args:
        folder: of the run.
        first: called before the first batch is written.
        names: what a batch holds.
    """

    def __init__(self, folder: Path, first: Callable[[], None] = lambda: None, names: Sequence[str] = PART) -> None:
        self.folder, self.first, self.names = folder, first, names
        self._objects: dict[int, Batch] = {}  # designs that no file gives back

    def _path(self, number: int) -> Path:
        return self.folder / _PATTERN.replace("*", f"{number:06}")

    def __getitem__(self, number: int) -> Batch:
        path = self._path(number)
        if number in self._objects:
            return self._objects[number]
        if not path.is_file():
            raise KeyError(number)
        return read_state(path, "compute that batch again", self.names)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self._path(number).is_file()

    def __setitem__(self, number: int, batch: Batch) -> None:
        self.first()
        self.first = lambda: None
        write_state(batch, self._path(number))
        if not _is_plain(batch):
            self._objects[number] = batch

    def __delitem__(self, number: int) -> None:
        self._objects.pop(number, None)
        self._path(number).unlink()

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(int(path.stem.partition("-")[2]) for path in self.folder.glob(_PATTERN)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        """Removes all of them, and one that is half written."""
        self._objects = {}
        for pattern in (_PATTERN, str(Path(_PATTERN).with_suffix(".part"))):
            for path in self.folder.glob(pattern):
                path.unlink()


def _is_plain(designs: Any) -> bool:
    """Whether a file that holds no code can give them back."""
    if isinstance(designs, dict):
        return all(map(_is_plain, designs.values()))
    if isinstance(designs, list | tuple):
        return all(isinstance(one, str) or _is_plain(one) for one in designs)
    return designs is None or isinstance(designs, str | bytes | int | float | Tensor)
