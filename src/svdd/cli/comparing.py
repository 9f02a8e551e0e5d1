"""`svdd compare`: the plan before the runs, the table after them."""

from svdd.cli.evaluating import show_table
from svdd.cli.listing import show
from svdd.cli.watching import Terminal
from svdd.runs.compare_request import Request
from svdd.runs.comparison import FILES, make_plan, run_plan
from svdd.runs.folder import as_json
from svdd.runs.matches import MATCHES


def compare(request: Request, *, force: bool, quiet: bool, json: bool) -> None:
    """Plans, shows the plan, runs what is not there yet, and shows the comparison.

    Args:
        request: what is compared.
        force: makes runs anew that are there.
        quiet: no progress.
        json: prints JSON, once everything is done.

    Raises:
        ValueError: for anything in the request or the job that is unknown or does not fit together.
        FileExistsError: if the folder, or that of a run, holds something else.
        RunStopped: after Ctrl-C.
    """
    plan, match = make_plan(request, force), MATCHES[request.match]
    if not json:
        show(plan.table, json=False, title=f"{request.seeds} runs of each, {match.title}")
        print(f"sizes: {match.rule}")
    made = run_plan(plan, force, Terminal(quiet))
    if json:
        facts = {"plan": plan.table, "comparison": made.table.to_dict("records"), "says": made.verdicts}
        print(as_json(facts | {"notes": made.notes, "folder": str(request.out)}))
        return
    show_table(made.table, [*made.verdicts, *made.notes])
    written = ", ".join(name for name in FILES if (request.out / name).is_file())
    print(f"written to {request.out}: {written}, and the runs")
