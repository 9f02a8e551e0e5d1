"""The objective of a job: several rewards as one, as a form that YAML files hold."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, PlainSerializer, model_validator
from pydantic.types import PositiveFloat, PositiveInt

from svdd.messages import unknown
from svdd.rewards.desirability import AtLeast, AtMost, Desirability, Interval, Ramp, Sigmoid
from svdd.rewards.objectives import Objective, objective
from svdd.runs.make import Placement, placed_reward
from svdd.runs.paths import whole_name, whole_options
from svdd.user_files import text_of_file

NAME = "objective"
"""What the reward of a job is called that has an objective."""
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_SHAPES = ("sigmoid", "ramp", "interval", "at_least", "at_most")


class PartForm(BaseModel):
    """A component: a reward by name with its options, what its numbers are worth, its weight, and where it runs."""

    model_config = _STRICT

    reward: str = ""
    options: dict[str, Any] = {}
    weight: float | None = None
    must: bool = False
    sigmoid: Sigmoid | None = None
    ramp: Ramp | None = None
    interval: Interval | None = None
    at_least: float | None = None
    at_most: float | None = None
    workers: PositiveInt | None = None
    timeout: PositiveFloat | None = None
    batch: PositiveInt | None = None
    memory: PositiveFloat | None = None

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, given: Any) -> Any:
        """A component without settings may be left empty, or be the name of its reward."""
        if isinstance(given, str):
            return {"reward": given}
        return {} if given is None else given

    @model_validator(mode="after")
    def _fits_together(self) -> "PartForm":
        shapes = [name for name in _SHAPES if getattr(self, name) is not None]
        if len(shapes) > 1:
            raise ValueError(f"has {' and '.join(shapes)}; give it one of them")
        if self.must and self.weight is not None:
            raise ValueError("must be met, so it has no weight; leave one of them out")
        return self

    def with_whole_paths(self, name: str) -> "PartForm":
        """The same component with whole paths; `name` is its reward where it names none itself."""
        reward = self.reward and whole_name("reward", self.reward)
        options = whole_options("reward", self.reward or name, self.options)
        return self.model_copy(update={"reward": reward, "options": options})

    def desirability(self, name: str, command_folder: str | None = None) -> Desirability:
        """The component, loaded.

        Args:
            name: of its reward where it names none itself.
            command_folder: where a program starts.

        Raises:
            ValueError: for an unknown reward or option.
        """
        placement = Placement(self.workers, self.timeout, self.batch, self.memory, command_folder)
        least = None if self.at_least is None else AtLeast(self.at_least)
        most = None if self.at_most is None else AtMost(self.at_most)
        shape = self.sigmoid or self.ramp or self.interval or least or most
        return Desirability(placed_reward(self.reward or name, self.options, placement), shape, self.must)


class ObjectiveForm(BaseModel):
    """Components by name, in the order in which they are asked, and how they are combined."""

    model_config = _STRICT

    combine: Literal["weighted-sum", "product", "geometric-mean", "thresholds", "share-of-thresholds"] = "weighted-sum"
    parts: dict[str, PartForm]

    def rewards(self) -> list[str]:
        """The names of the rewards."""
        return [part.reward or name for name, part in self.parts.items()]

    def with_whole_paths(self) -> "ObjectiveForm":
        """The same objective with whole paths in the names of rewards and in their options."""
        parts = {name: part.with_whole_paths(name) for name, part in self.parts.items()}
        return self.model_copy(update={"parts": parts})

    def record(self) -> dict[str, Any]:
        """The form without what was left open, for files."""
        return self.model_dump(mode="json", exclude_defaults=True) | {"combine": self.combine}


Written = Annotated[ObjectiveForm, PlainSerializer(ObjectiveForm.record)]
"""An objective that is written down as short as it can be."""


def make_objective(form: ObjectiveForm, command_folder: str | None = None) -> Objective:
    """The objective of a form, its rewards loaded; programs among them start in `command_folder`.

    Raises:
        ValueError: for an unknown reward or option, and a weight that the combination cannot use.
    """
    made: dict[str, Any] = {name: part.desirability(name, command_folder) for name, part in form.parts.items()}
    weighted = {name: (made[name], part.weight) for name, part in form.parts.items() if part.weight is not None}
    return objective(form.combine, made | weighted)


def read_objective(path: str | Path) -> dict[str, Any]:
    """The objective in a YAML file, unchecked.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is not YAML, or no objective.
    """
    try:
        read = yaml.safe_load(text_of_file(path))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(read, dict):
        raise ValueError(f"{path} must hold an objective: lines such as 'combine: geometric-mean' and 'parts:'")
    return read.get(NAME, read)


def sentence(error: Mapping[str, Any]) -> str:
    """What pydantic found wrong with an objective, in one sentence.

    Args:
        error: the first of its errors, at a place below `objective`.
    """
    place = [str(one) for one in error["loc"] if one not in ("int", "float")]  # either will do
    where, last = ".".join(place[:-1]), place[-1]
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where}: {unknown('setting', last, _settings(place))}"
    if error["type"] == "missing":
        return f"{where} needs {last}"
    whole = ".".join(place)
    if error["type"] == "value_error":
        return f"{whole}: {error['ctx']['error']}"
    return f"{whole} {error['msg'].replace('Input should', 'should')}, got {error['input']!r:.80}"


def _settings(place: list[str]) -> list[str]:
    """The settings that there are where an unknown one was given: objective, parts, NAME, shape, setting."""
    if len(place) == 2:
        return list(ObjectiveForm.model_fields)
    if len(place) == 4:
        return list(PartForm.model_fields)
    shapes: dict[str, Any] = {"sigmoid": Sigmoid, "ramp": Ramp, "interval": Interval}
    return [field.name for field in fields(shapes[place[3]])]
