"""Seconds a design, measured by short runs that are thrown away."""

from svdd.algorithms import METHODS
from svdd.cli.jobs import Job, make_decoding

MOST = 8
"""Designs of a pilot, at most."""


class Pilots:
    """Scales sizes so that a design takes as long as one of a job; time is taken to grow with the size.

    Args:
        base: the job.
    """

    def __init__(self, base: Job) -> None:
        self.base = base
        self._seconds: float | None = None

    def scaled(self, job: Job, size: int) -> int:
        """The size of a job, which has `size` now, that takes as long as the base; at least 1."""
        if self._seconds is None:
            seconds_a_design(self.base)  # the first run of a process is slow for reasons of its own
            self._seconds = seconds_a_design(self.base)
        return max(1, int(size * self._seconds / seconds_a_design(job)))


def seconds_a_design(job: Job) -> float:
    """Wall time of a run of a few designs, by design; further scores and files of scores are left out."""
    each = (job.particles or 1) if METHODS[job.method].returns == "all" else 1
    few = min(job.samples, max(MOST // each, 1) * each)
    decoding = make_decoding(job.model_copy(update={"samples": few, "scores": [], "cache": None}))
    try:
        for _ in decoding:
            pass
        return decoding.usage.seconds / few
    finally:
        decoding.close()
        getattr(decoding.given, "close", lambda: None)()
