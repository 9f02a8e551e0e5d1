"""Running a job to its end, or to a Ctrl-C after which it can go on."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from svdd.cli.folders import RunFolder
from svdd.cli.jobs import Job, make_decoding, make_job, read_settings
from svdd.cli.progress import progress
from svdd.cli.sentences import Interrupted, say
from svdd.decoding import Decoding

SAVE_SECONDS = 30.0


@dataclass
class _Stop:
    asked: bool = False


@contextmanager
def _stop_on_interrupt() -> Iterator[_Stop]:
    """Ctrl-C is kept until the step is over, since only there a run can be saved; a second one stops at once."""
    stop = _Stop()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        say("stopping after this step (Ctrl-C again stops at once)")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _unfinished(folder: RunFolder) -> Iterator[None]:
    """If the run fails, says that what was saved can go on."""
    try:
        yield
    except Interrupted:
        raise
    except BaseException:
        if folder.state.is_file():
            say(f"note: {folder.path} holds an unfinished run, saved before; go on with: svdd resume {folder.path}")
        raise


def drive(decoding: Decoding, folder: RunFolder, *, done: int = 0, job: Job | None = None, quiet: bool = False) -> None:
    """Iterates to the end and saves the state every half minute.

    Args:
        decoding: the run, fresh or resumed.
        folder: where it is saved.
        done: steps that were taken before.
        job: of a fresh run, to be written once its first step has succeeded; a resumed one has written it.
        quiet: no progress.

    Raises:
        Interrupted: after Ctrl-C, the state saved.
    """
    saved = time.monotonic()
    with _stop_on_interrupt() as stop, _unfinished(folder), progress(len(decoding), quiet) as show:
        for number, step in enumerate(decoding, done + 1):
            show(number, step)
            if job is not None:
                folder.claim(job.written())
                job = None
            if stop.asked or time.monotonic() - saved > SAVE_SECONDS:
                decoding.save(folder.state)
                saved = time.monotonic()
            if stop.asked:
                raise Interrupted(f"stopped at step {number} of {len(decoding)}; go on with: svdd resume {folder.path}")


def run_job(job: Job, force: bool, quiet: bool) -> dict[str, Any]:
    """Runs a job from its start; returns what run.json holds.

    Raises:
        FileExistsError: if the folder may not be written.
        ValueError: for anything in the job that is unknown or does not fit together.
        Interrupted: after Ctrl-C.
    """
    folder, job = RunFolder(Path(job.out)), job.anchored()
    folder.check(force)
    decoding = make_decoding(job)
    drive(decoding, folder, job=job, quiet=quiet)
    return folder.finish(decoding.result(), job.record())


def resume_job(path: Path, quiet: bool) -> dict[str, Any]:
    """Goes on with an unfinished run, or returns the record of a finished one.

    Raises:
        ValueError: if the folder holds no run that `svdd run` started, or its state is damaged.
        Interrupted: after Ctrl-C.
    """
    folder = RunFolder(path)
    if not folder.job.is_file():
        raise ValueError(f"{path} holds no job.yaml, so there is no run to go on with")
    if folder.finished():
        return folder.record()
    job = make_job(read_settings(folder.job))
    decoding, state, done = make_decoding(job), folder.load_state(), 0
    if state is not None:
        decoding.resume(state)
        done = state["batch"] * decoding.process.steps + (state["step"]["number"] if state["step"] else 0)
    drive(decoding, folder, done=done, quiet=quiet)
    return folder.finish(decoding.result(), job.record())
