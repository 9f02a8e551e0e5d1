"""Workers: slow or fragile rewards in processes of their own.

The reward is loaded once in each process. A design that hangs, crashes or eats up its process costs that design alone: the
process is replaced, and a batch that fails is asked for again design by design. Answers come back in the order of the
designs; meanwhile the run goes on.
"""

import concurrent.futures
import copy
import os
import pickle
import signal
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from svdd.chain.tree import tree_map
from svdd.cost.batches import between, count
from svdd.registry import REWARDS, as_reward, in_place
from svdd.rewards import in_worker
from svdd.scoring.identity import origin_of
from svdd.scoring.policy import IN_WORKERS, Policy
from svdd.scoring.reward import Failure, Reward, RewardError, traits_of
from svdd.scoring.scorer import Scorer
from svdd.scoring.signatures import check_callable
from svdd.user_files import pickled


@dataclass
class _Task:
    """A batch on its way to an answer."""

    designs: Any
    timeout: float
    fresh: bool = False
    breaks: int = 0  # of the pool, with this batch and nothing else on its way
    future: Any = None
    pool: Any = None


class _Processes:
    """Processes that hold a reward. They start at the first batch, and serve the reward and every change of it.

    Args:
        workers: how many.
        load: what they load.
        memory_mb: that each may take beyond it.
    """

    def __init__(self, workers: int, load: tuple[str, dict[str, Any]] | bytes, memory_mb: float | int | None) -> None:
        self.workers, self.load, self.memory_mb = workers, load, memory_mb
        self.pool: Any = None
        self._changes = list[tuple[bytes, ...]]()  # a process that starts later makes them at once

    def note(self, changes: tuple[bytes, ...]) -> None:
        """A change that batches will ask for."""
        if changes not in self._changes:
            self._changes.append(changes)

    def schedule(self, function: Any, *arguments: Any, timeout: float) -> Any:
        """A function of a module in the next process that is free."""
        if self.pool is None:
            context = _Spawning()
            self.pool = _started(self.workers, (self.load, self.memory_mb, self._changes), context)
            self._end = weakref.finalize(self, _stopped, self.pool, context)
        return self.pool.schedule(function, args=arguments, timeout=timeout)

    def close(self) -> None:
        """Ends them, whatever they do."""
        if self.pool is not None:
            self._end()
            self.pool = None


class Workers:
    """A reward in worker processes; see `workers`."""

    def __init__(
        self,
        reward: Reward | str,
        workers: int,
        *,
        batch: int,
        timeout: float | int,
        memory_mb: float | int | None,
        policy: Policy,
        options: dict[str, Any],
    ) -> None:
        if workers < 1 or batch < 1:
            raise ValueError(f"a reward needs at least 1 worker and 1 design a batch, got {workers} and {batch}")
        if not timeout > 0 or (memory_mb is not None and not memory_mb > 0):
            raise ValueError(f"timeout and memory_mb are positive, got {timeout} s and {memory_mb} MB")
        self.reward, self.workers, self.batch, self.policy, self.options = reward, workers, batch, policy, options
        self.timeout, self.memory_mb, self.at_once = float(timeout), memory_mb, batch * workers
        loaded = as_reward(reward, options if isinstance(reward, str) else None)
        check_callable(loaded)
        self.groupwise = traits_of(loaded).groupwise
        by_name = isinstance(reward, str) and reward in REWARDS
        self.stands_for = origin_of(loaded) if by_name else loaded  # a bundled reward may be large
        load = (in_place(reward), options) if isinstance(reward, str) else _pickled(reward, options)
        self._processes, self._changes = _Processes(workers, load, memory_mb), tuple[bytes, ...]()

    @property
    def named(self) -> tuple[Any, dict[str, Any]]:
        """What the reward in the processes is called, or the reward."""
        return self.reward, self.options

    def inside(self, change: Callable[[Reward], Reward]) -> "Workers":
        """The reward changed by `change`, a function of a module, in the same processes; this one stays as it is.

        One that was changed so last is returned itself.
        """
        data = pickled(change)
        if self._changes[-1:] == (data,):
            return self
        changed = copy.copy(self)
        changed._changes = (*self._changes, data)
        self._processes.note(changed._changes)
        return changed

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def __call__(self, designs: Any) -> Any:
        """The rewards, one a design; failures are settled by the policy."""
        return Scorer(self, share=False)(designs)

    def submit(self, designs: Any) -> "Answers":
        """Hands designs over at once; `result()` is a list with a number, or a `svdd.scoring.Failure`, for each."""
        n = count(designs)
        size = n if self.groupwise else min(self.batch, -(-n // self.workers))  # no worker is left with two shares
        parts = [between(designs, i, min(i + size, n)) for i in range(0, n, max(size, 1))]
        each = [_Task(part, self.timeout * (1 if self.groupwise else count(part))) for part in parts]
        return Answers(self._answers, [self._send(task) for task in each])

    def close(self) -> None:
        """Ends the processes, whatever they do, for every change of the reward too; a later call starts new ones."""
        self._processes.close()

    def _send(self, task: _Task) -> _Task:
        data = pickled(_alone(task.designs))
        try:
            task.future = self._scheduled(in_worker.answer, data, task.fresh, self._changes, timeout=task.timeout)
        except RuntimeError:  # a process died since, and took the pool with it
            self.close()
            task.future = self._scheduled(in_worker.answer, data, task.fresh, self._changes, timeout=task.timeout)
        task.pool = self._processes.pool
        return task

    def _scheduled(self, function: Any, *arguments: Any, timeout: float) -> Any:
        return self._processes.schedule(function, *arguments, timeout=timeout)

    def _after_a_break(self, task: _Task, error: Exception) -> list[Any]:
        """A process died before it was seen with a batch: with one batch at a time it is known which one kills.

        Raises:
            RewardError: if processes die without any.
        """
        if task.pool is self._processes.pool:
            self.close()
        n = count(task.designs)
        size = n if self.groupwise else 1
        if n > size or task.breaks == 0:
            parts = [_Task(between(task.designs, i, i + size), self.timeout, breaks=1) for i in range(0, n, size)]
            return [answer for part in parts for answer in self._answers(self._send(part))]
        if task.breaks == 1:  # a process that has used up its memory may have gone without being seen, too
            task.breaks = 2
            return self._answers(self._send(task))
        self._check_that_processes_live(error)
        return [Failure("error", "its process died")] * n

    def _check_that_processes_live(self, error: Exception) -> None:
        from pebble import ProcessExpired

        try:
            self._scheduled(in_worker.alive, timeout=self.timeout).result()
        except (ProcessExpired, RuntimeError):
            raise RewardError(
                "worker processes die before they can start: a script that uses workers keeps what it runs under "
                "if __name__ == '__main__', and a reward that takes its process down does so when it is imported, too"
            ) from error

    def _answers(self, task: _Task) -> list[Any]:
        """A number or a failure for every design of a batch."""
        from pebble import ProcessExpired

        try:
            said = task.future.result()
        except ProcessExpired as error:
            recycled = error.exitcode == in_worker.RECYCLED
            return self._again(task) if recycled else self._apart(task, Failure("error", _died(error.exitcode)))
        except concurrent.futures.TimeoutError:
            return self._apart(task, Failure("timeout", f"{task.timeout:g} s"))
        except (RuntimeError, concurrent.futures.CancelledError) as error:
            return self._after_a_break(task, error)
        if said.unusable is not None:
            raise RewardError(said.unusable)
        return said.numbers if said.failed is None else self._apart(task, Failure(*said.failed))

    def _again(self, task: _Task) -> list[Any]:
        """A worker had no memory left: each design gets one that has used none."""
        alone = count(task.designs) == 1 or self.groupwise
        return self._answers(self._send(replace(task, fresh=True))) if alone else self._one_by_one(task)

    def _apart(self, task: _Task, failed: Failure) -> list[Any]:
        """A batch failed: which of its designs does?"""
        n = count(task.designs)
        return [failed] * n if n == 1 or self.groupwise else self._one_by_one(task)

    def _one_by_one(self, task: _Task) -> list[Any]:
        n = count(task.designs)
        ones = [self._send(_Task(between(task.designs, i, i + 1), self.timeout)) for i in range(n)]
        return [answer for one in ones for answer in self._answers(one)]


class Answers:
    """Answers of several batches, in their order.

    Args:
        of: waits for the answers of a task.
        tasks: one a batch.
    """

    def __init__(self, of: Callable[[Any], list[Any]], tasks: Sequence[Any]) -> None:
        self._of, self._tasks = of, tasks

    def result(self) -> list[Any]:
        return [answer for task in self._tasks for answer in self._of(task)]


def _pickled(reward: Reward, options: dict[str, Any]) -> bytes:
    if options:
        raise ValueError(f"options are for rewards given by name, got {sorted(options)}")
    interactive = getattr(reward, "__module__", "") == "__main__" and not hasattr(sys.modules["__main__"], "__file__")
    try:
        if not interactive:
            return pickled(reward)
    except (pickle.PicklingError, AttributeError, TypeError):
        pass
    raise ValueError(
        f"the reward {reward!r:.80} cannot be sent to a worker process; give it by name, module:function or file.py:function"
    )


def _alone(designs: Any) -> Any:
    """Tensors on the CPU and without the rows beside them, which would travel too."""
    return designs if isinstance(designs, list) else tree_map(lambda leaf: leaf.detach().cpu().clone(), designs)


def _died(status: int | None) -> str:
    killed_by = signal.Signals(-status).name if status is not None and status < 0 else None
    return f"its process was killed by {killed_by}" if killed_by else f"its process ended with status {status}"


class _Spawning(SpawnContext):
    """Starts processes afresh, and knows them: a fork would lack the threads that torch counts on."""

    def __init__(self) -> None:
        super().__init__()
        self._made = list[weakref.ref[SpawnProcess]]()

    def Process(self, *given: Any, **named: Any) -> SpawnProcess:  # type: ignore[override]
        """A process that `kill` ends."""
        process = SpawnProcess(*given, **named)
        # a new list, since pebble starts processes in a thread of its own
        self._made = [*(one for one in self._made if one() is not None), weakref.ref(process)]
        return process

    def kill(self) -> None:
        """Ends the processes at once: one that is just starting would tell of locks that are gone."""
        processes = [one() for one in self._made]
        for process in [one for one in processes if one is not None and one.pid is not None]:
            process.kill()


def _started(workers: int, given: tuple[Any, ...], context: _Spawning) -> Any:
    from pebble import ProcessPool

    return ProcessPool(max_workers=workers, initializer=in_worker.start, initargs=given, context=context)


def _stopped(pool: Any, context: _Spawning) -> None:
    pool.stop()
    context.kill()
    pool.join()


def workers(
    reward: Reward | str,
    workers: int = 2,
    *,
    batch: int = 8,
    timeout: float | int = 60.0,
    memory_mb: float | int | None = None,
    policy: Policy | Mapping[str, Any] | None = None,
    **options: Any,
) -> Workers:
    """A reward in `workers` processes of its own, for rewards that are slow, hang or crash.

    Close it when done (`with svdd.workers(...) as reward:`); the end of the program does so too.

    Args:
        reward: a name, as `svdd.load_reward` takes it, or a callable that can be pickled; loaded once in each process.
        workers: processes.
        batch: designs that a process is given at a time; fewer where there is less than a batch for each process.
        timeout: seconds a design may take; a batch may take as many times that.
        memory_mb: memory that a process may take beyond what the loaded reward needs; a process that leaks is replaced
            (Linux).
        policy: what failures mean, a `Policy` or some of its settings; a design that fails is invalid and the run goes on,
            but NaN stops it, unless given.
        **options: of a reward given by name.

    Raises:
        ValueError: for sizes that make no sense, and for a reward that cannot be sent to a process.
    """
    made = IN_WORKERS.changed(policy)
    return Workers(reward, workers, batch=batch, timeout=timeout, memory_mb=memory_mb, policy=made, options=options)


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
