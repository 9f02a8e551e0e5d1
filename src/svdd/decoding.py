"""Decoding: a process, a reward and a method in; designs, rewards and the bill out.

`decode` is the front door. `Decoding` is the same run as an iterator of steps that can be saved and resumed; the command
line drives it. Both only put wrappers round a process and a reward, choose a row of `METHODS` and drive `search`.
"""

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from svdd.accounting import Usage, chunked, count, deduplicated, memoised, metered
from svdd.algorithms import METHODS, Method
from svdd.denoisers import Denoiser
from svdd.loop import Step
from svdd.process import Particles, Process
from svdd.result import COLUMNS, Result, Trace, join
from svdd.rng import Rng
from svdd.selectors import log_mean, multinomial, top
from svdd.suggestions import unknown
from svdd.tree import Tree, leaves, rows, take
from svdd.values import Reward, Value, checked, evaluate, monte_carlo, posterior_mean, rollout, zero


class DegenerateProposalWarning(UserWarning):
    """Candidates of one parent are mostly equal, so there is little to choose from."""


VALUES: dict[str, Callable[..., Value]] = {
    "posterior-mean": lambda reward, temperature: posterior_mean(reward),
    "log-mean-exp": lambda reward, temperature: monte_carlo(reward, temperature=temperature),
    "rollout": lambda reward, temperature: rollout(reward, temperature=temperature),
    "zero": lambda reward, temperature: zero(reward),
}


def make_value(value: str | Value, reward: Reward, temperature: float) -> Value:
    """A value by name, or a function of particles; the reward at the end either way.

    Raises:
        ValueError: for an unknown name; it lists the nearest.
    """
    if not isinstance(value, str):
        return _true_at_the_end(value, reward)
    if value not in VALUES:
        raise ValueError(unknown("value", value, VALUES))
    return VALUES[value](reward, temperature)


def make_method(name: str, options: Mapping[str, Any]) -> Method:
    """The row of `METHODS`, once the options are known to be its own.

    Raises:
        ValueError: for an unknown method or option; it lists the nearest.
    """
    if name not in METHODS:
        raise ValueError(unknown("method", name, METHODS))
    method = METHODS[name]
    for option in options:
        if option not in method.options:
            raise ValueError(unknown(f"option of {name}", option, method.options))
    return method


def _true_at_the_end(value: Value, reward: Reward) -> Value:
    """`value` until the end, then `reward`: whatever looks ahead, the finished design is scored by the run's own reward."""

    def wrapper(particles: Particles) -> Any:
        return evaluate(reward, particles, particles.x) if particles.final else value(particles)

    return wrapper


def _discrete(denoiser: Denoiser, plain: Denoiser) -> Denoiser:
    """`denoiser` for integer states, `plain` for others: equal floats are too rare to look for."""

    def wrapper(x: Tree, t: Tensor, cond: Tree) -> Any:
        whole = not any(leaf.is_floating_point() for leaf in leaves(x))
        return (denoiser if whole else plain)(x, t, cond)

    return wrapper


def accounted(
    process: Process, reward: Reward, usage: Usage, chunks: Mapping[str, int], share: bool = True
) -> tuple[Process, Reward]:
    """The same process and reward: counted, in chunks, and asked once for what is equal.

    Args:
        process: any process.
        reward: any reward.
        usage: where to count.
        chunks: rows at a time for `network`, `decode`, `reward`; a component not named goes in one piece while memory lasts.
        share: whether equal states and equal designs share one answer.
    """

    def bounded(name: str, f: Callable[..., Any]) -> Callable[..., Any]:
        return chunked(f, chunks.get(name, sys.maxsize))  # halves on out-of-memory even where no limit is given

    for name in chunks:
        if name not in ("network", "decode", "reward"):
            raise ValueError(unknown("component to chunk", name, ("network", "decode", "reward")))

    def usable(designs: Any) -> Tensor:
        return checked(reward(designs), designs, count(designs))

    denoiser = bounded("network", metered(process.denoiser, usage.network, process.rows_each))
    decode = bounded("decode", metered(process.decode, usage.decode))
    score = bounded("reward", metered(usable, usage.reward))
    if share:
        denoiser = _discrete(
            deduplicated(denoiser, usage.network, process.time_independent, process.rows_each), denoiser
        )
        score = memoised(score, cost=usage.reward)
    return replace(process, denoiser=denoiser, decode=decode), score


@dataclass
class _Position:
    """How far a run has come: finished batches, and the step inside the next."""

    batch: int = 0
    step: Step | None = None


class Decoding:
    """One run, as an iterator of steps; arguments as `decode`.

    `state` and `resume` carry it over an interruption, and `result` is there at the end.
    """

    def __init__(
        self,
        process: Process,
        reward: Reward,
        *,
        method: str = "svdd",
        samples: int = 64,
        seed: int = 0,
        value: str | Value = "posterior-mean",
        cond: Tree = (),
        scores: Mapping[str, Reward] | None = None,
        batch: int | None = None,
        chunks: Mapping[str, int] | None = None,
        share: bool = True,
        **options: Any,
    ) -> None:
        self.method = make_method(method, options)
        self.usage, self.scores = Usage(), dict(scores or {})
        for name in {*self.scores} & {*COLUMNS}:
            raise ValueError(f"a score cannot be named {name!r}: every result has that column already")
        for option in self.method.missing(options):
            raise ValueError(f"{method} needs {option}, such as {option}=10")
        settings = self.method.defaults() | options
        temperature = float(settings.get("temperature", 0.0))
        self.trace = Trace(temperature)
        self.plain, self.cond, self.seed, self.options = process, cond, seed, options
        self.process, self.reward = accounted(process, reward, self.usage, chunks or {}, share)
        self.value = metered(make_value(value, self.reward, temperature), self.usage.value)
        self.batches = self._batches(samples, batch)
        self.settings = {"method": method, "samples": samples, "seed": seed, "steps": process.steps} | settings
        self._position, self._finished = _Position(), list[Result]()

    def _batches(self, samples: int, batch: int | None) -> list[range]:
        each = self.options.get("particles", 1) if self.method.returns == "all" else 1
        whole = all(isinstance(size, int) for size in (each, samples, 1 if batch is None else batch))
        if not whole or each < 1 or samples < 1 or samples % each or (batch is not None and batch < 1):
            raise ValueError(
                f"samples must be a positive multiple of {each} (designs a chain) and batch positive, "
                f"got samples={samples}, batch={batch}"
            )
        chains = samples // each
        if leaves(self.cond) and rows(self.cond) != chains:
            raise ValueError(f"conditioning has {rows(self.cond)} rows, but there are {chains} chains")
        size = batch or chains
        return [range(i, min(i + size, chains)) for i in range(0, chains, size)]

    def __len__(self) -> int:
        """Steps in the whole run."""
        return len(self.batches) * self.process.steps

    @torch.no_grad()
    def __iter__(self) -> Iterator[Step]:
        while self._position.batch < len(self.batches):
            ids = self.batches[self._position.batch]
            yield from self._steps(ids)
            self._finish(ids)
            self._position = _Position(self._position.batch + 1)

    def _steps(self, ids: range) -> Iterator[Step]:
        cond = take(self.cond, torch.tensor(ids))
        start = self._position.step
        rng = start.particles.rng if start is not None else None
        self._rng = rng if rng is not None else Rng(self.seed, ids)
        steps = self.method.function(
            self.process, self.value, chains=len(ids), cond=cond, rng=self._rng, start=start, **self.options
        )
        started = time.perf_counter()
        for step in steps:
            self.usage.seconds += time.perf_counter() - started
            self._position.step = step
            self.trace.add(step, ids)
            yield step
            started = time.perf_counter()

    def _finish(self, ids: range) -> None:
        step = self._position.step
        assert step is not None, "a batch has at least one step"
        index = self._returned(step)
        row = (torch.arange(len(ids))[:, None] * step.value.shape[1] + index).flatten()
        designs = self.process.decode(take(step.particles.x, row))
        rewards = step.value.gather(1, index).flatten()
        chain = [i for i in ids for _ in range(index.shape[1])]
        log_z = log_mean(step.log_w).tolist() if self.method.weighted else None
        n = len(chain)
        scores = {k: checked(f(designs), designs, n, f"score {k}") for k, f in self.scores.items()}
        self._finished.append(Result(designs, rewards, chain, scores, log_z=log_z))

    def _returned(self, step: Step) -> Int64[Tensor, "b r"]:
        """The particles of each chain that are its designs."""
        if self.method.returns == "all":
            return torch.arange(step.value.shape[1]).expand(step.value.shape)
        if self.method.returns == "top":
            return top(step.value, 1, self._rng).ancestor
        return multinomial(step.log_w, 1, self._rng).ancestor

    def result(self) -> Result:
        """The designs so far, with the bill.

        Raises:
            RuntimeError: if no batch has finished yet.
        """
        if not self._finished:
            raise RuntimeError("the run has not finished a batch yet; iterate over it first")
        self.usage.note_memory()
        self._warn_if_degenerate()
        return join(
            self._finished,
            usage=self.usage,
            trace=self.trace,
            settings=self.settings,
            about=dict(self.plain.about),
            export=self.plain.export,
        )

    def _warn_if_degenerate(self) -> None:
        distinct = self.trace.mean_distinct()
        if distinct is not None and distinct < 1.5:
            warnings.warn(
                f"only {distinct:.2f} distinct candidates a parent on average: there is little to choose from; "
                "use fewer steps, more noise or choose less often (every=...)",
                DegenerateProposalWarning,
                stacklevel=3,
            )

    def state(self) -> dict[str, Any]:
        """Plain tensors, numbers and lists from which `resume` goes on bit for bit."""
        step = self._position.step
        return {
            "batch": self._position.batch,
            "step": None if step is None else _step_state(step),
            "usage": self.usage.as_dict(),
            "trace": self.trace.rows(),
            "finished": [result.state() for result in self._finished],
        }

    def resume(self, state: dict[str, Any]) -> "Decoding":
        """Goes on from a `state` of the same run."""
        step = state["step"]
        self._position = _Position(state["batch"], None if step is None else _step_from(step, self.process))
        restored = Usage.from_dict(state["usage"])
        for name in ("network", "decode", "value", "reward"):
            vars(getattr(self.usage, name)).update(vars(getattr(restored, name)))
        self.usage.seconds = restored.seconds
        self.trace.resume(state["trace"])
        self._finished = [Result.from_state(r) for r in state["finished"]]
        return self

    def save(self, path: Path) -> None:
        """Writes `state` to a file, whole or not at all."""
        partial = path.with_suffix(".part")
        torch.save(self.state(), partial)
        partial.replace(path)


def _step_state(step: Step) -> dict[str, Any]:
    particles = step.particles
    assert particles.rng is not None, "particles of a run carry their streams"
    return {
        "number": particles.step,
        "x": particles.x,
        "cond": particles.cond,
        "memory": particles.memory,
        "rng": particles.rng.state(),
        "value": step.value,
        "log_w": step.log_w,
        "ancestor": step.ancestor,
    }


def _step_from(state: dict[str, Any], process: Process) -> Step:
    rng = Rng.from_state(state["rng"])
    particles = Particles(process, state["number"], state["x"], state["cond"], state["memory"], rng)
    return Step(particles, state["value"], state["log_w"], state["ancestor"])


def run(steps: Iterator[Step]) -> Step:
    """Drives an algorithm to its end, without gradients, and returns the last step.

    Raises:
        ValueError: if there was no step to take.
    """
    last: Step | None = None
    with torch.no_grad():
        for step in steps:
            last = step
    if last is None:
        raise ValueError("the iterator gave no step: it started from a finished one")
    return last


def decode(process: Process, reward: Reward, **settings: Any) -> Result:
    r"""Decodes a pretrained model towards a reward.

    Every chain is an independent run of the method and returns one design (all N for svdd-r); chain i depends on
    (seed, i) alone.

    Args:
        process: a pretrained model, from `svdd.load` or your own.
        reward: a list of designs (or a tensor of states) in, one number each out; higher is better, -inf is invalid.
        **settings: `method` (a name of `METHODS`, svdd), `samples` (64), `seed` (0), `value` (a name of `VALUES` or a
            function of particles, used until the end; posterior-mean), `cond` (one row a chain), `scores` (further
            rewards, as columns), `batch` (chains at once), `chunks` (rows at a time of `network`, `decode`, `reward`),
            `share` (equal states and designs share an answer; True), and the method's own: `candidates`, `particles`, ...

    Returns:
        Designs, rewards, usage; `to_frame()` and `save(folder)`.

    Raises:
        ValueError: for an unknown setting, method or value, and for sizes that make no sense.
        RewardError: if the reward does not answer with one usable number a design.

    Cost:
        as the method's: see `METHODS` and `Result.usage`.
    """
    decoding = Decoding(process, reward, **settings)
    for _ in decoding:
        pass
    return decoding.result()
