"""A comparison: a job's method and others at equal cost, over seeds and temperatures, in one table and one report.

Every run is in its own folder, as `svdd run` writes it, so that a comparison that was stopped goes on where it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from svdd.decoding.result import Result
from svdd.method.table import citations
from svdd.metrics.measures import Designs
from svdd.runs.columns import Score
from svdd.runs.compare_request import Request
from svdd.runs.evaluation import Protocol, is_measured, protocol_of, resampled, table
from svdd.runs.folder import RunFolder, as_json, write_or_warn
from svdd.runs.job import Job, make_job, make_process, read_settings
from svdd.runs.labels import exact, labels
from svdd.runs.marks import Mark, holds_table, read_object
from svdd.runs.matching import MATCHES, RULES, SIZES, Compared, Planner
from svdd.runs.reading import FinishedRun
from svdd.runs.running import resume_job, run_job
from svdd.runs.verdicts import verdicts
from svdd.runs.watching import NOBODY, RunStopped, Watch

PLAN = "comparison.json"
FILES = ("comparison.csv", PLAN, "report.html")
_LEAVE_DESIGNS = ("out", "scores", "seed")


@dataclass(frozen=True)
class Plan:
    """What a comparison will run.

    Args:
        request: what is compared.
        judge: the reward that judges, as the runs have it among their scores; empty where there is none.
        rows: a method at a temperature and a size each, with its label.
        table: the same for people, with how many runs are done.
    """

    request: Request
    judge: str
    rows: Sequence[tuple[str, Compared]]
    table: list[dict[str, Any]]


@dataclass(frozen=True)
class Comparison:
    """Methods beside each other.

    Args:
        plan: what was run.
        table: a row for each method at each temperature.
        verdicts: what the table shows, in sentences.
        notes: sentences about the table.
    """

    plan: Plan
    table: pd.DataFrame
    verdicts: list[str]
    notes: list[str]


def make_plan(request: Request, force: bool = False) -> Plan:
    """Finds the sizes at which the costs are equal, and writes the plan into the folder.

    Args:
        request: what is compared.
        force: measures sizes again that an earlier part of the comparison measured.

    Raises:
        ValueError: for anything in the request or the job that is unknown or does not fit together.
        FileExistsError: if the folder holds something else.
    """
    request.check()
    before = read_object(request.out / PLAN) if holds_table(request.out, "comparison", FILES) else {}
    base, judge = request.base()
    rows, sizes = _planned(request, base, {} if force else before)
    plan = Plan(request, judge, rows, _plan_rows(rows, request))
    _write_plan(request, base, sizes, plan.table)
    return plan


def run_plan(plan: Plan, force: bool = False, watch: Watch = NOBODY) -> Comparison:
    """Runs what is not there yet, measures all, and writes comparison.csv, comparison.json and report.html.

    Args:
        plan: of the comparison.
        force: makes runs anew that are there.
        watch: follows the runs, and may stop them.

    Raises:
        ValueError: for a job that does not fit together.
        FileExistsError: if the folder of a run holds something else.
        RunStopped: if the watch stops a run.
    """
    request = plan.request
    runs = [(label, _runs(row.runs(request.seeds, request.out), force, watch)) for label, row in plan.rows]
    found, notes, designs = _measured(runs, plan.judge, watch)
    found.insert(1, "method", [row.job.method for _, row in plan.rows])
    cost = _had([row for _, row in plan.rows], request.match)
    made = Comparison(plan, found, verdicts(found, designs, cost), notes)
    _write(made, {label: group[0].result for label, group in runs})
    return made


def _identity(job: Job) -> dict[str, Any]:
    """What decides a run's designs and cost, but for its seed."""
    return {name: setting for name, setting in job.record().items() if name not in _LEAVE_DESIGNS}


def _planned(request: Request, base: Job, before: dict[str, Any]) -> tuple[list[tuple[str, Compared]], dict[str, int]]:
    """Every method at every temperature with its label, and the sizes that were measured."""
    asked_for = {"match": "seconds", "job": _identity(base), "options": request.options}
    same = request.match == "seconds" and {name: before.get(name) for name in asked_for} == asked_for
    known: dict[str, int] = before.get("sizes", {}) if same else {}
    planner, planned = Planner(base, request.match, make_process(base), known), list[Compared]()
    for method in dict.fromkeys(request.methods):
        planned += planner.plan(method, request.temperatures, request.options.get(method, {}))
    sizes = {row.job.method: row.size for row in planned if row.size and row.job.method != base.method}
    return list(zip(labels([row.job for row in planned]), planned, strict=True)), known | sizes


def _plan_rows(planned: Sequence[tuple[str, Compared]], request: Request) -> list[dict[str, Any]]:
    """The plan as a table."""
    made = []
    for label, row in planned:
        folders = [RunFolder(Path(job.out)) for job in row.runs(request.seeds, request.out)]
        sizes = [f"{short} = {getattr(row.job, long)}" for long, short in SIZES.items() if getattr(row.job, long)]
        made.append(
            {
                "label": label, "sizes": ", ".join(sizes) or "-",
                "temperature": "-" if row.job.temperature is None else exact(row.job.temperature),
                "network_rows": f"{row.asks.rows:,}", "reward_calls": f"{row.asks.rewards:,}",
                "of_the_job": f"{row.share:.0%}",
                "done": f"{sum(folder.finished() for folder in folders)} of {request.seeds}", "folder": row.name,
            }
        )  # fmt: skip
    return made


def _write_plan(request: Request, base: Job, sizes: dict[str, int], rows: list[dict[str, Any]]) -> None:
    Mark(request.out, "comparison").write(FILES)
    facts = {"match": request.match, "rule": RULES[request.match], "seeds": request.seeds, "options": request.options}
    facts |= {"sizes": sizes, "plan": rows}
    (request.out / PLAN).write_text(as_json({"job": _identity(base)} | facts) + "\n", encoding="utf-8")


def _runs(jobs: Sequence[Job], force: bool, watch: Watch) -> list[FinishedRun]:
    """The runs of a row; those that are there stay as they are, unless they are forced."""
    for job in jobs:
        _run(job, force, watch)
    return [FinishedRun.read(Path(job.out), sequences=False) for job in jobs]


def _run(job: Job, force: bool, watch: Watch) -> None:
    folder = RunFolder(Path(job.out))
    there = folder.is_run() and not force
    if there:
        _check_same(job)
    if not there or not folder.finished():
        watch.tell(f"run {job.out}")
    try:
        if there:
            resume_job(folder.path, watch)
        else:
            run_job(job, force, watch)
    except RunStopped as stopped:
        raise RunStopped(
            "the comparison stopped; go on with the same svdd compare command, without --force"
        ) from stopped


def _check_same(job: Job) -> None:
    """Looks whether the run that is in a job's folder is the job's.

    Raises:
        FileExistsError: if it is not.
    """
    there = make_job(read_settings(RunFolder(Path(job.out)).job))
    if there.seed != job.seed or _identity(there) != _identity(job):
        raise FileExistsError(
            f"{job.out} holds a run with other settings; choose another --out, or replace it with --force"
        )


def _measured(
    runs: Sequence[tuple[str, Sequence[FinishedRun]]], judge: str, watch: Watch
) -> tuple[pd.DataFrame, list[str], dict[str, Designs]]:
    """The table, its notes and the designs of its rows; the held-out reward is the one that the runs have."""
    every = [run for _, row in runs for run in row]
    for run in every:
        if judge and judge in run.job.scores:
            run.result.scores[judge] = run.result.scores[Score.read(judge).title]
    process = make_process(every[0].job)
    protocol = protocol_of(every, judge=judge) if is_measured(process.about) else Protocol(process, judge)
    rows = [(label, [run.result for run in row]) for label, row in runs]
    found, notes, designs = table(rows, protocol, lambda label: watch.tell(f"measuring {label}"))
    once = ["the held-out reward is asked once, about finished designs, and is not among the costs"] if judge else []
    return found, [resampled([row for _, row in runs]), *once, *notes], designs


def _write(made: Comparison, first: Mapping[str, Result]) -> None:
    from svdd.report.comparison import write_comparison
    from svdd.report.figures import pictures

    request, jobs = made.plan.request, [row.job for _, row in made.plan.rows]
    sizes = {name: pd.array([getattr(job, name) for job in jobs], dtype="Int64") for name in SIZES}
    heat = pd.array([job.temperature for job in jobs], dtype="Float64").to_numpy(float)
    whole = made.table.assign(**sizes, temperature=heat)
    front = ["label", "method", *sizes, "temperature"]
    whole = whole[[*front, *(name for name in whole if name not in front)]]
    whole.to_csv(request.out / "comparison.csv", index=False, lineterminator="\n")
    papers = dict.fromkeys(paper for job in jobs for paper in citations(job.method))
    facts = {
        "model": Path(jobs[0].model).name, "reward": Path(jobs[0].reward).name, "equal": MATCHES[request.match],
        "runs of each": request.seeds, "designs a run": jobs[0].samples,
    }  # fmt: skip
    shared = _shared([_identity(job) for job in jobs])
    notes = [f"sizes: {RULES[request.match]}", *made.notes]
    contents = facts, made.plan.table, made.verdicts, notes, shared, list(papers), pictures(first)
    write_or_warn(write_comparison, whole, request.out, *contents)


def _had(planned: Sequence[Compared], match: str) -> str:
    """What best-of-n had to spend, beside the job."""
    share = min((row.share for row in planned if row.job.method == "best-of-n"), default=1.0)
    if match == "seconds":
        return " in about the same seconds"
    if share > 0.95:
        return f" at the same {MATCHES[match]}"
    return f", which had {share:.0%} of the job's {MATCHES[match]}"


def _shared(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that all have."""
    return {name: value for name, value in settings[0].items() if all(other.get(name) == value for other in settings)}
