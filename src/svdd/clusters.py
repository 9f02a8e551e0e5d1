"""Many machines: batches of chains on Ray actors, rewards on actors of their own; the designs of the local run, bit for bit.

A chain depends on (seed, index) alone, so it does not matter which machine runs it, with which others, or how often: an actor
that is lost is started again elsewhere and takes its batch from the start.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from svdd.accounting import Cost, Outcomes, Usage, count
from svdd.decoding import Decoding
from svdd.locate import load_reward
from svdd.process import Process
from svdd.result import Result
from svdd.values import Reward, checked

Resources = Mapping[str, float | int]
ONE_CORE: Resources = {"num_cpus": 1}


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError:
        raise ImportError('many machines need ray, which is not installed: pip install "svdd[ray]"') from None
    return ray


def connect(address: str | None = None) -> None:
    """Joins a Ray cluster, or starts one on this machine, unless this process is in one already.

    Args:
        address: `ray://host:port`, `host:port` or `auto`; None starts one here.

    Raises:
        ImportError: without ray.
        ConnectionError: if nothing answers there.
    """
    ray = _ray()
    if ray.is_initialized():
        return
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if address is None else None)
    except (ConnectionError, ValueError) as error:
        raise ConnectionError(f"no Ray cluster answers at {address!r}: {error}") from error


Model = Process | Callable[[], Process]
Make = Callable[[], Decoding]
Progress = Callable[[int, int], None]


def _loaded(reward: Reward | str) -> Reward:
    return load_reward(reward) if isinstance(reward, str) else reward


def _decoding(process: Model, reward: Reward | str, settings: Mapping[str, Any]) -> Decoding:
    return Decoding(process if isinstance(process, Process) else process(), _loaded(reward), **settings)


class _Scoring:
    """A reward in a process of its own."""

    def __init__(self, reward: Reward | str) -> None:
        self.reward = _loaded(reward)

    def score(self, designs: Any) -> Tensor:
        return checked(self.reward(designs), designs, count(designs))


class _Decoding:
    """Runs batches of chains in a process of its own; the model is made once."""

    def __init__(self, make: Make, threads: int) -> None:
        torch.set_num_threads(threads)  # this process is ours alone
        self.decoding = make()

    def run(self, number: int) -> dict[str, Any]:
        for _ in self.decoding.only(number):
            pass
        return self.decoding.state()


class _Remote:
    """A reward whose designs are shared out over actors, in equal parts."""

    def __init__(self, actors: Sequence[Any]) -> None:
        self.actors = list(actors)

    def __call__(self, designs: Any) -> Tensor:
        size = -(-count(designs) // len(self.actors))
        parts = [designs[i : i + size] for i in range(0, count(designs), size)]
        asked = [actor.score.remote(part) for actor, part in zip(self.actors, parts, strict=False)]
        return torch.cat(_ray().get(asked)) if asked else torch.zeros(0, dtype=torch.float64)


def decode_on_ray(
    process: Model,
    reward: Reward | str,
    *,
    address: str | None = None,
    workers: int = 2,
    resources: Resources = ONE_CORE,
    reward_workers: int = 0,
    reward_resources: Resources = ONE_CORE,
    progress: Progress | None = None,
    **settings: Any,
) -> Result:
    """`svdd.decode` on a Ray cluster: the same designs and rewards, bit for bit.

    Args:
        process: a pretrained model, which travels to every worker; or a function that makes it there, such as
            `functools.partial(svdd.load, "dna-enhancer")`.
        reward: a reward, which travels too; or its name, to be loaded there.
        address: of a cluster, as for `connect`.
        workers: actors that run chains.
        resources: of each, for Ray: `num_cpus`, `num_gpus` or names of your own.
        reward_workers: actors that score designs; 0 scores where the chains run.
        reward_resources: of each of them.
        progress: called with the number of finished batches and of all.
        **settings: as for `svdd.decode`; `batch` is what is lost with a worker, by default two batches a worker.

    Returns:
        The designs of the local run; `usage` sums the workers, its seconds are theirs together.

    Raises:
        ImportError: without ray.
        ConnectionError: if no cluster answers.
        ValueError: as `svdd.decode`, for fewer than one worker, and for a budget, which no worker can keep alone.

    Cost:
        as the local run, except that equal states and designs are shared within a worker only.
    """
    if reward_workers < 0:
        raise ValueError(f"reward_workers must be 0 or more, got {reward_workers}")
    whole = _decoding(process, reward, settings)  # refuses what does not fit before anything travels
    if settings.get("batch") is None:
        settings |= {"batch": batch_of(whole, workers)}
        whole.batched(settings["batch"])
    connect(address)
    with _actors(_Scoring, reward_workers, reward_resources, reward) as scoring:
        make = partial(_decoding, process, _Remote(scoring) if scoring else reward, settings)
        return run_on_ray(whole, make, workers=workers, resources=resources, progress=progress).result()


def batch_of(whole: Decoding, workers: int) -> int:
    """Chains of a batch so that every worker has two."""
    return -(-whole.batches[-1].stop // (2 * max(workers, 1)))


def run_on_ray(
    whole: Decoding,
    make: Make,
    *,
    workers: int = 2,
    resources: Resources = ONE_CORE,
    progress: Progress | None = None,
) -> Decoding:
    """Runs the batches of `whole` on actors, and leaves it as if it had run here.

    Args:
        whole: a run, not started.
        make: makes the same run in an actor.
        workers: actors.
        resources: of each.
        progress: called with the number of finished batches and of all.

    Raises:
        ValueError: for fewer than one worker, and for a budget.
    """
    if workers < 1:
        raise ValueError(f"need workers >= 1, got {workers}")
    if whole.terms.spending is not None:
        raise ValueError(
            "a budget cannot be kept by many workers at once; run it on one machine, or give smaller sizes"
        )
    batches, parts = len(whole.batches), dict[int, dict[str, Any]]()
    threads = max(1, int(resources.get("num_cpus", 1)))
    with _actors(_Decoding, min(workers, batches), resources, make, threads) as actors:
        for number, part in _run(actors, batches):
            parts[number] = part
            if progress is not None:
                progress(len(parts), batches)
    best = whole.terms.best.state() if whole.terms.best is not None else {}
    whole.resume(_merged([parts[number] for number in range(batches)]) | {"best": best})
    if whole.terms.best is not None:
        for part in parts.values():
            if part["best"]["designs"] is not None:
                whole.terms.best.add(part["best"]["designs"], part["best"]["rewards"])
    return whole


class _actors:
    """Actors that Ray starts again elsewhere when their node is lost, gone at the end of the block."""

    def __init__(self, kind: type, number: int, resources: Resources, *arguments: Any) -> None:
        ray = _ray()
        options = dict(resources) | {"max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": "SPREAD"}
        # kept for actors that start again
        self.shared = [ray.put(argument) for argument in arguments] if number else []
        self.actors = [ray.remote(**options)(kind).remote(*self.shared) for _ in range(number)]

    def __enter__(self) -> list[Any]:
        return self.actors

    def __exit__(self, *error: Any) -> None:
        for actor in self.actors:
            _ray().kill(actor)


def _run(actors: Sequence[Any], batches: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every batch once, each on the next actor that is free, as they finish."""
    ray = _ray()
    waiting = iter(range(batches))
    running = {actor.run.remote(number): (actor, number) for actor, number in zip(actors, waiting, strict=False)}
    while running:
        ready, _ = ray.wait(list(running), num_returns=1)
        actor, number = running.pop(ready[0])
        yield number, _result(ray, ready[0])
        following = next(waiting, None)
        if following is not None:
            running[actor.run.remote(following)] = (actor, following)


def _result(ray: ModuleType, reference: Any) -> dict[str, Any]:
    """A task's answer, or what went wrong in it as if it had happened here."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None


def _merged(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The state of a finished run from those of its batches."""
    usage = Usage()
    for part in parts:
        _add(usage, Usage.from_dict(part["usage"]))
    return {
        "batch": len(parts),
        "step": None,
        "usage": usage.as_dict(),
        "trace": torch.cat([part["trace"] for part in parts]),
        "finished": [result for part in parts for result in part["finished"]],
    }


def _add(total: Usage, usage: Usage) -> None:
    for name, part in vars(usage).items():
        mine = getattr(total, name)
        if isinstance(part, Cost | Outcomes):
            for field, number in vars(part).items():
                setattr(mine, field, getattr(mine, field) + number)
    total.seconds += usage.seconds
