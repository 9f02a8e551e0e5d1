"""The mark of a folder that this package writes into: it tells which files are ours, so that no others are replaced."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdd.messages import check_number

SCHEMA = 1
"""The number of what a mark holds; another number is refused."""
PLACE = Path(".svdd") / "folder.json"
CLAIM = PLACE.with_name("claim")
"""What a process locks that writes into the folder; it is left behind where one was killed."""


def read_object(path: Path) -> dict[str, Any]:
    """What a JSON file holds, nothing where there is none or it holds no object."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def holds_files(folder: Path) -> bool:
    """Whether there is a folder with anything in it but a claim.

    Raises:
        NotADirectoryError: if it is not a folder.
    """
    return folder.exists() and any(not _only_claimed(path) for path in folder.iterdir())


def _only_claimed(path: Path) -> bool:
    return path.name == CLAIM.parent.name and path.is_dir() and all(one.name == CLAIM.name for one in path.iterdir())


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
            OtherVersionError: for a mark of another schema.
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
        mine = read if read.get("svdd") == self.kind else {}
        schema = mine.get("schema") if mine else SCHEMA
        check_number("schema", schema, SCHEMA, self.folder / PLACE, "choose another folder")
        return mine


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
    mark, occupied = Mark(folder, kind), holds_files(folder)
    one = "an evaluation" if kind == "evaluation" else f"a {kind}"
    if occupied and not mark.there():
        raise ForeignFilesError(f"{folder} holds files that are not {one}; choose another folder with --out")
    mark.check_files(files)
    return occupied
