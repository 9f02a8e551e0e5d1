"""A model and the reward that guides it: what a run and a fitted value have in common, as a checked record."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.types import PositiveFloat, PositiveInt

from svdd.messages import check, unknown
from svdd.rewards.headers import check_addresses
from svdd.runs.names import check_name, is_code
from svdd.runs.objectives import NAME as OBJECTIVE
from svdd.runs.objectives import ObjectiveForm, Written
from svdd.runs.objectives import sentence as objective_sentence
from svdd.runs.paths import whole, whole_name
from svdd.runs.reward_spec import STRICT, RewardSpec, ScoreSpec
from svdd.runs.settings import Setting
from svdd.runs.wrong_values import check_truths, placed, wrong
from svdd.runs.yaml_text import APART

REWARD_SETTINGS = {
    "name": "reward", "options": "reward_options", "workers": "workers", "timeout": "reward_timeout",
    "batch": "reward_batch", "memory": "reward_memory", "on_failure": "on_failure",
}  # fmt: skip
"""What a job calls the settings of a `RewardSpec`."""


class _OrMapping:
    """Says in a schema that a reward may be a name or a mapping."""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [handler(core), handler(RewardSpec.__pydantic_core_schema__)]}


def _or_objective(schema: dict[str, Any]) -> None:
    """An objective stands in the place of a reward; files may have keys of their own, for anchors."""
    schema["patternProperties"] = {f"^{APART}": {}}
    schema["required"].remove("reward")
    schema["anyOf"] = [{"required": ["reward"]}, {"required": ["objective"]}]


class Guided(BaseModel):
    """A model and the reward that guides it: what a run and a fitted value have in common."""

    model_config = ConfigDict(**STRICT, json_schema_extra=_or_objective)
    called: ClassVar[str] = "a job"

    model: Annotated[str, Setting("A name of `svdd models`, module:function or file.py:function.", "Model", daily=True)]
    steps: Annotated[PositiveInt | None, Setting("Reverse steps.", "Model", daily=True)] = None
    length: Annotated[PositiveInt | None, Setting("Letters of a sequence.", "Model")] = None
    model_options: Annotated[
        dict[str, Any],
        Setting("Further options of the model, NAME=VALUE; repeat for more.", "Model", flag="model_option"),
    ] = Field(default_factory=dict)
    reward: Annotated[
        str,
        _OrMapping(),
        Setting(
            "A name of `svdd rewards`, module:function, file.py:function, docking:TARGET, 'cmd:PROGRAM ...' or http://...",
            "Reward",
            daily=True,
        ),
    ]
    reward_options: Annotated[
        dict[str, Any],
        Setting("Options of the reward, NAME=VALUE; repeat for more.", "Reward", flag="reward_option", daily=True),
    ] = Field(default_factory=dict)
    objective: Annotated[
        Written | None,
        Setting("A YAML file with several rewards as one, in the place of --reward.", "Reward", kind=Path),
    ] = None
    workers: Annotated[
        PositiveInt | None,
        Setting("Run the reward in this many worker processes (on the engine, if there is one).", "Reward", law=False),
    ] = None
    reward_timeout: Annotated[
        PositiveFloat | None,
        Setting("Seconds per design in a worker; per call of a program or an address.", "Reward", law=False),
    ] = None
    reward_batch: Annotated[
        PositiveInt | None, Setting("Designs per call of a worker or an address.", "Reward", law=False)
    ] = None
    reward_memory: Annotated[
        PositiveFloat | None, Setting("MB that a worker may take beyond the loaded reward.", "Reward", law=False)
    ] = None
    command_folder: Annotated[
        str | None, Setting("Where programs (cmd:) start; this folder unless given.", "Reward", kind=Path)
    ] = None
    cache: Annotated[
        str | None, Setting("A file of scores, shared with other runs.", "Reward", law=False, kind=Path)
    ] = None

    out: Annotated[str | None, Setting("The folder to write.", kind=Path, law=False, cost=False, daily=True)] = None

    @model_validator(mode="before")
    @classmethod
    def _one_reward(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        given = flat(given)
        check_truths(given, cls.model_fields)
        if given.get(OBJECTIVE) is None:
            return given
        if given.get("reward", OBJECTIVE) != OBJECTIVE:
            raise ValueError(
                f"a job has a reward or an objective, got both: leave out {given['reward']}, or make it a part"
            )
        return {**given, "reward": OBJECTIVE}

    @classmethod
    def needs(cls, name: str) -> str:
        """The sentence about a setting that is missing."""
        return f"{cls.called} needs {name}: add --{name}, or {name}: ... in the file"

    def folder(self) -> Path:
        """The folder to write.

        Raises:
            ValueError: if it names none.
        """
        if self.out is None:
            raise ValueError(self.needs("out"))
        return Path(whole(self.out))

    def placed(self) -> RewardSpec:
        """The reward with its options and where it is computed."""
        said = {name: getattr(self, flat) for name, flat in REWARD_SETTINGS.items() if flat != "on_failure"}
        return RewardSpec(**said).started_in(self.command_folder)

    def guide(self) -> RewardSpec | ObjectiveForm:
        """What guides: a reward, or an objective, with where it is computed.

        Raises:
            ValueError: for an objective and settings that only one reward can have.
        """
        reward = self.placed()
        if self.objective is None:
            return reward
        if self.reward_options or reward.limits():
            raise ValueError(
                "an objective has no options, workers or limits of its own: give options:, workers:, timeout:, batch: and "
                "memory: to the component that they are for"
            )
        return self.objective.started_in(self.command_folder)

    def judges(self) -> list[str]:
        """The held-out rewards of what guides, as flags take them: one for each component that has one."""
        guides = self.guides()
        specs = [self.placed()] if self.objective is None else self.objective.parts.values()
        return [judge for judge in dict.fromkeys(spec.judge() for spec in specs) if judge and judge not in guides]

    def guides(self) -> list[str]:
        """The names of the rewards that guide: the reward, or the components of the objective."""
        return [self.reward] if self.objective is None else self.objective.rewards()

    def rewards(self) -> list[str]:
        """The names of all rewards."""
        return self.guides()

    def check_names(self) -> None:
        """Looks whether names are those of something, before anything is imported.

        Raises:
            ValueError: for an unknown one; it lists the nearest.
        """
        check_name("model", self.model)
        for name in self.rewards():
            check_name("reward", name)

    def code(self) -> list[str]:
        """What it names to be imported or started: a user's own functions and programs."""
        named = [whole_name("model", self.model), *(whole_name("reward", name) for name in self.rewards())]
        return [name for name in dict.fromkeys(named) if is_code(name)]


def flat(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings in which the reward is a name, and what else its mapping says stands beside it.

    Raises:
        ValueError: for an unknown setting of the reward, and one that is given in both places.
    """
    reward = given.get("reward")
    reward = reward.given() if isinstance(reward, RewardSpec) else reward
    if not isinstance(reward, Mapping):
        return given
    for name in reward:
        check(name in REWARD_SETTINGS, f"reward: {unknown('setting', str(name), REWARD_SETTINGS)}")
    check("name" in reward, "reward needs name, such as reward: {name: hepg2}")
    beside = {REWARD_SETTINGS[name]: value for name, value in reward.items()}
    twice = sorted((beside.keys() & given.keys()) - {"reward"})
    check(not twice, f"{', '.join(twice)} is given twice, in reward: and beside it; leave one of them out")
    return {**given, **beside}


Kind = TypeVar("Kind", bound=Guided)


def made_of(kind: type[Kind], given: Mapping[str, Any]) -> Kind:
    """A job, or another record of a model and its reward, from settings.

    Args:
        kind: the record.
        given: its settings.

    Raises:
        ValueError: for an unknown, missing or impossible setting, in one sentence; an unknown name goes before what is missing.
    """
    odd = [name for name in given if not isinstance(name, str)]
    check(not odd, f"settings have names such as model, not {', '.join(map(repr, odd))}")
    check_addresses([given.get(name) for name in ("reward", "scores", "objective")])  # messages repeat names
    try:
        return kind(**given)
    except ValidationError as error:
        raise ValueError(_sentence(error, kind, given)) from None


def _sentence(error: ValidationError, kind: type[Guided], given: Mapping[str, Any]) -> str:
    """What is wrong, in one sentence; an unknown setting goes first."""
    first: Mapping[str, Any] = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    deep = len(first["loc"]) > 1
    if deep and first["loc"][0] == OBJECTIVE:
        return objective_sentence(first)
    return _SENTENCES.get((first["type"], deep), _wrong)(first, kind, given)


Said = Callable[[Mapping[str, Any], type[Guided], Mapping[str, Any]], str]


def _wrong(first: Mapping[str, Any], kind: type[Guided], given: Mapping[str, Any]) -> str:
    if words := _words_beside_a_number(first["loc"], kind):
        return f"{first['loc'][0]} should be a number or {' or '.join(words)}, got {first['input']!r:.80}"
    return f"{placed(first['loc'])} {wrong(first)}"


def _words_beside_a_number(place: tuple[int | str, ...], kind: type[Guided]) -> list[str]:
    """The words that a setting takes in the place of a number, where an error stands at the number."""
    types = get_args(kind.model_fields[str(place[0])].annotation) if place[1:] == ("float",) else ()
    return [word for one in types if get_origin(one) is Literal for word in get_args(one)]


def _said_by_us(first: Mapping[str, Any], kind: type[Guided], given: Mapping[str, Any]) -> str:
    return str(first["ctx"]["error"])


def _unknown_setting(first: Mapping[str, Any], kind: type[Guided], given: Mapping[str, Any]) -> str:
    return unknown("setting", str(first["loc"][0]), kind.model_fields)


def _unknown_setting_of_a_score(first: Mapping[str, Any], kind: type[Guided], given: Mapping[str, Any]) -> str:
    return f"{first['loc'][0]}: {unknown('setting', str(first['loc'][-1]), ScoreSpec.model_fields)}"


def _missing(first: Mapping[str, Any], kind: type[Guided], given: Mapping[str, Any]) -> str:
    """An unknown name goes before what is missing."""
    return _unknown_name(given) or kind.needs(str(first["loc"][0]))


def _missing_of_a_score(first: Mapping[str, Any], kind: type[Guided], given: Mapping[str, Any]) -> str:
    return (
        f"{first['loc'][0]} needs {first['loc'][-1]}"
        if isinstance(first["input"], dict)
        else _wrong(first, kind, given)
    )


_SENTENCES: dict[tuple[str, bool], Said] = {
    ("extra_forbidden", False): _unknown_setting, ("extra_forbidden", True): _unknown_setting_of_a_score,
    ("missing", False): _missing, ("missing", True): _missing_of_a_score,
    ("value_error", False): _said_by_us, ("value_error", True): _said_by_us,
}  # fmt: skip
"""What says a type of error, of a setting or of something inside one."""


def _unknown_name(given: Mapping[str, Any]) -> str:
    """The sentence about an unknown name among settings, empty where there is none."""
    named = {what: flat(given).get(what) for what in ("model", "reward", "method")}
    try:
        for what, name in named.items():
            if isinstance(name, str) and name != OBJECTIVE:
                check_name(what, name)
    except ValueError as error:
        return str(error)
    return ""
