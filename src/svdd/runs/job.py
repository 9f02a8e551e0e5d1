"""Jobs: everything that decides a run, as a checked record; flags and YAML files are two ways to write one.

A job is flat: settings by name. What is made of it is in `svdd.runs.make`; nothing here loads a model or a reward.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic.types import NonNegativeInt, PositiveFloat, PositiveInt

from svdd.messages import check, check_known, unknown
from svdd.method.table import METHODS, make_method
from svdd.registry import MODELS, REWARD_SCHEMES, REWARDS, SCHEMES, STARTS, StartField
from svdd.rewards.headers import check_addresses
from svdd.runs.objectives import NAME as OBJECTIVE
from svdd.runs.objectives import ObjectiveForm, Written
from svdd.runs.objectives import sentence as objective_sentence
from svdd.runs.paths import whole, whole_name, whole_options
from svdd.runs.reward_spec import STRICT, RewardSpec, ScoreSpec, Short
from svdd.runs.settings import Setting, settings_of
from svdd.user_files import text_of_file

SETTINGS = tuple(dict.fromkeys(option for row in METHODS.values() for option in row.options))
"""The options of all methods."""

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
    """An objective stands in the place of a reward."""
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
        if given.get(OBJECTIVE) is None:
            return given
        if given.get("reward", OBJECTIVE) != OBJECTIVE:
            raise ValueError(
                f"a job has a reward or an objective, got both: leave out {given['reward']}, or make it a part"
            )
        return {**given, "reward": OBJECTIVE}

    def folder(self) -> Path:
        """The folder to write.

        Raises:
            ValueError: if it names none.
        """
        if self.out is None:
            raise ValueError(_missing(type(self), "out"))
        return Path(self.out)

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


_KINDS: dict[str, tuple[Any, Any, type | None]] = {
    "text": (str | None, None, None), "path": (str | None, None, Path), "number": (float | None, None, None),
    "texts": (list[str], [], None),
}  # fmt: skip
"""For each kind of `StartField` the type of the setting, what it is where nothing is said, and the type of its flag."""


def _start_fields() -> dict[str, StartField]:
    """The settings that say how a run begins, of all domains."""
    return {field.name: field for start in dict.fromkeys(STARTS.values()) for field in start.fields}


def _settings_of_starts() -> dict[str, Any]:
    """The same as fields of a pydantic model."""
    made = {}
    for name, field in _start_fields().items():
        annotation, default, kind = _KINDS[field.kind]
        made[name] = (Annotated[annotation, Setting(field.help, "Start", kind=kind)], default)
    return made


BEGUN: dict[str, Any] = {name: _KINDS[field.kind][1] for name, field in _start_fields().items()}
"""What a run begins from, and what that is in a job of the model alone."""

if TYPE_CHECKING:
    _Started = Guided
else:
    _Started = create_model("_Started", __base__=Guided, __module__=__name__, **_settings_of_starts())


class Job(_Started):
    """A run: the model, the reward, the method with its options, sizes, and where to write."""

    scores: Annotated[
        list[Annotated[ScoreSpec, Short("string")]],
        Setting(
            "Another reward, as a column: REWARD or TITLE=REWARD,NAME=VALUE,...; repeat for more.",
            "Reward", flag="score", law=False, cost=False, daily=True,
        ),
    ] = Field(default_factory=list)  # fmt: skip
    on_failure: Annotated[
        dict[str, Any],
        Setting("nan=, error= or timeout=stop, invalid or a number; retries=2; abort=0.5; repeat.", "Reward"),
    ] = Field(default_factory=dict)

    budget: Annotated[
        dict[str, Any], Setting("rewards=2000, rows=... (of the network) or seconds=...; repeat.", daily=True)
    ] = Field(default_factory=dict)

    method: Annotated[str, Setting("A name of `svdd methods`; svdd unless given.", "Method", daily=True)] = "svdd"
    value: Annotated[
        str,
        Setting(
            "posterior-mean (the default), log-mean-exp, rollout, zero, with options as in log-mean-exp,samples=8, or a "
            "folder of `svdd fit-value`.",
            "Method",
        ),
    ] = "posterior-mean"
    force_value: Annotated[bool | None, Setting("Use the folder's value with another model or reward.", "Method")] = (
        None
    )
    particles: Annotated[PositiveInt | None, Setting("Particles per chain, N.", "Method", symbol="N", daily=True)] = (
        None
    )
    width: Annotated[PositiveInt | None, Setting("Beam width, n.", "Method", symbol="n")] = None
    candidates: Annotated[PositiveInt | None, Setting("Candidates per step, M.", "Method", symbol="M", daily=True)] = (
        None
    )
    temperature: Annotated[
        Annotated[float, Field(ge=0)] | None,
        Setting("Selection temperature, in units of the reward; 0 takes the best.", "Method", daily=True),
    ] = None
    replace: Annotated[
        float | Literal["all"] | None,
        Setting("Share of particles that svdd-r replaces, or all.", "Method", kind=str),
    ] = None
    ess: Annotated[float | None, Setting("Resample below this part of the effective sample size.", "Method")] = None
    potential: Annotated[
        Literal["difference", "max", "sum"] | None,
        Setting("difference, max or sum (smc).", "Method", kind=str),
    ] = None
    prior_candidates: Annotated[PositiveInt | None, Setting("Initial noises to choose from.", "Method")] = None
    every: Annotated[PositiveInt | None, Setting("Choose only at every so many steps.", "Method", cadence=True)] = None
    window: Annotated[
        tuple[float, float] | None,
        Setting("Choose only within these times, such as 0.8,0.2.", "Method", kind=str, cadence=True),
    ] = None
    block_length: Annotated[PositiveInt | None, Setting("Steps per block (blocks).", "Method")] = None

    samples: Annotated[PositiveInt, Setting("Designs; 64 unless given.", daily=True)] = 64
    seed: Annotated[NonNegativeInt, Setting("Seed; 0 unless given.", law=False, cost=False, daily=True)] = 0
    batch: Annotated[PositiveInt | None, Setting("Chains at once; all unless given.", law=False)] = None
    chunks: Annotated[
        dict[str, PositiveInt],
        Setting("Rows at a time, network=64, decode=..., reward=... or value=...; repeat.", flag="chunk", law=False),
    ] = Field(default_factory=dict)
    engine: Annotated[
        str | None, Setting("ray, or the address of a Ray cluster: chains run on its workers.", law=False)
    ] = None
    ray_workers: Annotated[PositiveInt | None, Setting("Workers of the engine; 2 unless given.", law=False)] = None
    ray_resources: Annotated[
        dict[str, PositiveFloat], Setting("Of each of them, num_gpus=1 or num_cpus=4; repeat for more.", law=False)
    ] = Field(default_factory=dict)
    reward_resources: Annotated[
        dict[str, PositiveFloat], Setting("Of each of --workers on the engine, num_cpus=2; repeat.", law=False)
    ] = Field(default_factory=dict)
    save_seconds: Annotated[
        PositiveFloat | None,
        Setting("Seconds between saves of an unfinished run; 30 unless given.", law=False, cost=False),
    ] = None

    def options(self) -> dict[str, Any]:
        """The method's own options, as `svdd.decode` takes them.

        Raises:
            ValueError: for an unknown method, or an option it does not take.
        """
        given = {name: getattr(self, name) for name in SETTINGS if getattr(self, name) is not None}
        make_method(self.method, given)
        return given | ({"replace": None} if self.replace == "all" else {})

    def anchored(self) -> "Job":
        """The same job with whole paths, so that it runs from anywhere.

        Raises:
            ValueError: for an unknown model or reward whose options may be paths.
        """
        from svdd.method.values_by_name import names_value

        paths = ["cache", *(name for name, field in _start_fields().items() if field.kind == "path")]
        changed: dict[str, Any] = {name: whole(path) for name in paths if (path := getattr(self, name))}
        changed |= {"model": whole_name("model", self.model), "reward": whole_name("reward", self.reward)}
        changed |= {} if names_value(self.value) else {"value": whole(self.value)}
        changed["model_options"] = whole_options("model", self.model, self.model_options)
        changed["reward_options"] = whole_options("reward", self.reward, self.reward_options)
        changed["scores"] = [score.anchored() for score in self.scores]
        changed["objective"] = None if self.objective is None else self.objective.anchored()
        if any(name.startswith("cmd:") for name in self.rewards()):
            changed["command_folder"] = whole(self.command_folder or ".")
        return self.model_copy(update=changed)

    def rewards(self) -> list[str]:
        """The names of all rewards: those that guide, then those of the scores."""
        return [*self.guides(), *(score.name for score in self.scores)]

    def check_names(self) -> None:
        """Looks whether names are those of something, the method too."""
        super().check_names()
        check_known("method", self.method, METHODS)

    def record(self) -> dict[str, Any]:
        """All settings but those left open, for files."""
        return {name: value for name, value in self.model_dump(mode="json").items() if value not in (None, [], {})}

    def deciding(self, what: Literal["law", "cost", "either"]) -> dict[str, Any]:
        """Those of its settings that decide the law of its designs, what it costs, or one of the two; without the seed.

        Args:
            what: is decided.
        """
        said = settings_of(Job)
        decides = {"law": lambda one: one.law, "cost": lambda one: one.cost, "either": lambda one: one.law or one.cost}
        return {name: value for name, value in self.record().items() if decides[what](said[name])}

    def written(self) -> str:
        """The job as YAML."""
        return yaml.safe_dump(self.record(), sort_keys=False)


def flat(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings in which the reward is a name, and what else its mapping says stands beside it.

    Raises:
        ValueError: for an unknown setting of the reward, and one that is given in both places.
    """
    reward = given.get("reward")
    if not isinstance(reward, Mapping):
        return given
    for name in reward:
        check(name in REWARD_SETTINGS, f"reward: {unknown('setting', str(name), REWARD_SETTINGS)}")
    check("name" in reward, "reward needs name, such as reward: {name: hepg2}")
    beside = {REWARD_SETTINGS[name]: value for name, value in reward.items()}
    for name in (beside.keys() & given.keys()) - {"reward"}:
        raise ValueError(f"{name} is given twice, in reward: and beside it; leave one of them out")
    return {**given, **beside}


Kind = TypeVar("Kind", bound=Guided)


def make_job(given: Mapping[str, Any]) -> Job:
    """A job from its settings.

    Raises:
        ValueError: for an unknown, missing or impossible setting, in one sentence.
    """
    return made_of(Job, given)


def made_of(kind: type[Kind], given: Mapping[str, Any]) -> Kind:
    """A job, or another record of a model and its reward, from settings.

    Args:
        kind: the record.
        given: its settings.

    Raises:
        ValueError: for an unknown, missing or impossible setting, in one sentence; an unknown name goes before what is missing.
    """
    check_addresses([given.get(name) for name in ("reward", "scores", "objective")])  # messages repeat names
    try:
        return kind(**given)
    except ValidationError as error:
        raise ValueError(_sentence(error, kind, given)) from None


def _sentence(error: ValidationError, kind: type[Guided], given: Mapping[str, Any]) -> str:
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    if not first["loc"]:
        return str(first["ctx"]["error"])
    key = str(first["loc"][0])
    if key == OBJECTIVE and len(first["loc"]) > 1:
        return objective_sentence(first)
    if first["type"] == "extra_forbidden":
        return _unknown_setting(first["loc"], kind)
    if first["type"] == "missing" and len(first["loc"]) == 1:
        return _unknown_name(given) or _missing(kind, key)
    if first["type"] == "missing" and isinstance(first["loc"][-1], str):
        return f"{key} needs {first['loc'][-1]}"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    return f"{key} {first['msg'].replace('Input should', 'should')}, got {first['input']!r}"


def _unknown_setting(place: tuple[int | str, ...], kind: type[Guided]) -> str:
    """The sentence about a setting of a job or, further down, of a score."""
    if len(place) == 1:
        return unknown("setting", str(place[0]), kind.model_fields)
    return f"{place[0]}: {unknown('setting', str(place[-1]), ScoreSpec.model_fields)}"


def _missing(kind: type[Guided], name: str) -> str:
    return f"{kind.called} needs {name}: add --{name}, or {name}: ... in the file"


def _unknown_name(given: Mapping[str, Any]) -> str:
    """The sentence about an unknown name among settings, empty where there is none."""
    try:
        for what in ("model", "reward", "method"):
            name = flat(given).get(what)
            if isinstance(name, str) and name != OBJECTIVE:
                check_name(what, name)
    except ValueError as error:
        return str(error)
    return ""


def check_name(kind: str, name: str) -> None:
    """Looks whether a name can be that of a model, a reward or a method, before anything is imported.

    Raises:
        ValueError: for an unknown one; it lists the nearest.
    """
    names: dict[str, Mapping[str, Any]] = {"model": MODELS, "reward": REWARDS, "method": METHODS}
    if kind != "method" and ":" in name:
        return
    of_your_own = "" if kind == "method" else " (or give module:function or file.py:function)"
    check(name in names[kind], f"{unknown(kind, name, names[kind])}{of_your_own}")


def is_code(name: str) -> bool:
    """Whether a model or a reward of this name is code of a user's own: a function or a program."""
    scheme = name.partition(":")[0]
    if scheme in REWARD_SCHEMES:
        return bool(REWARD_SCHEMES[scheme].runs_code)
    return not (name in MODELS or name in REWARDS or scheme in SCHEMES)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of a YAML job file, unchecked.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is not YAML, or not lines of `name: value`.
    """
    try:
        read = yaml.safe_load(text_of_file(path))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(read, dict) or not all(isinstance(key, str) for key in read):
        raise ValueError(f"{path} must hold settings such as 'model: dna-enhancer', one a line")
    return read
