"""The mark of a folder that this package writes into: it tells which files are ours, so that no others are replaced."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdd.runs.unmarked import is_table, read_object

SCHEMA = 1
"""The number of what a mark holds; another number is refused."""
PLACE = Path(".svdd") / "folder.json"


class ForeignFilesError(FileExistsError):
    """A folder holds files that this package did not write; they are never replaced."""


@dataclass(frozen=True)
class Mark:
    """The mark of a folder.

    Args:
        folder: that bears it, or not yet.
        kind: `run`, `comparison` or `evaluation`.
    """

    folder: Path
    kind: str

    def there(self) -> bool:
        """Whether the folder bears it.

        Raises:
            ValueError: for a mark of another schema.
        """
        return bool(self._read())

    def files(self) -> set[str]:
        """The names of the files that were written under the mark, or may be half written."""
        return {name for name in self._read().get("files", []) if isinstance(name, str)}

    def write(self, files: Iterable[str]) -> None:
        """Marks the folder, whole or not at all.

        Args:
            files: the names of those that are ours, or are about to be written.
        """
        path = self.folder / PLACE
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps({"svdd": self.kind, "schema": SCHEMA, "files": sorted(files)}), encoding="utf-8")
        partial.replace(path)

    def check_files(self, names: Iterable[str], ours: Iterable[str] = ()) -> None:
        """Looks whether files can be written without replacing one that this package did not write.

        Args:
            names: of the files.
            ours: further files that are known to be ours.

        Raises:
            ForeignFilesError: if one of them is there and is not ours.
        """
        mine = self.files() | set(ours)
        foreign = sorted(name for name in set(names) - mine if (self.folder / name).exists())
        if foreign:
            raise ForeignFilesError(
                f"{self.folder} holds {', '.join(foreign)}, which svdd did not write; move what is yours to another folder"
            )

    def _read(self) -> dict[str, Any]:
        """What the mark holds, nothing where there is none of this kind."""
        read = read_object(self.folder / PLACE)
        if read.get("svdd") != self.kind:
            return {}
        if read.get("schema") != SCHEMA:
            raise ValueError(
                f"{self.folder} was written by another version of svdd: its mark has schema {read.get('schema')}, and this "
                f"version knows {SCHEMA}"
            )
        return read


def holds_table(folder: Path, kind: str, files: Sequence[str]) -> bool:
    """Whether a folder holds a comparison or an evaluation, whose files may be replaced; False for a fresh folder.

    Args:
        folder: to be written.
        kind: `comparison` or `evaluation`.
        files: that one of its kind consists of.

    Raises:
        ForeignFilesError: if it holds something else.
        NotADirectoryError: if it is not a folder.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return False
    mark, older = Mark(folder, kind), is_table(folder, kind)
    if not mark.there() and not older:
        one = "an evaluation" if kind == "evaluation" else f"a {kind}"
        raise ForeignFilesError(f"{folder} holds files that are not {one}; choose another folder with --out")
    mark.check_files(files, files if older else ())
    return True
