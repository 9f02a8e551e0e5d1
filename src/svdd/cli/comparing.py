"""`svdd compare`: the plan before the runs, the table after them."""

from collections.abc import Callable, Sequence
from typing import Any

from svdd.cli.answering import answer
from svdd.cli.evaluating import show_table
from svdd.cli.listing import show
from svdd.cli.watching import Terminal
from svdd.runs.claims import claimed
from svdd.runs.compare_request import Request
from svdd.runs.comparison import FILES, make_plan, run_plan
from svdd.runs.json_text import as_json
from svdd.runs.matches import MATCHES
from svdd.runs.pairs import as_yaml, pair


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
    with claimed(request.out):
        plan, match = make_plan(request, force), MATCHES[request.match]
        if not json:
            show(plan.table, json=False, title=f"{request.seeds} runs of each, {match.title}")
            answer(f"sizes: {match.rule}")
        made = run_plan(plan, force, Terminal(quiet))
    if json:
        facts = {"plan": plan.table, "comparison": made.table.to_dict("records"), "says": made.verdicts}
        answer(as_json(facts | {"notes": made.notes, "folder": str(request.out)}))
        return
    show_table(made.table, [*made.verdicts, *made.notes], made.kit)
    written = ", ".join(name for name in FILES if (request.out / name).is_file())
    answer(f"written to {request.out}: {written}, and the runs")


def settings(methods: str | None, temperatures: str | None, options: Sequence[str] | None) -> dict[str, Any]:
    """Settings of a comparison from the words of flags; None for a flag that is not given."""
    read: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "methods": (methods, names), "temperatures": (temperatures, numbers), "options": (options, method_options),
    }  # fmt: skip
    return {name: None if words is None else understood(words) for name, (words, understood) in read.items()}


def names(text: str) -> list[str]:
    """Methods from words with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def numbers(text: str) -> list[float]:
    """Temperatures from words with commas.

    Raises:
        ValueError: for other words.
    """
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise ValueError(f"--temperatures takes numbers with commas, such as 0,0.25,1, got {text!r:.80}") from None


def method_options(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Options of methods from words, such as `smc.ess=0.8`.

    Raises:
        ValueError: for text that is not METHOD.NAME=VALUE.
    """
    options: dict[str, dict[str, Any]] = {}
    for text in texts:
        whole, value = pair("option", text)
        method, dot, name = whole.partition(".")
        if not dot:
            raise ValueError(f"--option takes METHOD.NAME=VALUE, such as smc.ess=0.8, got {text!r:.80}")
        options.setdefault(method, {})[name] = as_yaml(value)
    return options
