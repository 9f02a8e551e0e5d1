"""The number of what job.yaml and run.json hold, so that a file of another version is refused, not misread."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from svdd.messages import check_number

SCHEMA = 1
"""The number of this version; a file without one, as a user writes it or an early version did, is read as it is."""
_REMEDY = "use the version that wrote it, which its run.json names, or run the job again in another folder"


def with_schema(text: str) -> str:
    """A job as YAML, with the number first."""
    return f"schema: {SCHEMA}\n{text}"


def without_schema(read: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What a file holds beside its number.

    Raises:
        OtherVersionError: for another number.
    """
    check_number("schema", read.get("schema", SCHEMA), SCHEMA, path, _REMEDY)
    return {name: value for name, value in read.items() if name != "schema"}


def check_streams(read: Mapping[str, Any], known: int, path: Path) -> None:
    """Looks whether the designs of a finished run were drawn as this version draws.

    Raises:
        OtherVersionError: if they were not.
    """
    check_number("streams", read.get("streams", known), known, path, _REMEDY)
