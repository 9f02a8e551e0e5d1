"""`svdd plan`: what a plan found, as a table for people or as JSON for programs."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from svdd.cli.answering import answer
from svdd.cli.listing import show
from svdd.messages import number
from svdd.runs.json_text import as_json

if TYPE_CHECKING:
    from svdd.runs.plan_job import PlanJob
    from svdd.runs.recommending import Recommendation

_OUT = "runs/planned"


def planned(job: "PlanJob", flags: Mapping[str, Any]) -> "Recommendation":
    """The plan of a job.

    Args:
        job: the model, the reward, the budget and the designs.
        flags: as they were typed, which the command of the run repeats.

    Raises:
        ValueError: for what is unknown or does not fit together, and for a budget that no method fits.
    """
    from svdd.cli.watching import Terminal
    from svdd.cost.budget import Budget
    from svdd.runs.make import job_reward, make_process
    from svdd.runs.recommending import recommended
    from svdd.runs.running import tell_code
    from svdd.scoring.reward import close

    job.check_names()
    budget = Budget.of(job.budget) if job.budget else None
    tell_code(job, Terminal(quiet=False))
    process, reward = make_process(job), job_reward(job)
    typed = {name: value for name, value in flags.items() if value is not None}

    def command(settings: Mapping[str, Any]) -> str:
        return shlex.join(["svdd", "run", *_words({**typed, **settings, "out": typed.get("out", _OUT)})])

    try:
        return recommended(process, reward, budget, job.samples, command, {"batch": job.batch, "chunks": job.chunks})
    finally:
        close(reward)


def _words(flags: Mapping[str, Any]) -> list[str]:
    """Flags as they are typed; one with several values is repeated."""
    return [
        word
        for name, given in flags.items()
        for value in (given if isinstance(given, list) else [given])
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]


def show_plan(made: "Recommendation", json: bool) -> None:
    """Prints the table, the recommendation and the command."""
    rows = made.rows()
    if json:
        spent = made.rates.spent
        said = {"settings": made.settings, "reason": made.reason, "notes": list(made.notes), "command": made.command}
        cost = {"reward_rows": spent.rewards, "network_rows": spent.rows}
        measured = {name: getattr(made.rates, name) for name in ("network", "reward", "step")}
        answer(as_json({"methods": rows, "seconds_each": measured, "plan_cost": cost, **said}))
        return
    numbers = ("reward_rows", "network_rows", "seconds", "seconds_per_design")
    show([row | {name: number(row[name]) for name in numbers} for row in rows], json=False)
    answer("\n".join(made.sentences))
