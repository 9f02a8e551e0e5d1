"""Runs that are read from one pool of unguided samples per seed: the pretrained model, and best-of-N of every N.

Block i of the pool, N samples that follow each other, stands for chain i of best-of-N. A run costs its share of the pool.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdd.cost.batches import picked
from svdd.cost.ledger import Usage
from svdd.decoding.decoding import Decoding
from svdd.decoding.result import Result
from svdd.runs.claims import claimed
from svdd.runs.compared_runs import Source
from svdd.runs.folder import RunFolder
from svdd.runs.job import Job
from svdd.runs.make import made_decoding
from svdd.runs.reading import FinishedRun
from svdd.runs.running import finish
from svdd.runs.watching import Watch

POOLED = ("pretrained", "best-of-n")
"""The methods whose designs are unguided samples."""


@dataclass(frozen=True)
class Pool(Source):
    """The unguided samples of every seed, each in a run folder of its own.

    Args:
        job: of the pretrained model, without further scores, whose `samples` are the size of the pool.
        folder: of the runs of all seeds.
    """

    job: Job
    folder: Path

    def samples(self, seed: int) -> Job:
        """The run that makes the samples of a seed."""
        return self.job.model_copy(update={"seed": seed, "out": str(self.folder / f"seed-{seed}")})

    def start(self, job: Job, force: bool, watch: Watch) -> None:
        """Reads a run of pretrained or best-of-n from the pool, which is there, and writes it as `run_job` does.

        Raises:
            FileExistsError: if the folder may not be written.
            ValueError: if the pool holds fewer than N samples, or designs that are not read back.
        """
        folder = RunFolder(job.folder())
        folder.check(force)
        pool = FinishedRun.read(self.samples(job.seed).folder()).result
        each = job.particles or 1
        blocks = min(job.samples, len(pool) // each)
        if not blocks:
            raise ValueError(
                f"{job.method} with N = {each} needs a pool of {each:,} samples or more, got {len(pool):,}"
            )
        with claimed(folder.path), made_decoding(job) as decoding:
            folder.check(force)
            folder.claim(job.written())
            finish(_chosen(pool, each, blocks, decoding), decoding, folder, job, watch, designs_only=True)

    def go_on(self, job: Job, watch: Watch) -> None:
        """Reads the run again, if it is not finished."""
        if not RunFolder(job.folder()).finished():
            self.start(job, True, watch)


def _chosen(pool: Result, each: int, blocks: int, decoding: Decoding) -> Result:
    """The best sample of each block, with the further scores of the run and its share of the cost."""
    rewards = pool.rewards[: blocks * each].view(blocks, each)
    index = [block * each + place for block, place in enumerate(rewards.argmax(1).tolist())]
    designs = picked(pool.samples, index)
    columns = {name: column[index] for name, column in pool.scores.items()}
    columns |= {name: score(designs) for name, score in decoding.scoring.scores.items()}
    usage = share_of(pool.usage, blocks * each / len(pool))
    same: dict[str, Any] = {"about": pool.about, "kind": pool.kind}
    chains = list(range(blocks))
    return Result(designs, pool.rewards[index], chains, columns, usage=usage, settings=decoding.settings, **same)


def share_of(usage: Usage, share: float) -> Usage:
    """A share of what was paid, in whole rows."""
    paid = _changed(
        usage.as_dict(), lambda number: round(number * share) if isinstance(number, int) else number * share
    )
    return Usage.from_dict(paid | {"peak_memory_mb": usage.peak_memory_mb})


def _changed(numbers: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """Numbers in mappings, each changed."""
    return {name: _changed(one, change) if isinstance(one, dict) else change(one) for name, one in numbers.items()}
