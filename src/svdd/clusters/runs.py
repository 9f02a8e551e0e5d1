"""Many machines: batches of chains on Ray actors, rewards on actors of their own; the designs of the local run, bit for bit.

A chain depends on (seed, index) alone, so it does not matter which machine runs it, with which others, or how often: an actor
that is lost is started again elsewhere and takes its batch from the start.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import islice
from typing import Any

import torch

from svdd.chain.process import Process
from svdd.clusters.actors import ONE_CORE, Actors, Resources, answer_of, connect, ray_module
from svdd.clusters.remote_reward import reward_on_ray
from svdd.decoding.decoding import Decoding
from svdd.decoding.finished import Batches, InMemory
from svdd.decoding.result import Result
from svdd.messages import check
from svdd.registry import as_reward
from svdd.scoring.reward import Reward

Model = Process | str | Callable[[], Process]
Make = Callable[[], Decoding]
Progress = Callable[[int, int], None]


def _decoding(process: Model, reward: Reward | str, settings: Mapping[str, Any]) -> Decoding:
    return Decoding(process if isinstance(process, Process | str) else process(), reward, **settings)


class _Decoding:
    """Runs batches of chains in a process of its own; the model is made once."""

    def __init__(self, make: Make, threads: int) -> None:
        torch.set_num_threads(threads)  # this process is ours alone
        self.decoding = make()

    def run(self, number: int) -> dict[str, Any]:
        for _ in self.decoding.only(number):
            pass
        return self.decoding.part()


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
        process: a pretrained model, which travels to every worker; its name, or a function that makes it, to be loaded there.
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
    check(reward_workers >= 0, f"reward_workers must be 0 or more, got {reward_workers}")
    whole = _decoding(process, reward, settings)  # refuses what does not fit before anything travels
    if settings.get("batch") is None:
        settings |= {"batch": batch_of(whole, workers)}
        whole.batched(settings["batch"])
    connect(address)
    there = partial(as_reward, reward, settings.get("reward_options"))
    pool = (
        reward_on_ray(whole.given, there, reward_workers, reward_resources) if reward_workers else nullcontext(reward)
    )
    with pool as scoring:
        if scoring is not reward:
            settings.pop("reward_options", None)  # the actors that score have them
        make = partial(_decoding, process, scoring, settings)
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
    parts: Batches | None = None,
    progress: Progress | None = None,
) -> Decoding:
    """Runs the batches of `whole` on actors, and leaves it as if it had run here.

    Args:
        whole: a run, not started.
        make: makes the same run in an actor.
        workers: actors.
        resources: of each.
        parts: finished batches; those that are in it already are not run again, and one that writes files keeps what has
            been paid for if the run is killed.
        progress: called with the number of finished batches and of all.

    Raises:
        ValueError: for fewer than one worker, and for a budget.
    """
    check(workers >= 1, f"need workers >= 1, got {workers}")
    if whole.scoring.guard.limited:
        raise ValueError(
            "a budget cannot be kept by many workers at once; run it on one machine, or give smaller sizes"
        )
    parts, batches = InMemory() if parts is None else parts, len(whole.batches)
    tell = progress or _tell_nobody
    missing = [number for number in range(batches) if number not in parts]
    threads = max(1, int(resources.get("num_cpus", 1)))
    with Actors(_Decoding, min(workers, len(missing)), resources, make, threads) as actors:
        for number, part in _run(actors, missing):
            parts[number] = part
            tell(len(parts), batches)
    return whole.merge(parts)


def _run(actors: Sequence[Any], batches: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every batch once, each on the next actor that is free, as they finish."""
    ray = ray_module()
    waiting = iter(batches)
    running = {actor.run.remote(number): (actor, number) for actor, number in zip(actors, waiting, strict=False)}
    while running:
        ready, _ = ray.wait(list(running), num_returns=1)
        actor, number = running.pop(ready[0])
        yield number, answer_of(ready[0])
        for following in islice(waiting, 1):  # the next one, while there are any
            running[actor.run.remote(following)] = (actor, following)


def _tell_nobody(finished: int, batches: int) -> None:
    """The progress of a run that nobody watches."""
