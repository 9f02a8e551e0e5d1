"""A comparison: methods at equal cost or at given sizes, over seeds and temperatures, in one table and one report.

Every run is in its own folder, as `svdd run` writes it, so that a comparison that was stopped goes on where it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from svdd.messages import check
from svdd.method.table import citations
from svdd.metrics.kit import Kit
from svdd.metrics.measures import Designs
from svdd.runs.compare_request import Entry, Request
from svdd.runs.compared_runs import DECODED, Source, identity, run_all
from svdd.runs.evaluation import Protocol, kit_of_process, of_the_kind, protocol_of, resampled, table
from svdd.runs.fits import VALUES, Fit
from svdd.runs.folder import RunFolder, write_or_warn
from svdd.runs.job import Job
from svdd.runs.json_text import as_json
from svdd.runs.labels import exact, labels
from svdd.runs.make import make_process, settled
from svdd.runs.marks import Mark, holds_table, read_object
from svdd.runs.matches import MATCHES, Match
from svdd.runs.matching import SIZES, Compared, Planner, folder_name, variant
from svdd.runs.pool import POOLED, Pool
from svdd.runs.reading import FinishedRun
from svdd.runs.verdicts import verdicts
from svdd.runs.watching import NOBODY, Watch

PLAN = "comparison.json"
FILES = ("comparison.csv", PLAN, "report.html")


@dataclass(frozen=True)
class Plan:
    """What a comparison will run.

    Args:
        request: what is compared.
        judge: the reward that judges, as the runs have it among their scores; empty where there is none.
        rows: a method at a temperature and a size each, with its label.
        table: the same for people, with how many runs are done.
        fits: values that are fitted first, by the names of their entries.
        first: runs from which others are read.
        sources: of the designs of a method, where it does not decode them itself.
    """

    request: Request
    judge: str
    rows: Sequence[tuple[str, Compared]]
    table: list[dict[str, Any]]
    fits: Mapping[str, Fit]
    first: Sequence[Job]
    sources: Mapping[str, Source]

    def runs(self, row: Compared, force: bool, watch: Watch) -> list[FinishedRun]:
        """The runs of a row; those that are there stay as they are, unless they are forced."""
        source = self.sources.get(row.job.method, DECODED)
        return run_all(row.runs(self.request.seeds, self.request.out), source, force, watch)


@dataclass(frozen=True)
class Comparison:
    """Methods beside each other.

    Args:
        plan: what was run.
        table: a row for each method at each size and temperature.
        verdicts: what the table shows, in sentences.
        notes: sentences about the table.
        runs: of each row, by its label.
        designs: of each row, measured, by its label.
        kit: of the domain of the designs, which knows the columns of the table.
    """

    plan: Plan
    table: pd.DataFrame
    verdicts: list[str]
    notes: list[str]
    runs: Mapping[str, Sequence[FinishedRun]]
    designs: Mapping[str, Designs]
    kit: Kit


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
    base = settled(base)
    fits = {entry.name: _fit(entry, base, request.out) for entry in request.entries() if entry.fit is not None}
    for fit in fits.values():
        fit.check(force)
    rows, sizes = _planned(request, base, fits, {} if force else before)
    plan = Plan(request, judge, rows, _plan_rows(rows, request), fits, *_pooled(request, base))
    _write_plan(request, base, sizes, plan.table)
    return plan


def run_plan(plan: Plan, force: bool = False, watch: Watch = NOBODY) -> Comparison:
    """Runs what is not there yet, measures all, and writes comparison.csv, comparison.json and report.html.

    Args:
        plan: of the comparison.
        force: makes runs and values anew that are there.
        watch: follows the runs, and may stop them.

    Raises:
        ValueError: for a job that does not fit together.
        FileExistsError: if the folder of a run holds something else.
        RunStopped: if the watch stops a run.
    """
    fitted = {name: fit.make(force, watch) for name, fit in plan.fits.items()}
    run_all(plan.first, DECODED, force, watch)
    runs = {label: plan.runs(row, force, watch) for label, row in plan.rows}
    found, notes, designs, kit = _measured(runs, plan, watch)
    found.insert(1, "method", [row.job.method for _, row in plan.rows])
    paid = pd.DataFrame([fitted.get(row.name, {}) for _, row in plan.rows], index=found.index)
    cost = _had([row for _, row in plan.rows], MATCHES[plan.request.match])
    said = verdicts(found, designs, cost, kit.columns)
    made = Comparison(plan, found.join(paid), said, notes, runs, designs, kit)
    _write(made)
    return made


def _fit(entry: Entry, base: Job, out: Path) -> Fit:
    job = variant(base, replace(entry, options={}), None)
    return Fit((out / VALUES / folder_name(entry.name)).absolute(), job, entry.fit or {})


def _pooled(request: Request, base: Job) -> tuple[list[Job], dict[str, Source]]:
    """The runs of the pool, and the methods that are read from it; nothing where there is no pool."""
    if not request.pool:
        return [], {}
    job = variant(base, Entry("pretrained"), None).model_copy(update={"samples": request.pool, "scores": []})
    pool = Pool(job, request.out / "pool")
    return [pool.samples(seed) for seed in range(base.seed, base.seed + request.seeds)], dict.fromkeys(POOLED, pool)


def _planned(
    request: Request, base: Job, fits: Mapping[str, Fit], before: dict[str, Any]
) -> tuple[list[tuple[str, Compared]], dict[str, int]]:
    """Every method at every size and temperature with its label, and the sizes that were measured."""
    match = MATCHES[request.match]
    asked_for = {"match": "seconds", "job": identity(base), "options": request.options}
    same = match.timed and {name: before.get(name) for name in asked_for} == asked_for
    known: dict[str, int] = before.get("sizes", {}) if same else {}
    planner, planned, sizes = Planner(base, match, make_process(base), known), list[Compared](), dict[str, int]()
    for entry in request.entries():
        value = {"value": str(fits[entry.name].folder)} if entry.name in fits else {}
        planned += planner.plan(replace(entry, options={**entry.options, **value}))
        size = planned[-1].size if planner.finds(entry) else None
        sizes |= {} if size is None else {entry.name: size}
    names = [row.folder for row in planned]
    for name in names:
        check(
            names.count(name) == 1, f"two rows of the comparison would share the folder {name}: give them other labels"
        )
    return list(zip(_labels(planned), planned, strict=True)), known | sizes


def _labels(planned: Sequence[Compared]) -> list[str]:
    """The label of every row: that of its entry, and the settings that tell it apart from others of the same."""
    plain = [row for row in planned if not row.label]
    made = dict(zip(map(id, plain), labels([row.job for row in plain]), strict=True))
    for label in {row.label: None for row in planned if row.label}:
        rows = [row for row in planned if row.label == label]
        told = labels([row.job for row in rows])
        made |= {id(row): label + one.removeprefix(row.job.method) for row, one in zip(rows, told, strict=True)}
    return [made[id(row)] for row in planned]


def _plan_rows(planned: Sequence[tuple[str, Compared]], request: Request) -> list[dict[str, Any]]:
    """The plan as a table."""
    made = []
    for label, row in planned:
        folders = [RunFolder(job.folder()) for job in row.runs(request.seeds, request.out)]
        sizes = [f"{short} = {getattr(row.job, long)}" for long, short in SIZES.items() if getattr(row.job, long)]
        made.append(
            {
                "label": label, "sizes": ", ".join(sizes) or "-",
                "temperature": "-" if row.job.temperature is None else exact(row.job.temperature),
                "network_rows": f"{row.asks.rows:,}", "reward_calls": f"{row.asks.rewards:,}",
                "of_the_job": f"{row.share:.0%}",
                "done": f"{sum(folder.finished() for folder in folders)} of {request.seeds}", "folder": row.folder,
            }
        )  # fmt: skip
    return made


def _write_plan(request: Request, base: Job, sizes: dict[str, int], rows: list[dict[str, Any]]) -> None:
    Mark(request.out, "comparison").write(FILES)
    facts = {"match": request.match, "rule": MATCHES[request.match].rule, "seeds": request.seeds, "pool": request.pool}
    facts |= {"options": request.options, "sizes": sizes, "plan": rows}
    (request.out / PLAN).write_text(as_json({"job": identity(base)} | facts) + "\n", encoding="utf-8")


def _measured(
    runs: Mapping[str, Sequence[FinishedRun]], plan: Plan, watch: Watch
) -> tuple[pd.DataFrame, list[str], dict[str, Designs], Kit]:
    """The table, its notes, the designs of its rows and their kit; the held-out reward is the one that the runs have."""
    every, judge = [run for row in runs.values() for run in row], plan.judge
    reference = Path(plan.request.reference) if plan.request.reference else None
    for run in every:
        for title in [score.title for score in run.job.scores if str(score) == judge]:
            run.result.scores[judge] = run.result.scores[title]
    process = of_the_kind(make_process(every[0].job), every[0].result)
    protocol = protocol_of(every, reference, judge) if kit_of_process(process).measures else Protocol(process, judge)
    rows = [(label, [run.result for run in row]) for label, row in runs.items()]
    found, notes, designs = table(rows, protocol, lambda label: watch.tell(f"measuring {label}"))
    once = ["the held-out reward is asked once, about finished designs, and is not among the costs"] if judge else []
    return found, [resampled(list(runs.values())), *once, *notes], designs, protocol.kit


def _write(made: Comparison) -> None:
    from svdd.report.comparison import write_comparison

    request, jobs = made.plan.request, [row.job for _, row in made.plan.rows]
    match, first = MATCHES[request.match], {label: row[0].result for label, row in made.runs.items()}
    sizes = {name: pd.array([getattr(job, name) for job in jobs], dtype="Int64") for name in SIZES}
    heat = pd.array([job.temperature for job in jobs], dtype="Float64").to_numpy(float)
    whole = made.table.assign(**sizes, temperature=heat)
    front = ["label", "method", *sizes, "temperature"]
    whole = whole[[*front, *(name for name in whole if name not in front)]]
    whole.to_csv(request.out / "comparison.csv", index=False, lineterminator="\n")
    papers = dict.fromkeys(paper for job in jobs for paper in citations(job.method))
    facts = {
        "model": Path(jobs[0].model).name, "reward": Path(jobs[0].reward).name, "compared": match.title,
        "runs of each": request.seeds, "designs a run": jobs[0].samples,
    }  # fmt: skip
    shared = _shared([identity(job) for job in jobs])
    notes = [f"sizes: {match.rule}", *made.notes]
    contents = facts, made.plan.table, made.verdicts, notes, shared, list(papers), made.kit.side_by_side(first)
    write_or_warn(write_comparison, whole, request.out, made.kit, *contents)


def _had(planned: Sequence[Compared], match: Match) -> str:
    """What best-of-n had to spend, beside the job."""
    return match.had(min((row.share for row in planned if row.job.method == "best-of-n"), default=1.0))


def _shared(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that all have."""
    return {name: value for name, value in settings[0].items() if all(other.get(name) == value for other in settings)}
