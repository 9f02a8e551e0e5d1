"""Running a job to its end, or until its watch stops it, after which it can go on."""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from svdd.decoding.decoding import Decoding
from svdd.decoding.result import Result
from svdd.runs.claims import claimed
from svdd.runs.folder import Beside, RunFolder
from svdd.runs.guided import Guided
from svdd.runs.job import Job, make_job, read_settings
from svdd.runs.labels import settings
from svdd.runs.make import made_decoding, settled
from svdd.runs.watching import NOBODY, RunStopped, RunWarning, Watch
from svdd.scoring.score_file import ScoreCache

SAVE_SECONDS = 30.0


class NoRunError(ValueError):
    """A folder in which no run was started."""


@contextmanager
def _unfinished(folder: RunFolder) -> Iterator[None]:
    """If the run fails, says that what was saved can go on."""
    try:
        yield
    except RunStopped:
        raise
    except BaseException:
        if folder.started:
            note = f"{folder.path} holds an unfinished run, saved before; go on with: svdd resume {folder.path}"
            warnings.warn(note, RunWarning, stacklevel=3)
        raise


class _Claim:
    """Makes the folder of a fresh run its own, once something has succeeded."""

    def __init__(self, folder: RunFolder, job: Job, resumed: bool) -> None:
        self.folder, self.job, self.claimed = folder, job, resumed

    def __call__(self) -> None:
        if not self.claimed:
            self.folder.claim(self.job.written())
            self.claimed = True

    def journal(self) -> ScoreCache:
        """The run's own file of scores."""
        self()
        return ScoreCache(self.folder.journal)


def drive(decoding: Decoding, claim: _Claim, save_seconds: float, watch: Watch, done: int = 0) -> None:
    """Iterates to the end; saves the state and the best designs again and again.

    Args:
        decoding: the run, fresh or resumed.
        claim: makes the folder in which it is saved the run's own, after the first step if not before.
        save_seconds: between two saves.
        watch: follows the run, and may stop it.
        done: steps that were taken before.

    Raises:
        RunStopped: once the watch has stopped it and the state is saved.
    """
    folder, saved = claim.folder, time.monotonic()
    with _unfinished(folder), watch.steps(decoding) as on_step:
        for number, step in enumerate(decoding, done + 1):
            on_step(number, step)
            claim()
            stops = watch.stops()
            if stops or time.monotonic() - saved > save_seconds:
                decoding.save(folder.state)
                folder.write_best(decoding.best)
                saved = time.monotonic()
            if stops:
                raise RunStopped(f"stopped at step {number} of {len(decoding)}; go on with: svdd resume {folder.path}")
    claim()


class OtherRunError(FileExistsError):
    """A folder holds the run of another job."""


def run_in_folder(job: Job, force: bool = False, watch: Watch = NOBODY) -> dict[str, Any]:
    """Runs a job in its folder: an unfinished run of the same job goes on, a finished one stays as it is.

    Args:
        job: with the folder to write.
        force: replaces an earlier run in the folder.
        watch: follows the run, and may stop it.

    Returns:
        What run.json holds.

    Raises:
        OtherRunError: if the folder holds the run of another job, and `force` is not given.
        FileExistsError: if the folder may not be written.
        ValueError: for anything in the job that is unknown or does not fit together.
        RunStopped: if the watch stops it.
    """
    job.check_names()
    folder = RunFolder(job.folder())
    if force or not (folder.is_run() and folder.job.is_file()):
        return run_job(job, force, watch)
    there, wanted = _decides(make_job(read_settings(folder.job))), _decides(settled(job).anchored())
    differing = [name for name in {**there, **wanted} if there.get(name) != wanted.get(name)]
    go_on = "" if folder.finished() else f", go on with that one: svdd resume {folder.path}"
    if differing:
        raise OtherRunError(
            f"{folder.path} already holds a run of another job, which differs in {', '.join(differing)}; choose another "
            f"folder{go_on}, or replace it with --force (force=True in Python)"
        )
    if folder.finished():
        watch.tell(f"{folder.path} holds this run, finished: it is read back; --force runs it again")
    return resume_job(folder.path, watch)


def _decides(job: Job) -> dict[str, Any]:
    """What decides the designs of a run and the columns of their table."""
    return settings(job) | {"seed": job.seed, "scores": job.scores}


def run_job(job: Job, force: bool = False, watch: Watch = NOBODY, designs_only: bool = False) -> dict[str, Any]:
    """Runs a job from its start; returns what run.json holds.

    Args:
        job: with the folder to write.
        force: replaces an earlier run in the folder.
        watch: follows the run, and may stop it.
        designs_only: leaves out the measures and the report, since others measure the run.

    Raises:
        FileExistsError: if the folder may not be written, or another run is writing it.
        ValueError: for anything in the job that is unknown or does not fit together.
        RunStopped: if the watch stops it.
    """
    job.check_names()
    folder = RunFolder(job.folder())
    folder.check(force)
    tell_code(job, watch)
    job = job.anchored()
    with claimed(folder.path):
        folder.check(force)
        return _completed(job, folder, watch, resumed=False, designs_only=designs_only)


def resume_job(path: Path, watch: Watch = NOBODY, designs_only: bool = False) -> dict[str, Any]:
    """Goes on with an unfinished run, or returns the record of a finished one; arguments as `run_job`.

    Raises:
        NoRunError: if no run was started in the folder.
        ForeignFilesError: if it holds files that the run would write and did not.
        ValueError: if its state is damaged.
        RunStopped: if the watch stops it.
    """
    folder = RunFolder(path)
    start = f"; to start its job: svdd run {folder.job}" if folder.job.is_file() else ""
    if not folder.is_run() or not (folder.finished() or folder.job.is_file()):
        raise NoRunError(f"no run was started in {path}, so there is nothing to go on with{start}")
    if folder.finished():
        return folder.record()
    with claimed(folder.path):
        if folder.finished():  # meanwhile, by another run
            return folder.record()
        folder.check_files()
        job = make_job(read_settings(folder.job))
        tell_code(job, watch)
        return _completed(job, folder, watch, resumed=True, designs_only=designs_only)


def tell_code(job: Guided, watch: Watch) -> None:
    """Says which code of a user's own is about to run."""
    for name in job.code():
        watch.tell(f"running {name}, which the job names")


def _completed(job: Job, folder: RunFolder, watch: Watch, resumed: bool, designs_only: bool) -> dict[str, Any]:
    """Takes a run to its end, from its start or from where its folder says that it stands."""
    run = _run_here if job.engine is None else _run_on_ray
    return run(job, folder, watch, resumed, designs_only)


def _run_on_ray(job: Job, folder: RunFolder, watch: Watch, resumed: bool, designs_only: bool) -> dict[str, Any]:
    from svdd.runs.on_ray import decoded_on_ray

    job = settled(job)
    with _unfinished(folder):
        decoding = decoded_on_ray(job, folder, watch, resumed)
        return finish(decoding.result(), decoding, folder, job, watch, designs_only)


def _run_here(job: Job, folder: RunFolder, watch: Watch, resumed: bool, designs_only: bool) -> dict[str, Any]:
    state, claim = folder.load_state() if resumed else None, _Claim(folder, job, resumed)
    journal = ScoreCache(folder.journal) if resumed else claim.journal
    with made_decoding(job, journal, folder.parts) as decoding:
        job = claim.job = job.model_copy(update={"value": decoding.settings["value"]})
        if decoding.plan is not None and not resumed:
            watch.plan(decoding.plan.sentence)
        if state is not None:
            decoding.resume(state)
        drive(decoding, claim, job.save_seconds or SAVE_SECONDS, watch, decoding.done)
        return finish(decoding.result(), decoding, folder, job, watch, designs_only)


def finish(
    result: Result, decoding: Decoding, folder: RunFolder, job: Job, watch: Watch, designs_only: bool
) -> dict[str, Any]:
    """Writes all that a finished run leaves; returns what run.json holds.

    Args:
        result: the designs of the run.
        decoding: the run.
        folder: that the run has claimed.
        job: what ran.
        watch: is told what is about to be done.
        designs_only: as of `run_job`.
    """
    folder.write_best(decoding.best)
    decoding.close()  # the journal goes, once everything is written
    return folder.finish(result, job.record(), Beside() if designs_only else _beside(decoding, folder, job, watch))


def _beside(decoding: Decoding, folder: RunFolder, job: Job, watch: Watch) -> Beside:
    from svdd.metrics.kit import kit_of
    from svdd.report.html import write_report
    from svdd.runs.evaluation import evaluation_of

    return Beside(
        lambda result: evaluation_of(result, decoding.plain, job),
        lambda result: kit_of(result.kind.domain).finish(result, decoding.given, folder.path, watch.tell),
        write_report,
    )
