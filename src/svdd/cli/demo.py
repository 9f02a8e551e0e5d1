"""`svdd demo`: enhancers decoded by svdd, by best-of-n and SMC for the same network rows, and without a reward.

Everything that may be tuned is here.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from svdd.cli.extras import require
from svdd.cli.listing import show
from svdd.cli.watching import progress
from svdd.decoding.result import Result
from svdd.metrics.kit import kit_of
from svdd.report.progress import steps_told
from svdd.report.tables import readable
from svdd.runs.evaluation import Protocol, table
from svdd.runs.folder import RunFolder, as_json
from svdd.runs.job import Job
from svdd.runs.make import make_decoding, make_process
from svdd.runs.verdicts import verdicts


@dataclass(frozen=True)
class Sizes:
    """How much a demo computes."""

    designs: int
    steps: int
    candidates: int


USUAL = Sizes(designs=64, steps=32, candidates=5)
FAST = Sizes(designs=16, steps=8, candidates=3)
FULL = Sizes(designs=64, steps=128, candidates=10)

MODEL, REWARD, JUDGE, SEED = "dna-enhancer", "hepg2", "hepg2-judge", 0
SVDD_TEMPERATURE = 0.0
SMC_TEMPERATURE = 0.5
SHOWN = (
    "method", "reward_q10", "reward_median", "reward_q90", "judge_median",
    "elbo_per_base", "correlation_3mer", "diversity",
)  # fmt: skip
PAID = ("method", "network_rows_asked", "network_rows_computed", "reward_rows_asked", "reward_rows_computed", "seconds")


def jobs(sizes: Sizes, out: Path) -> dict[str, Job]:
    """The runs that are compared; N particles and M candidates cost the same network rows."""
    common: dict[str, Any] = {
        "model": MODEL, "reward": REWARD, "scores": [JUDGE], "out": str(out),
        "steps": sizes.steps, "samples": sizes.designs, "seed": SEED,
    }  # fmt: skip
    options: dict[str, dict[str, Any]] = {
        "pretrained": {},
        "best-of-n": {"particles": sizes.candidates},
        "smc": {"particles": sizes.candidates, "temperature": SMC_TEMPERATURE},
        "svdd": {"candidates": sizes.candidates, "temperature": SVDD_TEMPERATURE},
    }
    return {method: Job(method=method, **common, **options[method]) for method in options}


def decoded(job: Job, quiet: bool) -> Result:
    """One run, with its progress."""
    decoding = make_decoding(job)
    with progress(quiet) as tell:
        on_step = steps_told(decoding, tell, job.method)
        for number, step in enumerate(decoding, 1):
            on_step(number, step)
    return decoding.result()


def run_demo(sizes: Sizes, out: Path, *, force: bool, quiet: bool, json: bool) -> None:
    """Runs, compares, writes the folder of the svdd run with comparison.csv, and says what came of it.

    Raises:
        ImportError: without the extra that the report needs.
        FileExistsError: if the folder may not be written.
    """
    require("sequences", "svdd demo")
    folder, planned, started = RunFolder(out), jobs(sizes, out), time.perf_counter()
    folder.check(force)
    results = {method: decoded(job, quiet) for method, job in planned.items()}
    kit = kit_of("dna")
    protocol = Protocol(make_process(planned["svdd"]), JUDGE, kit.reference(MODEL, REWARD))
    measured, _, designs = table([(method, [result]) for method, result in results.items()], protocol)
    found = measured.rename(columns={"label": "method"})
    folder.claim(planned["svdd"].written())
    found.to_csv(out / "comparison.csv", index=False, lineterminator="\n")
    mine = results.pop("svdd")
    shown = found[[*_chosen(found, SHOWN), *PAID[1:]]]
    folder.finish(mine, planned["svdd"].record(), keep=("comparison.csv",), comparison=shown, baselines=results)
    said = verdicts(found, designs, columns=kit.columns)
    if json:
        print(as_json({"sizes": vars(sizes), "comparison": found.to_dict("records"), "says": said, "folder": str(out)}))
        return
    print(
        f"{MODEL} decoded towards {REWARD}: {sizes.designs} designs a method, T = {sizes.steps} steps, "
        f"svdd with M = {sizes.candidates} candidates at temperature {SVDD_TEMPERATURE:g}, best-of-n and smc with "
        f"N = {sizes.candidates} particles (smc at temperature {SMC_TEMPERATURE:g}), seed {SEED}; 95 % intervals"
    )
    for columns, title in ((SHOWN, "What came out"), (PAID, "What it cost")):
        titles, rows = readable(found[_chosen(found, columns)])
        show([dict(zip(titles, row, strict=True)) for row in rows], json=False, title=title)
    print("\n".join(said))
    print(f"{time.perf_counter() - started:.0f} s in all; report: {out / 'report.html'}")


def _chosen(found: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """Columns with their bounds."""
    return [name for name in map(str, found) if name.removesuffix("_low").removesuffix("_high") in columns]
