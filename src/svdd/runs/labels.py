"""Labels of runs: the method, and the settings that tell one run from the others beside it."""

from collections.abc import Sequence
from typing import Any

from svdd.method.table import METHODS
from svdd.runs.job import SETTINGS, Job
from svdd.runs.settings import settings_of

_FIRST = ("candidates", "particles", "width", "temperature", "value")
_SHORT = {name: f"{one.symbol} = {{}}" for name, one in settings_of(Job).items() if one.symbol}
_SHORT |= {"value": "{}", "model_options": "{}"}


def exact(number: float | int) -> str:
    """The shortest text from which the same number is read back: different numbers have different texts."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def settings(job: Job) -> dict[str, Any]:
    """A job's settings with the defaults of its method, without those that leave the law of the designs alone."""
    row = METHODS[job.method]
    planned = row.sizes if job.budget else ()  # sizes that nobody gave are those that fit the budget
    defaults = {name: value for name, value in row.defaults().items() if name not in planned}
    return defaults | job.deciding("law")


def labels(jobs: Sequence[Job]) -> list[str]:
    """The method of each job with the settings that tell it apart, the method's own among jobs of the same method only.

    Jobs whose settings differ have different labels.
    """
    every, own = [settings(job) for job in jobs], {"value", *SETTINGS}
    made = []
    for mine in every:
        alike = [other for other in every if other["method"] == mine["method"]]
        differing = [
            name
            for name in dict.fromkeys((*_FIRST, *(name for other in every for name in other)))
            if name != "method"
            and any(other.get(name) != mine.get(name) for other in (alike if name in own else every))
        ]
        made.append(", ".join([mine["method"], *(_setting(name, mine.get(name)) for name in differing)]))
    return made


def _setting(name: str, value: Any) -> str:
    shown = exact(value) if isinstance(value, float) else "by default" if value is None else str(value)
    return _SHORT.get(name, f"{name.replace('_', ' ')} {{}}").format(shown)
