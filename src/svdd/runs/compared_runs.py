"""The runs of a comparison: each in a folder of its own, made once, and left alone where it is there already."""

from collections.abc import Sequence
from typing import Any

from svdd.runs.folder import RunFolder
from svdd.runs.job import Job, make_job, read_settings
from svdd.runs.reading import FinishedRun
from svdd.runs.running import resume_job, run_job
from svdd.runs.watching import RunStopped, Watch


class Source:
    """Where the designs of a run come from; this one decodes them.

    Runs are measured beside each other, not each by itself, so that no likelihood bound is paid for twice.
    """

    def start(self, job: Job, force: bool, watch: Watch) -> None:
        """Makes the run from its start."""
        run_job(job, force, watch, designs_only=True)

    def go_on(self, job: Job, watch: Watch) -> None:
        """Makes what is missing of the run."""
        resume_job(job.folder(), watch, designs_only=True)


DECODED = Source()


def identity(job: Job) -> dict[str, Any]:
    """What decides a run's designs and cost, but for its seed."""
    return job.deciding("either")


def run_all(jobs: Sequence[Job], source: Source, force: bool, watch: Watch) -> list[FinishedRun]:
    """Makes runs, and reads them back.

    Args:
        jobs: what runs.
        source: of the designs.
        force: makes runs anew that are there.
        watch: follows the runs, and may stop them.

    Raises:
        FileExistsError: if the folder of a run holds something else.
        RunStopped: if the watch stops a run.
    """
    for job in jobs:
        _run(job, source, force, watch)
    return [FinishedRun.read(job.folder(), measured=False) for job in jobs]


def _run(job: Job, source: Source, force: bool, watch: Watch) -> None:
    folder = RunFolder(job.folder())
    there = folder.is_run() and not force
    if not (there and folder.finished()):
        watch.tell(f"run {job.out}")
    try:
        _go_on(job, source, watch) if there else source.start(job, force, watch)
    except RunStopped as stopped:
        raise RunStopped(
            "the comparison stopped; go on with the same svdd compare command, without --force"
        ) from stopped


def _go_on(job: Job, source: Source, watch: Watch) -> None:
    _check_same(job)
    source.go_on(job, watch)


def _check_same(job: Job) -> None:
    """Looks whether the run that is in a job's folder is the job's.

    Raises:
        FileExistsError: if it is not.
    """
    there = make_job(read_settings(RunFolder(job.folder()).job))
    if there.seed != job.seed or identity(there) != identity(job):
        raise FileExistsError(
            f"{job.out} holds a run with other settings; choose another --out, or replace it with --force"
        )
