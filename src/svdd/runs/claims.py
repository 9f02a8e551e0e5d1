"""Claims: one run at a time writes into a folder, whichever process, machine or command it is of.

A claim is a lock of the system on a file in the folder. The system gives it back when a process ends, however it ends, so
that a run that was killed goes on without anybody's help. The lock of `lockf` is not inherited: processes that a reward
has started, and that outlive a killed run, do not hold it. File systems of a network pass it on to other machines.
"""

import os
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from svdd.runs.marks import CLAIM
from svdd.runs.watching import RunWarning

_OURS, _GUARD = set[str](), threading.Lock()
"""The folders that this process has claimed: the system does not keep a process from its own locks."""


class FolderInUseError(FileExistsError):
    """Another run is writing into a folder."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keeps all others from writing into a folder, which is made; one that is still empty at the end goes again.

    Args:
        folder: to write.

    Raises:
        FolderInUseError: if another run has claimed it.
        OSError: if it cannot be written.
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    path, key = folder / CLAIM, os.path.realpath(folder)
    with _GUARD:
        if key in _OURS:
            raise _in_use(folder, "this process")
        _OURS.add(key)
    try:
        file = _locked(folder, path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # while it is locked, so that nobody else's goes
            file.close()
    finally:
        _OURS.discard(key)
        with suppress(OSError):  # what is not empty stays
            for one in (path.parent, *made):
                one.rmdir()


def _locked(folder: Path, path: Path) -> Any:
    """The file of a claim, locked: another process may have removed the one that was opened, so it is looked at again."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
        try:
            _lock(file, folder)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                file.write(f"process {os.getpid()} of {socket.gethostname()}")
                file.flush()
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: Any, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.seek(0)
        raise _in_use(folder, file.read(200) or "another process") from None
    except OSError as error:
        warnings.warn(
            f"the file system of {folder} keeps no locks ({error.strerror}): see that no other run writes into this folder",
            RunWarning,
            stacklevel=5,
        )


def _in_use(folder: Path, who: Any) -> FolderInUseError:
    return FolderInUseError(f"{folder} is being written by another run ({who}); wait for it, or choose another folder")
