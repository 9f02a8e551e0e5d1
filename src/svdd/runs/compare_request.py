"""What a comparison is asked to compare: from Python or from a YAML file; checked before anything is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from svdd.messages import check, check_known
from svdd.method.table import METHODS
from svdd.runs.compare_form import check_form, check_own
from svdd.runs.job import Job, make_job, read_settings
from svdd.runs.matches import MATCHES
from svdd.runs.reward_spec import ScoreSpec
from svdd.user_files import whole

COMPARED = ("pretrained", "best-of-n", "smc", "svdd")
"""The methods of a comparison that names none."""
VARIANTS = "variants"


@dataclass(frozen=True)
class Entry:
    """A method of a comparison.

    Args:
        method: a name of the method table.
        label: what its rows are called; empty where the settings that differ tell them apart.
        options: of the method, under the names of a job.
        sizes: at which it runs; none leaves that of its options, of the job or of the match.
        temperatures: at which it runs; none leaves the job's, or the method's own.
        fit: settings of `svdd.fit_value`, for a value that is fitted for it; None leaves the job's value.
    """

    method: str
    label: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    sizes: Sequence[int] = ()
    temperatures: Sequence[float | int] = ()
    fit: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """The label, or the method where there is none."""
        return self.label or self.method


@dataclass(frozen=True)
class Request:
    """What is compared.

    Args:
        job: whose cost the others match: its settings, or a YAML file of them.
        out: the folder to write.
        methods: names of the method table; or, by label, settings of a job such as `method`, `value` and `candidates`, and
            `sizes`, `temperatures` and `fit`, as of `Entry`.
        match: a key of `MATCHES`; `none` takes the sizes as they are given.
        seeds: runs of each, from the job's seed on.
        temperatures: at which methods run that name none; none leaves the job's, or a method's own.
        options: of methods, under the names of a job.
        judge: a reward that did not guide; None takes the guide's held-out twin.
        sizes: at which methods run that name none; none leaves that of the job or of the match.
        reference: a file of natural designs, as of `svdd evaluate`; None takes what came with the model.
        pool: unguided samples per seed from which `pretrained` and `best-of-n` are read; 0 runs each of them.
    """

    job: Path | Job | Mapping[str, Any]
    out: Path
    methods: Sequence[str] | Mapping[str, Mapping[str, Any] | None] = COMPARED
    match: str = "network-rows"
    seeds: int = 5
    temperatures: Sequence[float | int] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    judge: str | None = None
    sizes: Sequence[int] = ()
    pool: int = 0
    reference: str | Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(whole(self.out)))
        object.__setattr__(self, "reference", whole(self.reference) if self.reference else None)

    def entries(self) -> list[Entry]:
        """The methods, each with all that it gets.

        Raises:
            ValueError: for an unknown method.
        """
        named = self.methods if isinstance(self.methods, Mapping) else dict.fromkeys(self.methods)
        return [self._entry(label, dict(settings or {})) for label, settings in named.items()]

    def _entry(self, label: str, own: dict[str, Any]) -> Entry:
        check_form(own, f"{label}: ")
        method = own.pop("method", label)
        check_known("method", method, METHODS)
        sizes, temperatures = own.pop("sizes", self.sizes), own.pop("temperatures", self.temperatures)
        fit, options = own.pop("fit", None), {**self.options.get(method, {}), **own}
        check_own(label, options)
        return Entry(method, "" if label == method else label, options, sizes, temperatures, fit)

    def check(self) -> None:
        """Looks at the names and numbers before anything is loaded.

        Raises:
            ValueError: for one that is unknown or impossible, and for options of a method that is not compared.
        """
        check_form(vars(self))
        check_known("cost to match", self.match, MATCHES)
        entries = self.entries()
        compared = {entry.method for entry in entries}
        for name in self.options:
            check_known("method", name, METHODS)
            check(name in compared, f"there are options for {name}, which is not compared; add it to the methods")
        heats = [temperature for entry in entries for temperature in entry.temperatures]
        if self.seeds < 1 or not entries or any(not 0 <= heat < float("inf") for heat in heats):
            raise ValueError("a comparison needs at least 1 method, 1 seed, and temperatures of 0 or larger")
        sizes = [self.pool + 1, *self.sizes, *(size for entry in entries for size in entry.sizes)]
        check(min(sizes) >= 1, f"sizes are at least 1 and a pool at least 0, got {min(sizes)}")

    def base(self) -> tuple[Job, str]:
        """The job with the judge among its scores, and the judge's name, empty where there is none.

        Raises:
            ValueError: for a bad job, one with a budget, and a judge that guides.
        """
        base = make_job({**_settings(self.job), "out": str(self.out)})
        if base.budget:
            raise ValueError(
                "a comparison finds sizes by itself: take budget out of the job, and give its method's sizes"
            )
        judge, *twins = [self.judge] if self.judge is not None else base.judges() or [""]
        if judge in base.guides():
            raise ValueError(f"{judge} guides these runs, so it cannot judge them; give --judge another reward")
        if not judge:
            return base.anchored(), ""
        judging, *others = map(ScoreSpec.model_validate, [judge, *twins])
        scores = [*base.scores, *(one for one in (judging, *others) if one not in base.scores)]
        base = base.model_copy(update={"scores": scores}).anchored()
        return base, str(base.scores[scores.index(judging)])


def _settings(job: Path | Job | Mapping[str, Any]) -> Mapping[str, Any]:
    given = job.record() if isinstance(job, Job) else job
    return given if isinstance(given, Mapping) else read_settings(given)


def request_of(given: Path | Mapping[str, Any], out: Path, variant: str = "", **flags: Any) -> Request:
    """The request of a job, or of a comparison that holds the job under `job:` beside its own settings.

    Args:
        given: a YAML file, or what one would hold.
        out: the folder to write.
        variant: one of those that the file has under `variants:`, whose settings take the place of the others.
        **flags: settings of `Request` that win over the others.

    Raises:
        OSError: if there is no such file.
        ValueError: for a file that is neither, and for an unknown setting or variant.
    """
    read = dict(given) if isinstance(given, Mapping) else read_settings(given)
    check_form({VARIANTS: read.get(VARIANTS, {}), "options": read.get("options", {})})
    settings: dict[str, Any] = read if "job" in read else {"job": given}
    variants: dict[str, Any] = {"": {}, **settings.pop(VARIANTS, {})}
    check_known("variant", variant, variants)
    settings = _merged(settings, variants[variant] or {})
    settings = {**settings, **flags, "options": _options(settings, flags)}
    for name in settings:
        check_known("setting of a comparison", name, [one.name for one in fields(Request)])
    check_form(settings)
    if isinstance(settings.get("methods"), Mapping):
        settings["methods"] = {str(label): own for label, own in settings["methods"].items()}
    job = settings.pop("job")
    return Request(Path(job) if isinstance(job, str) else job, out, **settings)


def _options(settings: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    """The options of methods: those of flags win by name, those of methods that flags leave out go with them."""
    named = flags.get("methods")
    kept = {name: own for name, own in settings.get("options", {}).items() if named is None or name in named}
    return _merged(kept, flags.get("options", {}))


def _merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with changes; what is a mapping in both is changed by name."""
    inner = [name for name in changes if isinstance(settings.get(name), Mapping) and isinstance(changes[name], Mapping)]
    return {**settings, **changes, **{name: _merged(settings[name], changes[name]) for name in inner}}
