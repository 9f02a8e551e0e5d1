"""Running a job on a Ray cluster: the chains of the local run, shared out over workers."""

from contextlib import nullcontext
from functools import partial

from svdd.clusters.actors import ONE_CORE, connect
from svdd.clusters.remote_reward import reward_on_ray
from svdd.clusters.runs import batch_of, run_on_ray
from svdd.decoding.decoding import Decoding
from svdd.runs.folder import RunFolder
from svdd.runs.job import Job
from svdd.runs.make import job_reward, make_decoding, makes_processes
from svdd.runs.parts import BILLED, Parts
from svdd.runs.watching import Watch

WORKERS = 2
HERE = "ray"


def decoded_on_ray(job: Job, folder: RunFolder, watch: Watch, resumed: bool = False) -> Decoding:
    """The run of a job, finished by workers; its folder is made once the first batch is there, and keeps every batch.

    Args:
        job: with `engine`, `ray` for this machine or the address of a cluster; `workers` are actors for the reward.
        folder: to write.
        watch: is told how many batches are there.
        resumed: whether the folder holds batches of the same run.

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
        watch.tell(f"{done} of {batches} batches of {job.batch} chains")

    first = (lambda: None) if resumed else (lambda: folder.claim(job.written()))
    parts = Parts(folder.path, first, BILLED)
    # a worker of its own in every actor, so that a design that hangs or crashes costs that design here too
    alone = job.model_copy(update={"workers": 1}) if job.workers or makes_processes(job.reward) else job
    there = partial(job_reward, alone)
    resources = job.reward_resources or ONE_CORE
    with reward_on_ray(whole.given, there, job.workers, resources) if job.workers else nullcontext(None) as reward:
        make, each = partial(make_decoding, alone, reward=reward), ONE_CORE | job.ray_resources
        return run_on_ray(whole, make, workers=workers, resources=each, parts=parts, progress=progress)
