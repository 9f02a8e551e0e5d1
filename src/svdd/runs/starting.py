"""How a run begins: from a template, from designs that are revised, round a fragment; domains bring the ways."""

from collections.abc import Mapping
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
        ValueError: for a setting without those that go with it, for two ways to begin, and for what does not fit the model.
    """
    given = {name: value for name, value in settings.items() if value not in (None, "", [])}
    starts = list(dict.fromkeys(STARTS[name] for name in given))
    for start in starts:
        _check_whole(start, given)
    names = [start.fields[0].name for start in starts]
    check(len(starts) < 2, f"{' and '.join(names)} are different ways to begin; give one of them")
    for start in starts:
        process = resolve(start.target)(process, **given)
    return process


def _check_whole(start: Start, given: Mapping[str, Any]) -> None:
    names = [field.name for field in start.fields if field.needed]
    told = " and ".join(f"{field.name} ({field.help.rstrip('.')})" for field in start.fields)
    check(given.keys() >= set(names), f"{told} go together; give {' and '.join(names)}, or none of them")
