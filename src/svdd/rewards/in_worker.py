"""What runs inside a worker process: it loads the reward once, and answers batches.

Nothing heavy is imported here, so that a worker is as small as the reward it holds.
"""

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from svdd.exits import exits_as_errors, os_exit_raises, said
from svdd.scoring.answers import plain_numbers
from svdd.scoring.reward import RewardError, name_of

RECYCLED = 84
"""The exit status of a worker that wants its batch to be given to a fresh one."""


@dataclass
class _Held:
    """The reward of this process, or why there is none, and what may be used up."""

    reward: Callable[[Any], Any] | None = None
    name: str = "the reward"
    problem: str = "it was never loaded"
    limit: int | None = None  # bytes
    base: int = 0  # bytes in use once the reward was loaded
    answered: int = 0
    ends: Callable[[int], Any] = os._exit
    changed: dict[tuple[bytes, ...], Callable[[Any], Any]] = field(default_factory=dict)  # the reward, by its changes


_HELD = _Held()


@dataclass(frozen=True)
class Answer:
    """What became of a batch: numbers, or one of two reasons for having none."""

    numbers: Any = None
    failed: tuple[str, str] | None = None  # kind and what was said
    unusable: str | None = None  # nobody's fault but the reward's: the run stops


def start(
    load: tuple[str, dict[str, Any]] | bytes, memory_mb: float | None, changes: Sequence[tuple[bytes, ...]] = ()
) -> None:
    """Loads the reward, a name with options or a pickled callable, and makes those of its changes that are known now."""
    _HELD.ends = os_exit_raises()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers are the parallelism
    threading.Thread(target=_die_with_the_parent, daemon=True).start()
    try:
        with exits_as_errors("its code"):
            _HELD.reward = pickle.loads(load) if isinstance(load, bytes) else _named(*load)
        _HELD.name = f"the reward {name_of(_HELD.reward) if isinstance(load, bytes) else load[0]}"
    except (Exception, KeyboardInterrupt) as error:
        _HELD.problem = said(error)
    for known in ((), *changes):  # imports then count neither as a batch's time nor as its memory
        with suppress(Exception), exits_as_errors("it"):  # a batch that needs it says why
            _changed(known)
    if memory_mb is not None:
        _HELD.limit, _HELD.base = int(memory_mb * 2**20), _data_bytes()
        _limit_memory(_HELD.base + _HELD.limit)


def _named(name: str, options: dict[str, Any]) -> Callable[[Any], Any]:
    from svdd.registry import load_reward

    return load_reward(name, **options)


def _die_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _HELD.ends(1)


def _data_bytes() -> int:
    """What this process has taken from the system: the 6th number of statm, in pages; 0 where there is none."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _limit_memory(limit: int | None) -> None:
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (most if limit is None else limit, most))
    except (ImportError, OSError, ValueError):  # a system without such limits: leaks still end with the batch
        pass


def changed_by(reward: Any, changes: Sequence[bytes]) -> Callable[[Any], Any]:
    """What pickled functions make of a reward, one after the other."""
    for change in changes:
        reward = pickle.loads(change)(reward)
    return reward  # type: ignore[no-any-return]


def _changed(changes: tuple[bytes, ...]) -> Callable[[Any], Any]:
    """The reward with these changes, made once; memory that they need counts as the reward's."""
    if changes not in _HELD.changed:
        before = _data_bytes()
        if _HELD.limit is not None:
            _limit_memory(None)
        try:
            _HELD.changed[changes] = changed_by(_HELD.reward, changes)
        finally:
            _HELD.base += _data_bytes() - before
            if _HELD.limit is not None:
                _limit_memory(_HELD.base + _HELD.limit)
    return _HELD.changed[changes]


def alive() -> bool:
    """That a process gets as far as this."""
    return True


def answer(designs: bytes, fresh: bool, changes: tuple[bytes, ...] = ()) -> Answer:
    """The reward of pickled designs.

    Args:
        designs: a batch.
        fresh: whether only a worker that has answered nothing yet may take it.
        changes: pickled functions that change the reward before it is asked.
    """
    if _HELD.reward is None:
        return Answer(unusable=f"a worker cannot load the reward ({_HELD.problem})")
    try:
        with exits_as_errors("its code"):
            reward = _changed(changes)
    except (Exception, KeyboardInterrupt) as error:
        return Answer(unusable=f"a worker cannot load the reward ({said(error)})")
    leaking = _HELD.limit is not None and _data_bytes() - _HELD.base > _HELD.limit // 2
    if _HELD.answered and (fresh or leaking):
        _HELD.ends(RECYCLED)
    _HELD.answered += 1
    try:
        batch = pickle.loads(designs)
        with exits_as_errors(_HELD.name):
            answered = reward(batch)
    except TimeoutError as error:
        return Answer(failed=("timeout", said(error)))
    except (Exception, KeyboardInterrupt) as error:  # Ctrl-C does not reach a worker, so this is the reward's own
        if _out_of_memory(error) and not fresh:  # it may be what earlier designs have left behind
            _HELD.ends(RECYCLED)
        return Answer(failed=("error", said(error)))
    try:
        return Answer(plain_numbers(answered, _rows(batch)))
    except RewardError as error:  # no design's fault
        return Answer(unusable=str(error))


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "allocate memory" in str(error) or "not enough memory" in str(error)


def _rows(batch: Any) -> int:
    while isinstance(batch, dict):
        batch = next(iter(batch.values()))
    return len(batch)
