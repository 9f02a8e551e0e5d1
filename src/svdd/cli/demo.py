"""`svdd demo`: the comparison of demo.yaml, in two tables and a few sentences."""

import time
from pathlib import Path

import pandas as pd

from svdd.cli.answering import answer
from svdd.cli.extras import require
from svdd.cli.listing import show
from svdd.cli.watching import Terminal
from svdd.report.tables import readable
from svdd.runs.claims import claimed
from svdd.runs.compare_request import Request, request_of
from svdd.runs.comparison import Comparison, make_plan, run_plan
from svdd.runs.json_text import as_json

FILE = Path(__file__).with_name("demo.yaml")
SHOWN = (
    "label", "reward_q10", "reward_median", "reward_q90", "judge_median",
    "elbo_per_base", "correlation_3mer", "diversity",
)  # fmt: skip
PAID = ("label", "network_rows_asked", "network_rows_computed", "reward_rows_asked", "reward_rows_computed", "seconds")


def demo_request(out: Path, variant: str) -> Request:
    """What the demo compares.

    Args:
        out: the folder to write.
        variant: `fast`, `full`, or empty for the usual sizes.
    """
    return request_of(FILE, out, variant)


def run_demo(request: Request, *, force: bool, quiet: bool, json: bool) -> None:
    """Compares, and says what came of it; goes on where it was stopped.

    Raises:
        ImportError: without the extra that the report needs.
        FileExistsError: if the folder may not be written.
        RunStopped: after Ctrl-C.
    """
    require("sequences", "svdd demo")
    started = time.perf_counter()
    with claimed(request.out):
        made = run_plan(make_plan(request, force), force, Terminal(quiet))
    if json:
        facts = {"job": request.job, "comparison": made.table.to_dict("records"), "says": made.verdicts}
        answer(as_json(facts | {"folder": str(request.out)}))
        return
    _tell(made)
    answer(f"{time.perf_counter() - started:.0f} s in all; report: {request.out / 'report.html'}")


def _tell(made: Comparison) -> None:
    jobs = {row.name: row.job for _, row in made.plan.rows}
    job, smc, filtered = (jobs[name] for name in ("svdd", "smc", "filtered"))
    answer(
        f"{job.model} decoded towards {job.reward}: {job.samples} designs a method, T = {job.steps} steps, "
        f"svdd with M = {job.candidates} candidates at temperature {job.temperature:g} by {job.value}, best-of-n and smc with "
        f"N = {smc.particles} particles for the same network rows (smc at temperature {smc.temperature:g}), filtered with "
        f"M = {filtered.candidates} for the network rows of pretrained and about the seconds of svdd, seed {job.seed}; "
        "95 % intervals"
    )
    for columns, title in ((SHOWN, "What came out"), (PAID, "What it cost")):
        titles, rows = readable(made.table[_chosen(made.table, columns)])
        show([dict(zip(titles, row, strict=True)) for row in rows], json=False, title=title)
    answer("\n".join(made.verdicts))


def _chosen(found: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """Columns with their bounds."""
    return [name for name in map(str, found) if name.removesuffix("_low").removesuffix("_high") in columns]
