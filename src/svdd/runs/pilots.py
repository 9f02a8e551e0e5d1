"""Seconds a design, measured by short runs that are thrown away."""

from svdd.runs.job import Job
from svdd.runs.make import made_decoding

MOST = 16
"""Designs of a pilot, at most."""
TIMES = 2
"""Runs of a pilot; the quickest counts, since what else a machine does can only make it slower."""


def seconds_a_design(job: Job) -> float:
    """Wall time of a run of a few designs, by design; further scores and files of scores are left out."""
    each = job.row().designs_per_chain(job.options())
    few = min(job.samples, max(MOST // each, 1) * each)
    short = job.model_copy(update={"samples": few, "scores": [], "cache": None})
    return min(_seconds(short) for _ in range(TIMES)) / few


def _seconds(job: Job) -> float:
    with made_decoding(job) as decoding:
        for _ in decoding:
            pass
        return decoding.usage.seconds


def on_a_line(seconds: dict[int, float], wanted: float) -> int:
    """The size, at least 1 and rounded down, that takes `wanted` on the line through the times of two sizes."""
    (one, first), (other, second) = sorted(seconds.items())
    slope = (second - first) / (other - one)
    return max(1, int(one + (wanted - first) / slope)) if slope > 0 else other
