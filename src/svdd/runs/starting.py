"""How a run begins: from a template, from designs that are revised, round a fragment; domains bring the ways."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from svdd.chain.process import Process
from svdd.messages import check
from svdd.registry import STARTS, Start, resolve


def begun(process: Process, settings: Mapping[str, Any]) -> Process:
    """The process that begins as the settings of a job say.

    Args:
        process: the model.
        settings: by name; those that are None or empty say nothing.

    Raises:
        ValueError: for a setting without those that go with it, for two ways to begin that do not go together, and for what
            does not fit the model.
    """
    given = {name: value for name, value in settings.items() if value not in (None, "", [])}
    starts = sorted(dict.fromkeys(STARTS[name] for name in given), key=lambda start: not start.keeps)
    for start in starts:
        _check_whole(start, given)
    for one, other in pairwise(starts):
        names = f"{one.fields[0].name} and {other.fields[0].name}"
        check(one.keeps > other.keeps, f"{names} are different ways to begin; give one of them")
    for start in starts:
        own = {field.name: given[field.name] for field in start.fields if field.name in given}
        process = resolve(start.target)(process, **own)
    return process


def _check_whole(start: Start, given: Mapping[str, Any]) -> None:
    names = [field.name for field in start.fields if field.needed]
    told = " and ".join(f"{field.name} ({field.help.rstrip('.')})" for field in start.fields)
    check(given.keys() >= set(names), f"{told} go together; give {' and '.join(names)}, or none of them")
