"""Folders that were written before folders bore a mark: they are told by contents that nothing but this package writes.

The names of files tell nothing, since anybody may call a file job.yaml, state.pt or run.json.
"""

import contextlib
import json
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from svdd.decoding.saving import read_state
from svdd.runs.parts import STATE

# Columns of the table of a journal.
_SCORES = {"number", "reward", "design", "score", "outcome", "at"}
# Facts in the JSON file of each table.
_FACTS = {
    "comparison": {"job", "match", "rule", "seeds", "options", "sizes", "plan"},
    "evaluation": {"runs", "model", "judge", "reference", "notes"},
}


def is_run(folder: Path) -> bool:
    """Whether it holds a finished run, or the journal, the state or a batch of an unfinished one."""
    record = read_object(folder / "run.json")
    versions, files, job = (record.get(name) for name in ("versions", "files", "job"))
    if isinstance(versions, dict) and "svdd" in versions and isinstance(files, list) and isinstance(job, dict):
        return True
    states = [folder / "state.pt", *sorted(folder.glob("batch-*.pt"))[:1]]
    return (folder / "job.yaml").is_file() and (_is_journal(folder / "rewards.sqlite") or any(map(_is_state, states)))


def is_table(folder: Path, kind: str) -> bool:
    """Whether it holds the facts of a comparison or an evaluation, which `kind` tells."""
    return read_object(folder / f"{kind}.json").keys() >= _FACTS[kind]


def read_object(path: Path) -> dict[str, Any]:
    """What a JSON file holds, nothing where there is none or it holds no object."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _is_state(path: Path) -> bool:
    try:
        return path.is_file() and bool(read_state(path, "", STATE))
    except ValueError:
        return False


def _is_journal(path: Path) -> bool:
    """Whether it is a file of scores; a copy is opened, since SQLite writes beside a file that it only reads."""
    if not path.is_file():
        return False
    with tempfile.TemporaryDirectory(prefix="svdd-") as folder:
        copy = Path(folder) / path.name
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{end}", f"{copy}{end}")
        try:
            with contextlib.closing(sqlite3.connect(copy)) as base:
                return {row[1] for row in base.execute("pragma table_info(scores)")} >= _SCORES
        except sqlite3.DatabaseError:
            return False
