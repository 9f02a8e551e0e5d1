"""What is wrong with a value that a job cannot have, and what to do about it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.fields import FieldInfo

from svdd.messages import check

_TRUTHS = "; yes, no, on, off, true and false are truth values unless they stand in quotes"


def wrong(error: Mapping[str, Any]) -> str:
    """The end of a sentence that begins with the value's name: `should be a valid string, got 12; write '12' in quotes`.

    Args:
        error: one of those of a `ValidationError`.
    """
    given = error["input"]
    if given is None:
        return "has no value; give it one, or leave it out"
    said = str(error["msg"]).replace("Input should", "should")
    return f"{said}, got {given!r:.80}{_remedy(error['type'], given)}"


def _remedy(kind: str, given: Any) -> str:
    """What a reader of YAML can have meant; nothing where that is not known."""
    if isinstance(given, list) and not kind.startswith(("list", "tuple", "dict")):
        return "; give one value, without brackets, or text with brackets in quotes"
    if isinstance(given, bool):
        return _TRUTHS
    is_number = kind == "string_type" and isinstance(given, int | float)
    return f"; write {str(given)!r} in quotes" if is_number else ""


def placed(place: Sequence[int | str]) -> str:
    """Where a value stands, `chunks.network`; a name is told as one."""
    names = [str(one) for one in place if isinstance(one, str) and one != "[key]"]
    return f"a name in {names[0]}" if "[key]" in place else ".".join(names)


def check_truths(given: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> None:
    """Looks whether a truth value stands where a number or a text is meant, as `samples: yes`, which pydantic takes for 1.

    Raises:
        ValueError: if one does.
    """
    for name in given.keys() & fields.keys():
        value, said = given[name], str(fields[name].annotation)
        inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
        truths = [] if "bool" in said or "Any" in said else [one for one in inside if isinstance(one, bool)]
        check(not truths, f"{name} takes no truth value, got {', '.join(map(str, truths))}{_TRUTHS}")
