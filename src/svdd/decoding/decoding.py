"""Decoding: a process, a reward and a method in; designs, rewards and the bill out.

`decode` is the front door. `Decoding` is the same run as an iterator of steps that can be saved and resumed; the command
line drives it. Both only put wrappers round a process and a reward, choose a row of `METHODS` and drive `search`.
"""

import time
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree, leaves, rows, take
from svdd.cost.budget import Budget, BudgetWarning
from svdd.cost.clock import BudgetSpent
from svdd.cost.ledger import Breakdown, Usage
from svdd.decoding.alarms import warn_if_degenerate, warn_if_look_ahead_misleads, warn_if_temperatures_differ
from svdd.decoding.columns import check_columns
from svdd.decoding.finished import Batches, InMemory
from svdd.decoding.given import check_begins, check_given
from svdd.decoding.loading import loaded
from svdd.decoding.metering import accounted, accounted_value
from svdd.decoding.planning import plan
from svdd.decoding.result import NOT_KNOWN, Result, join
from svdd.decoding.returned import filled_up
from svdd.decoding.saving import add_bill, step_from, step_state, write_state
from svdd.decoding.trace import Trace
from svdd.decoding.visited import designs_of
from svdd.method.loop import Step
from svdd.method.table import Returns
from svdd.method.table import make_method as make_method
from svdd.method.values import Value
from svdd.method.values_by_name import make_value as make_value
from svdd.method.values_by_name import read_value, rehearsed
from svdd.registry import resolve
from svdd.scoring.best_designs import BestDesigns
from svdd.scoring.policy import Policy
from svdd.scoring.reward import Key, Reward, close, name_of
from svdd.scoring.run_scoring import RunScoring
from svdd.scoring.score_file import ScoreCache
from svdd.scoring.signatures import adapted
from svdd.scoring.stored_scores import Journal


class OtherGridError(ValueError):
    """A run that goes on has another number of steps than it had when it was saved."""


class RewardChangedWarning(UserWarning):
    """A run that goes on has another reward than it had when it was saved, as far as files of scores can tell."""


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
        process: Process | str,
        reward: Reward | str,
        *,
        model_options: Mapping[str, Any] | None = None,
        reward_options: Mapping[str, Any] | None = None,
        method: str = "svdd",
        samples: int = 64,
        seed: int = 0,
        value: str | Value | None = None,
        cond: Tree = (),
        scores: Mapping[str, Reward | str] | None = None,
        batch: int | None = None,
        returns: Returns | None = None,
        chunks: Mapping[str, int] | None = None,
        share: bool = True,
        on_failure: Policy | Mapping[str, Any] | None = None,
        cache: ScoreCache | str | Path | None = None,
        journal: Journal | None = None,
        parts: Batches | None = None,
        budget: Budget | Mapping[str, Any] | None = None,
        key: Key | None = None,
        **options: Any,
    ) -> None:
        check_given(process, method, options, samples, scores, budget)
        self.samples = samples = int(samples)  # which may be NumPy's
        self.method = make_method(method, options).returning(returns)
        if isinstance(value, str):
            read_value(value)
        given = loaded(process, reward, scores or {}, model_options, reward_options)
        process, title, self._ours = given.process, name_of(given.reward), given.ours
        value = process.usual_value if value is None else value
        limit, self.plan = None if budget is None else Budget.of(budget), None
        if limit is not None:
            self.plan = plan(
                limit, self.method, options, process, rehearsed(value, self.method.defaults() | options), samples
            )
            options = self.plan.options
        check_begins(process, self.method)
        reward = adapted(process, given.reward)
        self.usage, self.scores = Usage(), {name: adapted(process, score) for name, score in given.scores.items()}
        check_columns(reward, self.scores, () if process.kind is None else process.kind.further)
        options = self.method.defaults() | options
        temperature = float(options.get("temperature", 0.0))
        self._open, self._designs = Trace(temperature), designs_of(self.method, options)
        self.plain, self.given, self.cond, self.seed, self.options = process, reward, cond, seed, options
        chunks = chunks or {}
        asked: dict[str, Any] = {"on_failure": on_failure, "key": key, "chunk": chunks.get("reward"), "share": share}
        kept: dict[str, Any] = {"cache": cache, "journal": journal, "budget": limit}
        self.scoring = RunScoring(reward, self.scores, self.usage, samples, **asked, **kept)
        if not self.method.sizes:  # the model's own designs follow no reward
            self.scoring.first.stop()
        self.process = accounted(process, self.usage, chunks, share, self.scoring.guard)
        made = make_value(value, self.scoring.reward, temperature)
        self.value = accounted_value(made, self.usage, chunks, share)
        warn_if_temperatures_differ(made, temperature)
        self.batches = self._every = self._batches(samples, batch)
        self._end: int | None = None
        self.settings = {"method": method, "samples": samples, "seed": seed, "steps": process.steps} | options
        self.settings |= {"reward": title, **({"value": value} if isinstance(value, str) else {})}
        if self.plan is not None and limit is not None:
            self.settings |= {"budget": limit.record(), "plan": self.plan.sentence}
        self._position, self.parts = _Position(), InMemory() if parts is None else parts
        self.stopped: str | None = None
        """Why the run ended early, if it did."""

    def _batches(self, samples: int, batch: int | None) -> list[range]:
        each = self.method.designs_per_chain(self.options)
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

    def batched(self, size: int) -> "Decoding":
        """This run, not started, in batches of `size` chains."""
        self.batches = self._every = self._batches(self.samples, size)
        return self

    def only(self, number: int) -> "Decoding":
        """This run as its batch `number` alone, from the start; answers paid for before stay known, but are not counted."""
        self.batches = [self._every[number]]
        self._position, self.parts, self._open = _Position(), InMemory(), Trace(self._open.temperature)
        self._designs = designs_of(self.method, self.options)
        self.usage.restore(Usage())
        self.scoring.breakdown.restore({})
        return self

    def through(self, number: int) -> "Decoding":
        """This run, to be driven to the end of its batch `number` and no further."""
        self._end = number + 1
        return self

    def __len__(self) -> int:
        """Steps in the whole run."""
        return len(self.batches) * self._steps_of_a_batch

    @property
    def _steps_of_a_batch(self) -> int:
        return self.method.steps_of(self.process.steps, self.options)

    @property
    def done(self) -> int:
        """Steps that were taken, those before an interruption too."""
        step = self._position.step
        return self._position.batch * self._steps_of_a_batch + (0 if step is None else step.number)

    @torch.no_grad()
    def __iter__(self) -> Iterator[Step]:
        self.scoring.guard.start()
        try:
            while self._position.batch < len(self.batches[: self._end]):
                ids = self.batches[self._position.batch]
                started = time.perf_counter()
                for step in self._steps(ids):
                    self.usage.seconds += time.perf_counter() - started
                    self._position.step = step
                    self._open.add(step, ids)
                    self._designs.add(step)
                    if self._half_done(step):  # early, look-aheads are alike
                        self.scoring.first.warn_if_equal()
                    yield step
                    started = time.perf_counter()
                self._finish(ids)
                self._position = _Position(self._position.batch + 1)
        except BudgetSpent as spent:
            self.stopped = self.settings["stopped"] = str(spent)
            self.scoring.first.warn_if_equal()
            self._keep_finished()
            warnings.warn(f"{spent}; the result holds the best designs so far", BudgetWarning, stacklevel=2)

    def _half_done(self, step: Step) -> bool:
        """Whether a batch has taken half of its steps, and made half of its moves where it makes any."""
        steps, moves = self.process.steps, self._steps_of_a_batch - self.process.steps
        return 2 * step.particles.step >= steps and 2 * step.moves >= moves

    def _steps(self, ids: range) -> Iterator[Step]:
        """The steps of a batch, from where it stopped."""
        cond = take(self.cond, torch.tensor(ids, device="cpu"))
        start = self._position.step
        rng = start.particles.rng if start is not None else None
        self._rng = rng if rng is not None else Rng(self.seed, ids)
        return self.method.function(
            self.process, self.value, chains=len(ids), cond=cond, rng=self._rng, start=start, **self.options
        )

    def _finish(self, ids: range) -> None:
        assert self._position.step is not None, "a batch has at least one step"
        made = self._designs.designs
        designs = made(self._position.step, self.method, ids, self.process, self._rng, self.scoring.further)
        self._designs = designs_of(self.method, self.options)
        self.parts[self._position.batch] = {"finished": designs.state(), "trace": self._open.close()}

    def _keep_finished(self) -> None:
        """Ends the open batch where its chains have finished designs already, which further moves would have changed."""
        step = self._position.step
        if step is not None and step.particles.final and step.number < self._steps_of_a_batch:
            self._finish(self.batches[self._position.batch])
            self._position = _Position(self._position.batch + 1)

    @property
    def trace(self) -> Trace:
        """What every step so far chose from."""
        return self._open.after(self.parts.tables(self._position.batch))

    def result(self) -> Result:
        """The designs so far, with the bill; after a budget was spent, the best of all that were scored fill up the rest.

        Raises:
            RuntimeError: if no batch has finished yet.
            BudgetSpent: if that was so before any design was scored.
        """
        finished = [Result.from_state(self.parts[number]["finished"]) for number in range(self._position.batch)]
        if self.stopped:
            finished = filled_up(finished, self.scoring.best, self.samples, self.scoring.further)
        if not finished and self.stopped:
            raise BudgetSpent(f"{self.stopped}, and no design was scored yet")
        if not finished:
            raise RuntimeError("the run has not finished a batch yet; iterate over it first")
        self.usage.note_memory()
        trace = self.trace
        moves = bool(self.method.sizes_of("moves"))
        warn_if_degenerate(trace, moves)
        if not moves:  # of which no look-ahead decides anything
            warn_if_look_ahead_misleads(trace)
        return join(
            finished,
            usage=self.usage,
            breakdown=self.scoring.breakdown,
            trace=trace,
            settings=self.settings,
            about=self.plain.facts,
            kind=self.plain.kind or NOT_KNOWN,
            archive=self.best,
        )

    @property
    def best(self) -> BestDesigns:
        """The best designs among all that were scored so far."""
        return self.scoring.best

    def close(self) -> None:
        """Closes the files of scores that the run opened, and ends what rewards given by name have started."""
        self.scoring.close()
        for reward in self._ours:
            close(reward)

    def state(self) -> dict[str, Any]:
        """Plain tensors, numbers and lists from which `resume` goes on bit for bit, with `parts` where they are kept apart."""
        step = self._position.step
        return {
            "steps": self.process.steps,
            "identity": str(self.scoring.store.identity),
            "batch": self._position.batch,
            "step": None if step is None else step_state(step) | {"designs": self._designs.state()},
            "trace": self._open.open(),
            "batches": self.parts.state(self._position.batch),
            **self._bill(),
        }

    def _bill(self) -> dict[str, Any]:
        return {
            "usage": self.usage.as_dict(),
            "best": self.scoring.best.state(),
            "breakdown": self.scoring.breakdown.as_dict(),
        }

    def part(self) -> dict[str, Any]:
        """The batch that was made alone, see `only`, and what it cost, as `merge` takes it."""
        return self.parts[0] | self._bill()

    def merge(self, parts: Batches) -> "Decoding":
        """Leaves this run, not started, as if it had made all its batches: others did, and gave the `part` of each."""
        usage, breakdown = Usage(), Breakdown()
        for part in (parts[number] for number in range(len(self.batches))):
            add_bill(part, usage, breakdown)
            if part["best"]["designs"] is not None:
                self.best.add(part["best"]["designs"], part["best"]["rewards"])
        self.usage.restore(usage)
        self.scoring.breakdown.restore(breakdown.as_dict())
        self._position, self.parts = _Position(len(self.batches)), parts
        return self

    def resume(self, state: dict[str, Any]) -> "Decoding":
        """Goes on from a `state` of the same run.

        Raises:
            OtherGridError: if the run took another number of steps, such as another default of its model.
        """
        taken, step = state["steps"], state["step"]
        if taken != self.process.steps:
            raise OtherGridError(
                f"the run was saved with steps={taken}, but its model takes {self.process.steps} now; give steps={taken}"
            )
        if state["identity"] not in ("", self.scoring.store.identity):
            warnings.warn(
                f"the reward {self.settings.get('reward', '')}, or its file, has changed since the run was saved: if it gives "
                "other numbers now, the run mixes both; --force starts anew",
                RewardChangedWarning,
                stacklevel=3,
            )
        self.parts.resume(state["batches"])
        lost = next((number for number in range(state["batch"]) if number not in self.parts), None)
        if lost is not None:  # a file that was damaged, and removed: its batch and those after it are made again
            self._position = _Position(lost)
        else:
            self._position = _Position(
                state["batch"], None if step is None else step_from(step, self.process, self.cond)
            )
            self._open.resume(state["trace"])
            if step is not None and "designs" in step:  # which a state of an earlier version does not have
                self._designs.resume(step["designs"], self.process)
        self.usage.restore(Usage.from_dict(state["usage"]))
        self.scoring.resume(state["best"], state["breakdown"])
        return self

    def save(self, path: Path) -> None:
        """Writes `state` to a file, whole or not at all."""
        write_state(self.state(), path)


def last(steps: Iterator[Step]) -> Step:
    """The last step of an algorithm, which is driven to its end without gradients.

    Raises:
        ValueError: if there was no step to take.
    """
    with torch.no_grad():
        ends = deque(steps, maxlen=1)
    if not ends:
        raise ValueError("the iterator gave no step: it started from a finished one")
    return ends[0]


PROGRESS = "svdd.report.progress:following"


def decode(process: Process | str, reward: Reward | str, *, progress: bool = True, **settings: Any) -> Result:
    r"""Decodes a pretrained model towards a reward.

    Every chain is an independent run of the method and returns one design, or all N (svdd-r, and any method with
    `returns="all"`); chain i depends on (seed, i) alone.

    Args:
        process: a pretrained model: a name, as `svdd.load` takes it, or a `svdd.Process`.
        reward: a name, as `svdd.load_reward` takes it, or a function: a list of designs (or a tensor of states) in, one number
            each out; higher is better, -inf is invalid.
        progress: a bar in a terminal and in a notebook; nothing is shown elsewhere.
        **settings: `model_options` and `reward_options` (of a model and a reward given by name), `method` (a name of `METHODS`,
            svdd), `returns` (`draw`, `top` or `all` of a chain's particles), `samples` (64), `seed` (0), `value` (a name of
            `VALUES`, with options as in "log-mean-exp,samples=8" or "filtered,rescore=3", or a function of particles, used
            until the end, such as `svdd.learned` and `svdd.load_value` make; the `usual_value` of the process), `cond` (one
            row a chain), `scores` (further rewards by the name of their column, each a name or a function), `batch` (chains at
            once), `chunks` (rows at a time of `network`, `decode`, `reward` and, if learned, `value`), `share` (equal states
            and designs share an answer; True), `on_failure` (a `svdd.Policy`, or some of its settings), `cache` (a file of
            scores, shared with other runs), `budget` (some of `rewards`, `rows` and `seconds`), `key` (of a design that is not
            text, what tells it from others), and the method's own, whose defaults `METHODS` holds: `candidates`, `particles`,
            ...

    Returns:
        Designs, rewards, usage; `to_frame()` and `save(folder)`.

    Raises:
        ValueError: for an unknown setting, method or value, and for sizes that make no sense.
        RewardError: if the reward does not answer with one usable number a design.

    Cost:
        as the method's: see `METHODS` and `Result.usage`.
    """
    with closing(Decoding(process, reward, **settings)) as decoding:
        with resolve(PROGRESS)(decoding, progress) as on_step:
            for done, step in enumerate(decoding, 1):
                on_step(done, step)
        return decoding.result()
