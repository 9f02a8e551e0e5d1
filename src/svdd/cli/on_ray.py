"""Running a job on a Ray cluster: the chains of the local run, shared out over workers."""

from functools import partial

from svdd.cli.folders import RunFolder
from svdd.cli.jobs import Job, make_decoding
from svdd.cli.sentences import say
from svdd.clusters import batch_of, connect, run_on_ray
from svdd.decoding import Decoding

WORKERS = 2
HERE = "ray"


def decoded_on_ray(job: Job, folder: RunFolder, quiet: bool) -> Decoding:
    """The run of a job, finished by workers; its folder is made once the first batch is there.

    Args:
        job: with `engine`, `ray` for this machine or the address of a cluster.
        folder: to write.
        quiet: no progress.

    Raises:
        ImportError: without ray.
        ConnectionError: if no cluster answers.
        ValueError: for anything in the job that does not fit together, and for a budget.
    """
    workers = job.ray_workers or WORKERS
    whole = make_decoding(job)
    if job.batch is None:
        job = job.model_copy(update={"batch": batch_of(whole, workers)})
        whole.batched(batch_of(whole, workers))
    connect(None if job.engine == HERE else job.engine)

    def progress(done: int, batches: int) -> None:
        if done == 1:
            folder.claim(job.written())
        if not quiet:
            say(f"{done} of {batches} batches of {job.batch} chains")

    return run_on_ray(whole, partial(make_decoding, job), workers=workers, progress=progress)
