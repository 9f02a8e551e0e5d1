"""Jobs: everything that decides a run, as a checked record; flags and YAML files are two ways to write one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.types import NonNegativeInt, PositiveFloat, PositiveInt

from svdd.chain.process import Process
from svdd.decoding.decoding import Decoding, make_method
from svdd.messages import unknown
from svdd.method.table import METHODS
from svdd.method.values import Value
from svdd.method.values_by_name import VALUES, names_value, read_value
from svdd.registry import MODELS, REWARDS, SCHEMES, load
from svdd.runs.columns import Score, read_scores, renamed, score_reward
from svdd.runs.make import Placement, placed_reward
from svdd.runs.objectives import NAME as OBJECTIVE
from svdd.runs.objectives import Written, make_objective
from svdd.runs.objectives import sentence as objective_sentence
from svdd.runs.paths import whole, whole_name, whole_options
from svdd.runs.schema import without_schema
from svdd.runs.starting import begun
from svdd.scoring.reward import Reward, close
from svdd.scoring.stored_scores import Journal

RENAMED = {"block_length": "length"}
"""Method options whose name a job needs for something else."""
SETTINGS = {option: option for row in METHODS.values() for option in row.options}
SETTINGS |= {option: name for name, option in RENAMED.items()}
"""What a job calls the options of all methods."""


class Job(BaseModel):
    """A run: the model, the reward, the method with its options, sizes, and where to write."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    model: str
    reward: str
    objective: Written | None = None
    reward_options: dict[str, Any] = {}
    workers: PositiveInt | None = None
    reward_timeout: PositiveFloat | None = None
    reward_batch: PositiveInt | None = None
    reward_memory: PositiveFloat | None = None
    on_failure: dict[str, Any] = {}
    cache: str | None = None
    budget: dict[str, Any] = {}
    out: str
    method: str = "svdd"
    value: str = "posterior-mean"
    force_value: bool | None = None
    scores: list[str] = []

    steps: PositiveInt | None = None
    length: PositiveInt | None = None
    model_options: dict[str, Any] = {}

    candidates: PositiveInt | None = None
    particles: PositiveInt | None = None
    width: PositiveInt | None = None
    temperature: float | None = Field(None, ge=0)
    replace: float | Literal["all"] | None = None
    ess: float | None = None
    potential: Literal["difference", "max", "sum"] | None = None
    prior_candidates: PositiveInt | None = None
    every: PositiveInt | None = None
    window: tuple[float, float] | None = None
    block_length: PositiveInt | None = None

    samples: PositiveInt = 64
    seed: NonNegativeInt = 0
    batch: PositiveInt | None = None
    chunks: dict[str, PositiveInt] = {}
    save_seconds: PositiveFloat | None = None
    engine: str | None = None
    ray_workers: PositiveInt | None = None
    ray_resources: dict[str, PositiveFloat] = {}
    reward_resources: dict[str, PositiveFloat] = {}
    command_folder: str | None = None

    template: str | None = None
    fix: list[str] = []
    start: str | None = None
    noise: float | None = None
    fragment: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_reward(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or given.get(OBJECTIVE) is None:
            return given
        if given.get("reward", OBJECTIVE) != OBJECTIVE:
            raise ValueError(
                f"a job has a reward or an objective, got both: leave out {given['reward']}, or make it a part"
            )
        return {**given, "reward": OBJECTIVE}

    def guides(self) -> list[str]:
        """The names of the rewards that guide: the reward, or the components of the objective."""
        return [self.reward] if self.objective is None else self.objective.rewards()

    def options(self) -> dict[str, Any]:
        """The method's own options, as `svdd.decode` takes them.

        Raises:
            ValueError: for an unknown method, an option it does not take, or one that is missing.
        """
        given = {option: getattr(self, name) for option, name in SETTINGS.items() if getattr(self, name) is not None}
        for name in make_method(self.method, given).missing(given) if not self.budget else ():  # which finds sizes
            raise ValueError(f"{self.method} needs {name}: add --{SETTINGS[name].replace('_', '-')} 10, for example")
        return given | ({"replace": None} if self.replace == "all" else {})

    def anchored(self) -> "Job":
        """The same job with whole paths, so that it runs from anywhere.

        Raises:
            ValueError: for an unknown model or reward whose options may be paths.
        """
        changed: dict[str, Any] = {k: whole(v) for k in ("template", "start", "cache") if (v := getattr(self, k))}
        changed |= {"model": whole_name("model", self.model), "reward": whole_name("reward", self.reward)}
        if not names_value(self.value):
            changed["value"] = whole(self.value)
        changed["model_options"] = whole_options("model", self.model, self.model_options)
        changed["reward_options"] = whole_options("reward", self.reward, self.reward_options)
        changed["scores"] = [renamed(text, partial(whole_name, "reward")) for text in self.scores]
        if self.objective is not None:
            changed["objective"] = self.objective.with_whole_paths()
        if any(name.startswith("cmd:") for name in self.rewards()):
            changed["command_folder"] = whole(self.command_folder or ".")
        return self.model_copy(update=changed)

    def rewards(self) -> list[str]:
        """The names of all rewards: those that guide, then those of the scores."""
        return [*self.guides(), *(Score.read(text).reward for text in self.scores)]

    def code(self) -> list[str]:
        """What it names to be imported or started: a user's own functions and programs."""
        named = [whole_name("model", self.model), *(whole_name("reward", name) for name in self.rewards())]
        named = [name for name in dict.fromkeys(named) if name not in (*MODELS, *REWARDS)]
        return [name for name in named if name.partition(":")[0] not in (*SCHEMES, "http", "https", "docking")]

    def record(self) -> dict[str, Any]:
        """All settings but those left open, for files."""
        return {name: value for name, value in self.model_dump(mode="json").items() if value not in (None, [], {})}

    def written(self) -> str:
        """The job as YAML."""
        return yaml.safe_dump(self.record(), sort_keys=False)


def make_job(given: Mapping[str, Any]) -> Job:
    """A job from its settings.

    Raises:
        ValueError: for an unknown, missing or impossible setting, in one sentence.
    """
    try:
        return Job(**given)
    except ValidationError as error:
        raise ValueError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    if not first["loc"]:
        return str(first["ctx"]["error"])
    key = str(first["loc"][0])
    if key == OBJECTIVE and len(first["loc"]) > 1:
        return objective_sentence(first)
    if first["type"] == "extra_forbidden":
        return unknown("setting", key, Job.model_fields)
    if first["type"] == "missing":
        return f"a job needs {key}: add --{key}, or {key}: ... in the file"
    return f"{key} {first['msg'].replace('Input should', 'should')}, got {first['input']!r}"


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of a YAML job file, unchecked.

    Raises:
        OSError: if there is no such file.
        OtherVersionError: if another version of this package wrote it.
        ValueError: if it is not YAML, or not lines of `name: value`.
    """
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(read, dict) or not all(isinstance(key, str) for key in read):
        raise ValueError(f"{path} must hold settings such as 'model: dna-enhancer', one a line")
    return without_schema(read, path)


BEGUN: dict[str, Any] = {"template": None, "fix": [], "start": None, "noise": None, "fragment": None}
"""What a run begins from, and what that is in a job of the model alone."""


def make_process(job: Job) -> Process:
    """The job's model, with the letters or the fragment it keeps, or the sequences it starts from.

    Raises:
        ValueError: for an unknown model or option, and for sequences that do not fit it.
    """
    shortcuts = {k: v for k, v in (("steps", job.steps), ("length", job.length)) if v is not None}
    process = load(job.model, **(job.model_options | shortcuts))
    return begun(process, {name: getattr(job, name) for name in BEGUN})


def _check_value(job: Job) -> None:
    """Tells of an unknown value before the model is loaded."""
    if names_value(job.value):
        read_value(job.value)
    elif not Path(job.value).is_dir():
        said = unknown("value", Path(job.value).name, VALUES)
        raise ValueError(
            f"{said} (or give the folder of a value that svdd fit-value wrote; there is none at {job.value})"
        )
    if job.force_value and names_value(job.value):
        raise ValueError(f"force_value is for the folder of a fitted value, not for {job.value}")


def _value(job: Job, process: Process, reward: Reward) -> str | Value:
    if names_value(job.value):
        return job.value
    from svdd.fitting import load_value

    return load_value(job.value, process, reward, force=bool(job.force_value))


def placement_of(job: Job) -> Placement:
    """Where a job's reward is computed."""
    return Placement(job.workers, job.reward_timeout, job.reward_batch, job.reward_memory, job.command_folder)


def job_reward(job: Job) -> Reward:
    """The reward that guides a job's run, where and how the job says.

    Raises:
        ValueError: for an unknown reward or option, and for settings of a kind of reward that this is not.
    """
    placement = placement_of(job)
    if job.objective is None:
        return placed_reward(job.reward, job.reward_options, placement)
    if job.reward_options or placement.limits():
        raise ValueError(
            "an objective has no options, workers or limits of its own: give options:, workers:, timeout:, batch: and "
            "memory: to the component that they are for"
        )
    return make_objective(job.objective, job.command_folder)


# Settings of a job that a decoding takes under the same names.
_GIVEN_ON = ("method", "samples", "seed", "batch", "chunks", "on_failure", "cache")


def make_decoding(job: Job, journal: Journal | None = None, reward: Reward | None = None) -> Decoding:
    """The run that a job describes, not started.

    Args:
        job: the job.
        journal: where its scores are written down as they arrive.
        reward: in place of the job's, which it stands for.

    Raises:
        ValueError: for anything in the job that is unknown or does not fit together.
    """
    options, columns = job.options(), read_scores(job.scores)
    _check_value(job)
    process, reward = make_process(job), reward or job_reward(job)
    value, budget = _value(job, process, reward), job.budget or None
    scores = {score.title: score_reward(score, placement_of(job)) for score in columns}
    options |= {name: getattr(job, name) for name in _GIVEN_ON}
    decoding = Decoding(process, reward, value=value, scores=scores, journal=journal, budget=budget, **options)
    decoding.settings |= {"reward": job.reward, "value": job.value}
    return decoding


@contextmanager
def made_decoding(job: Job, journal: Journal | None = None) -> Iterator[Decoding]:
    """The run that a job describes, with its files and processes, which end with it; arguments as `make_decoding`."""
    decoding = make_decoding(job, journal)
    try:
        yield decoding
    finally:
        decoding.close()
        for reward in (decoding.given, *decoding.scores.values()):
            close(reward)
