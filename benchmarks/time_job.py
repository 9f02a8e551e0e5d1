"""Times every method of a job file on a machine that does nothing else, and writes the seconds of a design.

    OMP_NUM_THREADS=1 python benchmarks/time_job.py benchmarks/jobs/stronger-dna.yaml benchmarks/jobs/protein.yaml
    GDSS=gdss_zinc250k.pth OMP_NUM_THREADS=1 python benchmarks/time_job.py benchmarks/jobs/stronger-gdss.yaml

Runs of the job file pass days beside other work, so their own seconds are rough. Here each method decodes the designs of the
first seed once more, one after the other in one process; the lower of two times counts where a run takes less than a minute.
Set-up (imports, weights, first calls) and the judge are left out. A best-of-N is N samples of the model: one N near 10 is
timed, whose batches are like those of svdd with 10 candidates, and the others cost in proportion. `seconds.csv` in the folder
of tables (benchmarks/results unless given) gets a row per method and size.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import pandas as pd
from run_job import merged, read_flags, request, size_of

from svdd.runs.comparison import make_plan
from svdd.runs.make import made_decoding
from svdd.runs.watching import NOBODY

FILE = "seconds.csv"
ALIKE = 10
"""The N that the seconds of a sample are taken at, or the nearest."""
LONG = 60
"""Seconds of a run that is timed once."""


def run_seconds(job):
    """Processor seconds of a run, from the first step to the last, and how many designs it made."""
    with made_decoding(job.model_copy(update={"scores": []})) as decoding:
        started = time.process_time()
        for _ in decoding:
            pass
        spent = time.process_time() - started
        return spent, len(decoding.result())


def seconds_a_design(job):
    """What a design of a job costs one thread."""
    spent, designs = run_seconds(job)
    return min(spent, spent if spent > LONG else run_seconds(job)[0]) / designs


def timed(job, work, variant="", case=""):
    """A row per method and size.

    Args:
        job: the file.
        work: the folder of runs, where fitted values are.
        variant: of the file.
        case: what the rows are called beside the name of the job.
    """
    plan = make_plan(request(job, work, variant))
    for fit in plan.fits.values():
        fit.make(False, NOBODY)
    rows = [row for _, row in plan.rows]
    best = min((row for row in rows if row.job.method == "best-of-n"), key=lambda row: abs(row.size - ALIKE))
    run_seconds(rows[0].job)  # first calls of the network and the reward are slower
    sample = seconds_a_design(best.job) / best.size
    for row in rows:
        spent = row.size * sample if row.job.method == "best-of-n" else seconds_a_design(row.job)
        print(f"{job.stem} {case} {row.name}, {row.size}: {spent:.3g} s", flush=True)
        yield {"label": row.name, "size": size_of(row), "seconds": spent}


def write(tables, job, work, variant="", case=""):
    """Times a job, and writes the rows in the place of those of the same job and case; arguments as `timed`."""
    path, made = tables / FILE, list(timed(job, work, variant, case))
    tables.mkdir(parents=True, exist_ok=True)
    read = partial(pd.read_csv, keep_default_na=False)
    merged(path, read, {"job": job.stem, "case": case}, made).to_csv(path, index=False, float_format="%.4g")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", type=Path, nargs="+")
    args, tables, work, variant = read_flags(parser)
    for path in args.job:
        write(tables, path, work, variant)


if __name__ == "__main__":
    main()
