"""The objective of a job: several rewards as one, as a form that YAML files hold."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, Field, NonNegativeFloat, PlainSerializer, model_validator

from svdd.messages import unknown
from svdd.rewards.combinations import combination
from svdd.rewards.desirability import AtLeast, AtMost, Interval, Ramp, Shape, Sigmoid
from svdd.runs.reward_spec import STRICT, RewardSpec, Short
from svdd.runs.wrong_values import wrong
from svdd.runs.yaml_text import yaml_of_file
from svdd.user_files import whole

NAME = "objective"
"""What the reward of a job is called that has an objective."""
_SHAPES = ("sigmoid", "ramp", "interval", "at_least", "at_most")


class PartSpec(RewardSpec):
    """A component: a reward, what its numbers are worth, and its weight. Its name is its reward unless it names another."""

    name: str = Field("", validation_alias=AliasChoices("reward", "name"), serialization_alias="reward")
    weight: float | None = None
    must: bool = False
    sigmoid: Sigmoid | None = None
    ramp: Ramp | None = None
    interval: Interval | None = None
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, given: Any) -> Any:
        """A component without settings may be left empty, or be the name of its reward."""
        if isinstance(given, str):
            return {"reward": given}
        return given.given() if type(given) is RewardSpec else given or {}

    @model_validator(mode="after")
    def _fits_together(self) -> "PartSpec":
        shapes = [name for name in _SHAPES if getattr(self, name) is not None]
        if len(shapes) > 1:
            raise ValueError(f"has {' and '.join(shapes)}; give it one of them")
        if self.must and self.weight is not None:
            raise ValueError("must be met, so it has no weight; leave one of them out")
        return self

    def shape(self) -> Shape | None:
        """What its numbers are seen through, None where they count as they are."""
        least = None if self.at_least is None else AtLeast(self.at_least)
        most = None if self.at_most is None else AtMost(self.at_most)
        return self.sigmoid or self.ramp or self.interval or least or most


class ObjectiveForm(BaseModel):
    """Components by name, in the order in which they are asked, and how they are combined."""

    model_config = STRICT

    combine: Literal[
        "weighted-sum", "product", "geometric-mean", "thresholds", "share-of-thresholds", "pessimistic"
    ] = "weighted-sum"
    kappa: NonNegativeFloat | None = None
    parts: dict[str, Annotated[PartSpec, Short("string", "null")]]

    @model_validator(mode="after")
    def _fits_together(self) -> "ObjectiveForm":
        for name, part in self.parts.items():
            part.name = part.name or name
        combination(self.combine, self.kappa)
        return self

    def rewards(self) -> list[str]:
        """The names of the rewards."""
        return [part.name for part in self.parts.values()]

    def anchored(self) -> "ObjectiveForm":
        """The same objective with whole paths in the names of rewards and in their options.

        Raises:
            ValueError: for an unknown reward whose options may be paths.
        """
        return self.model_copy(update={"parts": {name: part.anchored() for name, part in self.parts.items()}})

    def started_in(self, folder: str | None) -> "ObjectiveForm":
        """The same objective; programs among its rewards start in a folder."""
        return self.model_copy(update={"parts": {name: part.started_in(folder) for name, part in self.parts.items()}})

    def record(self) -> dict[str, Any]:
        """The form without what was left open, for files."""
        parts = {
            name: part.model_dump(mode="json", exclude_defaults=True, by_alias=True)
            for name, part in self.parts.items()
        }
        short = {name: {k: v for k, v in part.items() if (k, v) != ("reward", name)} for name, part in parts.items()}
        return {"parts": short, "combine": self.combine} | ({} if self.kappa is None else {"kappa": self.kappa})


Written = Annotated[ObjectiveForm, PlainSerializer(ObjectiveForm.record)]
"""An objective that is written down as short as it can be."""


def read_objective(path: str | Path) -> dict[str, Any]:
    """The objective in a YAML file, unchecked.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is not YAML, or no objective.
    """
    read = yaml_of_file(whole(path))
    found = read.get(NAME, read) if isinstance(read, dict) else None
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold an objective: lines such as 'combine: geometric-mean' and 'parts:'")
    return found


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
    return f"{whole} {wrong(error)}"


def _settings(place: list[str]) -> list[str]:
    """The settings that there are where an unknown one was given: objective, parts, NAME, shape, setting."""
    if len(place) == 2:
        return list(ObjectiveForm.model_fields)
    if len(place) == 4:
        return ["reward", *(name for name in PartSpec.model_fields if name != "name")]
    shapes: dict[str, Any] = {"sigmoid": Sigmoid, "ramp": Ramp, "interval": Interval}
    return [field.name for field in fields(shapes[place[3]])]
