"""What is made of a job and its parts: the process, the rewards where they are computed, the value, the run."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from svdd.chain.process import Process
from svdd.decoding.columns import COLUMNS, WEIGHT, ColumnTakenError
from svdd.decoding.decoding import Decoding
from svdd.decoding.finished import Batches
from svdd.messages import check, unknown
from svdd.method.values import Value
from svdd.method.values_by_name import VALUES, read_value
from svdd.registry import REWARD_SCHEMES, REWARDS, load, load_reward, locate
from svdd.rewards.desirability import Desirability
from svdd.rewards.objectives import Objective, objective
from svdd.rewards.user_code import guarded
from svdd.runs.guided import Guided
from svdd.runs.job import BEGUN, Job
from svdd.runs.objectives import ObjectiveForm
from svdd.runs.options import check_options
from svdd.runs.reward_spec import RewardSpec, ScoreSpec
from svdd.runs.starting import begun
from svdd.scoring.policy import NoNumber, Policy
from svdd.scoring.reward import Composite, Reward, close, like, traits_of
from svdd.scoring.stored_scores import Journal


def _is_told_by_text(name: str) -> bool:
    """Whether a reward is one of a kind that is named by text, `scheme:...`."""
    return ":" in name and name.partition(":")[0] in REWARD_SCHEMES


def make_reward(name: str, options: Mapping[str, Any] | None = None) -> Reward:
    """A reward by name; what a user's own function raises is told as such."""
    given = dict(options or {})
    check_options("reward", name, given)
    reward = load_reward(name, **given)
    if name in REWARDS or _is_told_by_text(name):
        return reward
    if isinstance(reward, Composite):
        of = f"of the reward {name}"
        return reward.asking(lambda part, one: _told_apart(one, f"the component {part} {of}", (one, {})))
    return _told_apart(reward, f"the reward {name}", (name, given))


def _told_apart(reward: Reward, name: str, made_from: tuple[Any, dict[str, Any]]) -> Reward:
    """A user's function, whose errors are told as its own."""
    wrapper = like(guarded(reward, name), reward)
    wrapper.named, wrapper.stands_for = made_from, reward  # type: ignore[attr-defined]
    return wrapper


def placed_reward(spec: RewardSpec) -> Reward:
    """A reward, in processes of its own if it is given workers.

    Raises:
        ValueError: for an unknown reward or option, and for limits of a kind of reward that this is not.
    """
    name, given, taken = spec.name, spec.limits(), _parameters(spec.name)
    if "workers" in given and "workers" not in taken:
        from svdd.rewards.worker_pool import workers

        check_options("reward", name, spec.options)
        return workers(name, **given, **spec.options)
    if "memory_mb" in given and "memory_mb" not in taken:
        raise ValueError("reward_memory bounds worker processes: add --workers 2, for example")
    for limit in given:
        if limit not in taken:
            remedy = "chunks: reward=" if limit == "batch" else "workers"
            raise ValueError(
                f"reward_{limit} is for rewards in workers and outside of Python; {name} is neither: give {remedy}"
            )
    return make_reward(name, given | spec.options)


def under(reward: Reward, changes: Mapping[str, Any], usual: Policy) -> Reward:
    """A reward whose failures mean something else than they do by default.

    Args:
        reward: any that was made for this run alone.
        changes: settings of a policy; none leaves the reward as it is.
        usual: the policy of a reward in its place that has none of its own.

    Raises:
        ValueError: for an unknown setting of the policy, or an impossible one.
    """
    if changes:
        policy, said = (traits_of(reward).policy or usual).changed(changes), getattr(reward, "traits", None)
        name, value = ("policy", policy) if said is None else ("traits", replace(said, policy=policy))
        setattr(reward, name, value)
    return reward


def makes_processes(name: str) -> bool:
    """Whether a reward puts itself into worker processes."""
    return "workers" in _parameters(name)


def _parameters(name: str) -> list[str]:
    """What the function behind a reward that is told by text takes; nothing of any other."""
    if not _is_told_by_text(name):
        return []
    return list(inspect.signature(locate("reward", name.partition(":")[0], REWARD_SCHEMES)).parameters)


def make_objective(form: ObjectiveForm) -> Objective:
    """The objective of a form, its rewards loaded.

    Raises:
        ValueError: for an unknown reward or option, and a weight that the combination cannot use.
    """
    made: dict[str, Any] = {}
    for name, part in form.parts.items():
        reward = under(placed_reward(part), part.on_failure, Policy())
        seen = Desirability(reward, part.shape(), part.must)
        made[name] = seen if part.weight is None else (seen, part.weight)
    return objective(form.combine, made, form.kappa)


def score_reward(score: ScoreSpec, beside: RewardSpec) -> Reward:
    """The reward of a column.

    Args:
        score: the column.
        beside: the reward that guides; a user's own function is computed where that is, unless it says where, and what
            came with the package is computed here.

    Raises:
        ValueError: for an unknown reward or option, and for limits of a kind of reward that this is not.
    """
    made = placed_reward(score if score.limits() else _beside(score, beside))
    return under(made, score.on_failure, NoNumber())


def make_judge(text: str) -> Reward:
    """A reward that judges and did not guide, from a name with options as in `ddg-judge,path=mine.pdb`.

    Raises:
        ValueError: as `placed_reward`.
    """
    return placed_reward(ScoreSpec.model_validate(text))


def _beside(score: ScoreSpec, beside: RewardSpec) -> RewardSpec:
    """The score where the reward that guides is computed, as far as that may be."""
    if makes_processes(score.name):
        return score.model_copy(update={"workers": beside.workers})
    if beside.workers is None or score.name in REWARDS or score.options:
        return score
    limits = {name: getattr(beside, name) for name in ("workers", "timeout", "batch", "memory")}
    return score.model_copy(update=limits)


def check_titles(scores: Sequence[ScoreSpec]) -> None:
    """Looks whether the columns have titles of their own.

    Raises:
        ColumnTakenError: if two scores, or a score and a column of the designs, would share a title.
    """
    titles = [score.title for score in scores]
    for title in titles:
        if titles.count(title) > 1 or title in (*COLUMNS, WEIGHT):
            raise ColumnTakenError(f"the column {title!r} is taken; give the score a title of its own, TITLE=REWARD")


def make_process(job: Guided) -> Process:
    """The job's model, with the letters or the fragment it keeps, or the sequences it starts from.

    Raises:
        ValueError: for an unknown model or option, and for sequences that do not fit it.
    """
    shortcuts = {k: v for k, v in (("steps", job.steps), ("length", job.length)) if v is not None}
    check_options("model", job.model, job.model_options)
    process = load(job.model, **(job.model_options | shortcuts))
    return begun(process, {name: getattr(job, name, None) for name in BEGUN})


def _check_engine(job: Job) -> None:
    """Tells of settings of an engine where there is none."""
    idle = [name for name in ("ray_workers", "ray_resources", "reward_resources") if getattr(job, name)]
    check(
        job.engine or not idle,
        f"{', '.join(idle)}: the job has no engine that takes it; add engine: ray, or leave it out",
    )


def _check_value(job: Job) -> None:
    """Tells of an unknown value before the model is loaded."""
    value = job.value or Process.usual_value
    if job.names_value:
        read_value(value)
    elif not Path(value).is_dir():
        said = unknown("value", Path(value).name, VALUES)
        raise ValueError(f"{said} (or give the folder of a value that svdd fit-value wrote; there is none at {value})")
    if job.force_value and job.names_value:
        raise ValueError(f"force_value is for the folder of a fitted value, not for {job.value or 'the usual value'}")


def _value(job: Job, process: Process, reward: Reward) -> str | Value:
    value = job.value or process.usual_value
    if job.names_value:
        return value
    from svdd.fitting import load_value

    return load_value(value, process, reward, force=bool(job.force_value))


def settled(job: Job) -> Job:
    """The job with its value, which the process of a function of a user's own says where the job leaves it open."""
    return job if job.value else job.model_copy(update={"value": make_process(job).usual_value})


def job_reward(job: Guided) -> Reward:
    """The reward that guides, where and how the job says.

    Raises:
        ValueError: for an unknown reward or option, and for settings of a kind of reward that this is not.
    """
    guide = job.guide()
    return make_objective(guide) if isinstance(guide, ObjectiveForm) else placed_reward(guide)


# Settings of a job that a decoding takes under the same names.
_GIVEN_ON = ("method", "returns", "samples", "seed", "batch", "chunks", "on_failure", "cache")


def make_decoding(
    job: Job, journal: Journal | None = None, parts: Batches | None = None, reward: Reward | None = None
) -> Decoding:
    """The run that a job describes, not started.

    Args:
        job: the job.
        journal: where its scores are written down as they arrive.
        parts: where its finished batches are kept; in memory unless given.
        reward: in place of the job's, which it stands for.

    Raises:
        ValueError: for anything in the job that is unknown or does not fit together.
    """
    job.check_names()
    check_titles(job.scores)
    options = job.options()
    _check_value(job)
    _check_engine(job)
    process, reward = make_process(job), reward or job_reward(job)
    value, budget = _value(job, process, reward), job.budget or None
    scores = {score.title: score_reward(score.started_in(job.command_folder), job.placed()) for score in job.scores}
    options |= {name: getattr(job, name) for name in _GIVEN_ON}
    kept: dict[str, Any] = {"journal": journal, "parts": parts}
    decoding = Decoding(process, reward, value=value, scores=scores, budget=budget, **kept, **options)
    decoding.settings |= {"reward": job.reward, "value": job.value or process.usual_value}
    return decoding


@contextmanager
def made_decoding(job: Job, journal: Journal | None = None, parts: Batches | None = None) -> Iterator[Decoding]:
    """The run that a job describes, with its files and processes, which end with it; arguments as `make_decoding`."""
    decoding = make_decoding(job, journal, parts)
    try:
        yield decoding
    finally:
        decoding.close()
        for reward in (decoding.given, *decoding.scores.values()):
            close(reward)
