"""What `svdd compare` is asked: checked before anything is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svdd.messages import check_known
from svdd.method.table import METHODS
from svdd.registry import held_out
from svdd.runs.job import Job, make_job, read_settings
from svdd.runs.matching import MATCHES
from svdd.runs.pairs import as_yaml, pair
from svdd.runs.reward_spec import ScoreSpec


@dataclass(frozen=True)
class Request:
    """What is compared.

    Args:
        job: the YAML file of the job whose cost the others match.
        out: the folder to write.
        methods: names of the method table.
        match: a key of `MATCHES`.
        seeds: runs of each, from the job's seed on.
        temperatures: that are swept; none leaves the job's, or a method's own.
        options: of methods, under the names of a job.
        judge: a reward that did not guide; None takes the guide's held-out twin.
    """

    job: Path
    out: Path
    methods: Sequence[str]
    match: str = "network-rows"
    seeds: int = 5
    temperatures: Sequence[float] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    judge: str | None = None

    def check(self) -> None:
        """Looks at the names and numbers before anything is loaded.

        Raises:
            ValueError: for one that is unknown or impossible.
        """
        for name in (*self.methods, *self.options):
            check_known("method", name, METHODS)
        check_known("cost to match", self.match, MATCHES)
        if self.seeds < 1 or not self.methods or any(not 0 <= t < float("inf") for t in self.temperatures):
            raise ValueError("a comparison needs at least 1 method, 1 seed, and temperatures of 0 or larger")

    def base(self) -> tuple[Job, str]:
        """The job with the judge among its scores, and the judge's name, empty where there is none.

        Raises:
            ValueError: for a bad job, one with a budget, and a judge that guides.
        """
        base = make_job(read_settings(self.job) | {"out": str(self.out)})
        if base.budget:
            raise ValueError(
                "a comparison finds sizes by itself: take budget out of the job, and give its method's sizes"
            )
        judge = held_out(base.reward) if self.judge is None else self.judge
        if judge in base.guides():
            raise ValueError(f"{judge} guides these runs, so it cannot judge them; give --judge another reward")
        if not judge:
            return base.anchored(), ""
        judging = ScoreSpec.model_validate(judge)
        scores = base.scores if judging in base.scores else [*base.scores, judging]
        base = base.model_copy(update={"scores": scores}).anchored()
        return base, str(base.scores[scores.index(judging)])


def numbers(text: str) -> list[float]:
    """Temperatures from words with commas.

    Raises:
        ValueError: for other words.
    """
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise ValueError(f"--temperatures takes numbers with commas, such as 0,0.25,1, got {text!r}") from None


def method_options(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Options of methods from words, such as `smc.ess=0.8`.

    Raises:
        ValueError: for text that is not METHOD.NAME=VALUE.
    """
    options: dict[str, dict[str, Any]] = {}
    for text in texts:
        whole, value = pair("option", text)
        method, dot, name = whole.partition(".")
        if not dot:
            raise ValueError(f"--option takes METHOD.NAME=VALUE, such as smc.ess=0.8, got {text!r}")
        options.setdefault(method, {})[name] = as_yaml(value)
    return options
