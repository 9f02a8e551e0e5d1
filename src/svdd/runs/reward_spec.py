"""What a reward is: its name and options, where it is computed, and what its failures mean; for files, flags and Python."""

import re
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, model_serializer, model_validator
from pydantic.types import PositiveFloat, PositiveInt

from svdd.registry import REWARDS, held_out
from svdd.runs.options import read_options
from svdd.runs.pairs import pairs
from svdd.runs.paths import whole_name, whole_options

STRICT = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)
_TITLE = re.compile(r"([A-Za-z_][\w-]*)=(.+)", re.DOTALL)
_OPTIONS = re.compile(r",(?=\s*[A-Za-z_]\w*=)")
_WHOLE = ("cmd:", "http:", "https:")

Spec = TypeVar("Spec", bound="RewardSpec")


class RewardSpec(BaseModel):
    """A reward by name; a text alone is its name.

    Args:
        name: of the reward.
        options: of it.
        workers: processes that it is computed in.
        timeout: seconds, of a design in a worker, of a call outside of Python.
        batch: designs that a worker or an address is given at a time.
        memory: MB that a worker may take beyond the loaded reward.
        on_failure: what its failures mean, settings of a `svdd.Policy`.
    """

    model_config = STRICT

    name: str
    options: dict[str, Any] = {}
    workers: PositiveInt | None = None
    timeout: PositiveFloat | None = None
    batch: PositiveInt | None = None
    memory: PositiveFloat | None = None
    on_failure: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, given: Any) -> Any:
        return {"name": given} if isinstance(given, str) else given

    def given(self) -> dict[str, Any]:
        """What was given, by name."""
        return self.model_dump(exclude_unset=True)

    def limits(self) -> dict[str, Any]:
        """Where it is computed, under the names that rewards in processes and programs use; without what is left open."""
        said = {"workers": self.workers, "timeout": self.timeout, "batch": self.batch, "memory_mb": self.memory}
        return {name: value for name, value in said.items() if value is not None}

    def anchored(self: Spec) -> Spec:
        """The same with whole paths in its name and options.

        Raises:
            ValueError: for an unknown reward whose options may be paths.
        """
        name, options = whole_name("reward", self.name), whole_options("reward", self.name, self.options)
        return self.model_copy(update={"name": name, "options": options})

    def started_in(self: Spec, folder: str | None) -> Spec:
        """The same; a program starts in a folder."""
        here = {"folder": folder} if folder is not None and self.name.startswith("cmd:") else {}
        return self.model_copy(update={"options": here | self.options})

    def judge(self) -> str:
        """Its held-out reward, for the structure and the like that it is for itself, as flags take it; empty if it has none."""
        name, card = held_out(self.name), REWARDS.get(self.name.partition(":")[0])
        alike = {option: value for option, value in self.options.items() if card and option in card.alike}
        return str(ScoreSpec(name=name, options=alike)) if name else ""


class ScoreSpec(RewardSpec):
    """A further reward, which is a column of the result.

    Args:
        title: of the column; the name of the reward, or of its function, unless given.
    """

    title: str = ""

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, given: Any) -> Any:
        """`REWARD`, `TITLE=REWARD` or `TITLE=REWARD,NAME=VALUE,...`; a program and an address are taken as they are."""
        if not isinstance(given, str):
            return given.given() if type(given) is RewardSpec else given
        titled = _TITLE.fullmatch(given)
        title, text = titled.groups() if titled else ("", given)
        name, *options = [text] if text.startswith(_WHOLE) else _OPTIONS.split(text)
        texts = pairs("score", (option.strip() for option in options))
        return {"title": title, "name": name, "options": read_options("reward", name, texts)}

    @model_validator(mode="after")
    def _has_a_title(self) -> "ScoreSpec":
        self.title = self.title or self._own()
        return self

    @model_serializer
    def record(self) -> str | dict[str, Any]:
        """The score as files hold it: as short as it can be."""
        said = {name: getattr(self, name) for name in RewardSpec.model_fields}
        further = {name: value for name, value in said.items() if value not in (None, {}) and name != "name"}
        named = {} if self.title == self._own() else {"title": self.title}
        short = f"{self.title}={self.name}" if named or "=" in self.name else self.name
        titled = _TITLE.fullmatch(short)
        reads_back = titled is None if short == self.name else titled and titled.groups() == (self.title, self.name)
        return short if reads_back and not further and "," not in self.name else {**named, "name": self.name, **further}

    def __str__(self) -> str:
        """As flags take it, where they can say it."""
        said = self.record()
        if isinstance(said, str) or said.keys() - {"title", "name", "options"}:
            return str(said)
        titled = f"{self.title}={self.name}" if "title" in said else self.name
        text = ",".join([titled, *(f"{option}={value}" for option, value in self.options.items())])
        return text if ScoreSpec.model_validate(text) == self else str(said)

    def _own(self) -> str:
        kind = self.name.partition(":")[0]
        return kind if kind in REWARDS else self.name.rpartition(":")[2]


class Short:
    """Says in a schema that text, or nothing, will do in the place of a mapping.

    Args:
        *kinds: of what else will do, in the words of JSON schemas.
    """

    def __init__(self, *kinds: str) -> None:
        self.kinds = [{"type": kind} for kind in kinds]

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [*self.kinds, handler(core)]}
