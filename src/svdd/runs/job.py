"""Jobs: everything that decides a run, as a checked record; flags and YAML files are two ways to write one.

A job is flat: settings by name. What is made of it is in `svdd.runs.make`; nothing here loads a model or a reward.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model
from pydantic.types import NonNegativeInt, PositiveFloat, PositiveInt

from svdd.messages import check_known
from svdd.method.narrowing import Narrowing
from svdd.method.table import METHODS, Method, Returns, TemperingName, make_method
from svdd.registry import STARTS, DomainClashError, StartField, domains, model_card
from svdd.runs.guided import Guided, made_of
from svdd.runs.paths import whole, whole_name, whole_options
from svdd.runs.reward_spec import ScoreSpec, Short
from svdd.runs.schema import without_schema
from svdd.runs.settings import Setting, settings_of
from svdd.runs.yaml_text import as_yaml_text, yaml_of_file

SETTINGS = tuple(dict.fromkeys(option for row in METHODS.values() for option in row.options))
"""The options of all methods."""

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
    Started = Guided
else:
    Started = create_model("Started", __base__=Guided, __module__=__name__, **_settings_of_starts())


class Job(Started):
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
        str | None,
        Setting(
            "posterior-mean, filtered (T network rows whatever M; tokens only), log-mean-exp, rollout, zero, with options as "
            "in log-mean-exp,samples=8, filtered,samples=4 or filtered,rescore=3, or a folder of `svdd fit-value`; the usual "
            "value of the model (`svdd models`) unless given.",
            "Method",
        ),
    ] = None
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
    tempering: Annotated[
        TemperingName | None,
        Setting("adaptive, increase or none: how far look-aheads are trusted on the way (smc).", "Method", kind=str),
    ] = None
    narrowing: Annotated[
        Narrowing | None,
        Setting(
            "psp, linear, halves or none: how the particles of a chain fall (smc, bfs, amc, beam).", "Method", kind=str
        ),
    ] = None
    deviations: Annotated[
        PositiveFloat | None, Setting("Standard deviations of a gain that weigh e times as much (amc).", "Method")
    ] = None
    returns: Annotated[
        Returns | None,
        Setting(
            "draw, top or all: the design of a chain is drawn by weight, the best, or every particle with its weight.",
            "Method",
            kind=str,
        ),
    ] = None

    moves: Annotated[
        NonNegativeInt | None, Setting("Moves of a finished design (refine), K.", "Method", symbol="K", daily=True)
    ] = None
    fraction: Annotated[
        float | Literal["adapted"] | None,
        Setting("Share of the steps that a move takes again, or adapted (refine).", "Method", kind=str),
    ] = None
    tries: Annotated[PositiveInt | None, Setting("Designs that a move chooses from (refine).", "Method")] = None
    best_of: Annotated[
        PositiveInt | None, Setting("Designs of the model of which a chain refines the best (refine).", "Method")
    ] = None
    population: Annotated[
        PositiveInt | None,
        Setting("Designs of a chain that move side by side while the temperature falls (refine).", "Method"),
    ] = None
    exact: Annotated[bool | None, Setting("Moves whose law is exact for any network and grid (refine).", "Method")] = (
        None
    )

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

    def row(self) -> Method:
        """The row of the method, as the job has it return its designs.

        Raises:
            ValueError: for an unknown method, or an option it does not take.
        """
        return make_method(self.method, self.options()).returning(self.returns)

    def anchored(self) -> "Job":
        """The same job with whole paths, so that it runs from anywhere.

        Raises:
            ValueError: for an unknown model or reward whose options may be paths.
        """
        paths = ["out", "cache", *(name for name, field in _start_fields().items() if field.kind == "path")]
        changed: dict[str, Any] = {name: whole(path) for name in paths if (path := getattr(self, name))}
        changed |= {"model": whole_name("model", self.model), "reward": whole_name("reward", self.reward)}
        changed |= {} if self.names_value else {"value": whole(str(self.value))}
        changed["model_options"] = whole_options("model", self.model, self.model_options)
        changed["reward_options"] = whole_options("reward", self.reward, self.reward_options)
        changed["scores"] = [score.anchored() for score in self.scores]
        changed["objective"] = None if self.objective is None else self.objective.anchored()
        if any(name.startswith("cmd:") for name in self.rewards()):
            changed["command_folder"] = whole(self.command_folder or ".")
        return self.model_copy(update=changed)

    @property
    def names_value(self) -> bool:
        """Whether its value has a name, or is left open, and is no folder."""
        from svdd.method.values_by_name import names_value  # here, since it brings torch

        return self.value is None or names_value(self.value)

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
        return as_yaml_text(self.record())


def _check_starts() -> None:
    """Looks whether the settings that say how a run begins are no settings of every job."""
    for name in BEGUN.keys() & {*Guided.model_fields, *Job.__annotations__}:
        brings = next(one for one in domains() if STARTS[name] in one.starts)
        raise DomainClashError(
            f"the domain {brings.name} of {brings.distribution} begins runs by a setting {name}, which every job has already; "
            "uninstall it, or rename the setting"
        )


_check_starts()


def make_job(given: Mapping[str, Any]) -> Job:
    """A job from its settings; it has the usual value of its model unless it is given one.

    The value stays open for a function of a user's own, whose process says it.

    Raises:
        ValueError: for an unknown, missing or impossible setting, in one sentence.
    """
    made = made_of(Job, given)
    card = model_card(made.model) if made.value is None else None
    return made if card is None else made.model_copy(update={"value": card.usual_value})


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of a YAML job file, unchecked, without those whose names begin with `x-`.

    Raises:
        OSError: if there is no such file.
        OtherVersionError: if another version of this package wrote it.
        ValueError: if it is not YAML, or not lines of `name: value`.
    """
    read = yaml_of_file(whole(path))
    if not isinstance(read, dict) or not all(isinstance(key, str) for key in read):
        raise ValueError(f"{path} must hold settings such as 'model: dna-enhancer', one a line")
    return without_schema(read, path)
