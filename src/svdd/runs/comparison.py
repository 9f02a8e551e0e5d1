"""`svdd compare`: a job's method and others at equal cost, over seeds and temperatures, in one table and one report.

Every run is in its own folder, as `svdd run` writes it, so that a comparison that was stopped goes on where it was.
"""

import json as json_text
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svdd.cli.listing import show
from svdd.cli.sentences import Interrupted, say
from svdd.decoding.result import Result
from svdd.metrics.measures import Designs
from svdd.runs.columns import Score
from svdd.runs.compare_request import Request
from svdd.runs.evaluation import Protocol, is_measured, protocol_of, resampled, table
from svdd.runs.folder import RunFolder, as_json
from svdd.runs.job import Job, make_job, make_process, read_settings
from svdd.runs.matching import MATCHES, RULES, SIZES, Compared, Planner
from svdd.runs.reading import FinishedRun, labels
from svdd.runs.running import resume_job, run_job
from svdd.runs.verdicts import verdicts

if TYPE_CHECKING:
    import pandas as pd

PLAN = "comparison.json"
FILES = ("comparison.csv", PLAN, "report.html")
_LEAVE_DESIGNS = ("out", "scores", "seed")


def compare(request: Request, *, force: bool, quiet: bool, json: bool) -> None:
    """Plans, runs what is not there yet, measures all, and writes comparison.csv, comparison.json and report.html.

    Args:
        request: what is compared.
        force: makes runs anew that are there.
        quiet: no progress.
        json: prints JSON.

    Raises:
        ValueError: for anything in the request or the job that is unknown or does not fit together.
        FileExistsError: if the folder, or that of a run, holds something else.
        Interrupted: after Ctrl-C.
    """
    request.check()
    before, (base, judge) = _before(request.out), request.base()
    planned, sizes = _planned(request, base, {} if force else before)
    rows = _plan_rows(planned, request)
    _write_plan(request, base, sizes, rows)
    if not json:
        show(rows, json=False, title=f"{request.seeds} runs of each, at equal {MATCHES[request.match]}")
        print(f"sizes: {RULES[request.match]}")
    runs = {label: _runs(row.runs(request.seeds, request.out), force, quiet) for label, row in planned.items()}
    found, notes, designs = _measured(runs, judge, request, quiet)
    found.insert(1, "method", [row.job.method for row in planned.values()])
    said = verdicts(found, designs, _had(planned, request.match))
    first = {label: group[0].result for label, group in runs.items()}
    _write(found, planned, rows, said, notes, request, first)
    if json:
        told = {"plan": rows, "comparison": found.to_dict("records"), "says": said, "notes": notes}
        print(as_json(told | {"folder": str(request.out)}))
        return
    _print(found, [*said, *notes], request.out)


def _before(out: Path) -> dict[str, Any]:
    """What an earlier part of a comparison planned, nothing in a fresh folder.

    Raises:
        FileExistsError: if the folder holds something else.
    """
    if not out.exists() or not any(out.iterdir()):
        return {}
    if not (out / PLAN).is_file():
        raise FileExistsError(f"{out} holds files that are not a comparison; choose another folder with --out")
    try:
        read = json_text.loads((out / PLAN).read_text(encoding="utf-8"))
        return {name: read[name] for name in ("job", "match", "options", "sizes")}
    except (ValueError, KeyError, TypeError):  # cut short: the runs say themselves what they are
        return {}


def _identity(job: Job) -> dict[str, Any]:
    """What decides a run's designs and cost, but for its seed."""
    return {name: setting for name, setting in job.record().items() if name not in _LEAVE_DESIGNS}


def _planned(request: Request, base: Job, before: dict[str, Any]) -> tuple[dict[str, Compared], dict[str, int]]:
    """Every method at every temperature by its label, and the sizes that were measured."""
    asked_for = {"match": "seconds", "job": _identity(base), "options": request.options}
    same = request.match == "seconds" and {name: before.get(name) for name in asked_for} == asked_for
    known: dict[str, int] = before["sizes"] if same else {}
    planner, planned = Planner(base, request.match, make_process(base), known), list[Compared]()
    for method in dict.fromkeys(request.methods):
        planned += planner.plan(method, request.temperatures, request.options.get(method, {}))
    sizes = {row.job.method: row.size for row in planned if row.size and row.job.method != base.method}
    return dict(zip(labels([row.job for row in planned]), planned, strict=True)), known | sizes


def _plan_rows(planned: Mapping[str, Compared], request: Request) -> list[dict[str, Any]]:
    """The plan as a table."""
    made = []
    for label, row in planned.items():
        folders = [RunFolder(Path(job.out)) for job in row.runs(request.seeds, request.out)]
        sizes = [f"{short} = {getattr(row.job, long)}" for long, short in SIZES.items() if getattr(row.job, long)]
        made.append(
            {
                "label": label,
                "sizes": ", ".join(sizes) or "-",
                "temperature": "-" if row.job.temperature is None else f"{row.job.temperature:g}",
                "network_rows": f"{row.asks.rows:,}",
                "reward_calls": f"{row.asks.rewards:,}",
                "of_the_job": f"{row.share:.0%}",
                "done": f"{sum(folder.finished() for folder in folders)} of {request.seeds}",
                "folder": row.name,
            }
        )
    return made


def _write_plan(request: Request, base: Job, sizes: dict[str, int], rows: list[dict[str, Any]]) -> None:
    request.out.mkdir(parents=True, exist_ok=True)
    facts = {"match": request.match, "rule": RULES[request.match], "seeds": request.seeds, "options": request.options}
    facts |= {"sizes": sizes, "plan": rows}
    (request.out / PLAN).write_text(as_json({"job": _identity(base)} | facts) + "\n", encoding="utf-8")


def _runs(jobs: Sequence[Job], force: bool, quiet: bool) -> list[FinishedRun]:
    """The runs of a row; those that are there stay as they are, unless they are forced."""
    for job in jobs:
        if force or not RunFolder(Path(job.out)).finished():
            if not quiet:
                say(f"run {job.out}")
            _run(job, force, quiet)
        else:
            _check_same(job)
    return [FinishedRun.read(Path(job.out), sequences=False) for job in jobs]


def _run(job: Job, force: bool, quiet: bool) -> None:
    folder = RunFolder(Path(job.out))
    try:
        if force or not folder.job.is_file():
            run_job(job, force, quiet)
        else:
            _check_same(job)
            resume_job(folder.path, quiet)
    except Interrupted as stopped:
        raise Interrupted(
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
    runs: Mapping[str, Sequence[FinishedRun]], judge: str, request: Request, quiet: bool
) -> tuple["pd.DataFrame", list[str], dict[str, Designs]]:
    """The table, its notes and the designs of its rows; the held-out reward is the one that the runs have."""
    every = [run for row in runs.values() for run in row]
    for run in every:
        if judge and judge in run.job.scores:
            run.result.scores[judge] = run.result.scores[Score.read(judge).title]
    process = make_process(every[0].job)
    protocol = protocol_of(every, judge=judge) if is_measured(process.about) else Protocol(process, judge)
    rows = {label: [run.result for run in row] for label, row in runs.items()}
    found, notes, designs = table(
        rows, protocol, (lambda label: None) if quiet else lambda label: say(f"measuring {label}")
    )
    once = ["the held-out reward is asked once, about finished designs, and is not among the costs"] if judge else []
    return found, [resampled(list(runs.values())), *once, *notes], designs


def _write(
    found: "pd.DataFrame", planned: Mapping[str, Compared], rows: list[dict[str, Any]], said: list[str],
    notes: list[str], request: Request, first: Mapping[str, Result],
) -> None:  # fmt: skip
    import pandas as pd

    from svdd.method.table import citations
    from svdd.report.comparison import write_comparison
    from svdd.report.figures import pictures

    jobs = [row.job for row in planned.values()]
    sizes = {name: pd.array([getattr(job, name) for job in jobs], dtype="Int64") for name in SIZES}
    whole = found.assign(
        **sizes, temperature=pd.array([job.temperature for job in jobs], dtype="Float64").to_numpy(float)
    )
    front = ["label", "method", *sizes, "temperature"]
    whole = whole[[*front, *(name for name in whole if name not in front)]]
    whole.to_csv(request.out / "comparison.csv", index=False, lineterminator="\n")
    papers = dict.fromkeys(paper for job in jobs for paper in citations(job.method))
    facts = {
        "model": Path(jobs[0].model).name, "reward": Path(jobs[0].reward).name, "equal": MATCHES[request.match],
        "runs of each": request.seeds, "designs a run": jobs[0].samples,
    }  # fmt: skip
    shared = _shared([_identity(job) for job in jobs])
    notes = [f"sizes: {RULES[request.match]}", *notes]
    try:
        write_comparison(whole, request.out, facts, rows, said, notes, shared, list(papers), pictures(first))
    except ImportError as error:
        say(f"note: no report.html, {error}")


def _had(planned: Mapping[str, Compared], match: str) -> str:
    """What best-of-n had to spend, beside the job."""
    share = min((row.share for row in planned.values() if row.job.method == "best-of-n"), default=1.0)
    if match == "seconds":
        return " in about the same seconds"
    return (
        f" at the same {MATCHES[match]}" if share > 0.95 else f", which had {share:.0%} of the job's {MATCHES[match]}"
    )


def _shared(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that all have."""
    return {name: value for name, value in settings[0].items() if all(other.get(name) == value for other in settings)}


def _print(found: "pd.DataFrame", notes: Sequence[str], out: Path) -> None:
    from svdd.report.tables import sections

    for title, titles, rows in sections(found):
        show([dict(zip(titles, row, strict=True)) for row in rows], json=False, title=title)
    print("\n".join(notes))
    print(f"written to {out}: {', '.join(name for name in FILES if (out / name).is_file())}, and the runs")
