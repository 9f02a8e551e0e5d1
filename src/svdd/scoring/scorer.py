"""The one way to a reward.

A `Scorer` stands between a search and a reward, a component of one, or a further score. Designs always go this way:

    designs -> answered before? -> in a file of scores? -> within the budget? -> in chunks -> handed over
            ... judged (failures, retries) -> counted -> stored -> numbers

`submit` goes as far as handing over, and `Question.result` does the rest.
"""

import math
import sys
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from svdd.chain.equal_rows import NoEqualRows
from svdd.cost.batches import count, out_of_memory, picked
from svdd.cost.budget import UNLIMITED, Unlimited
from svdd.cost.ledger import Breakdown, Cost, Outcomes
from svdd.scoring.judge import Judge
from svdd.scoring.memory import first_of, keys_of
from svdd.scoring.policy import Policy
from svdd.scoring.reward import Composite, Failure, Invalid, Key, Pending, Reward, traits_of
from svdd.scoring.stored_scores import NoStore, Stored

Observer = Callable[[Any, Tensor], None]
"""Is called with designs and their numbers as they arrive."""
Keys = Sequence[Hashable] | None
Numbers = Float[Tensor, " n"]
Failures = Mapping[int, Failure]  # by row


class Scorer:
    """A reward as a run calls it: once for each different design, counted, within a budget, its failures settled.

    Args:
        reward: designs to one number each.
        policy: what failures mean; the reward's own unless given.
        cost: where rows, hits, calls and seconds are counted.
        outcomes: where failures are counted.
        breakdown: where reasons of invalid designs are counted.
        budget: the guard of the run.
        store: the scores on disk.
        observers: are called with every answer.
        key: what tells designs apart; the reward's own unless given.
        at_once: designs per call; what the reward takes unless given.
        share: whether equal designs share an answer; False also leaves the store alone.
        bits: whether tensors are told apart by their bits.
        source: what the reward is called in messages.

    Raises:
        ValueError: for less than one design per call.
    """

    def __init__(
        self,
        reward: Reward,
        *,
        policy: Policy | None = None,
        cost: Cost | None = None,
        outcomes: Outcomes | None = None,
        breakdown: Breakdown | None = None,
        budget: Unlimited = UNLIMITED,
        store: NoStore | None = None,
        observers: Sequence[Observer] = (),
        key: Key | None = None,
        at_once: int | None = None,
        share: bool = True,
        bits: bool = False,
        source: str = "reward",
    ) -> None:
        if at_once is not None and at_once < 1:
            raise ValueError(f"a chunk has at least 1 row, got {at_once} for the {source}")
        self.reward, self.traits, self.source = reward, traits_of(reward), source
        self.cost, self.budget, self.observers = cost or Cost(), budget, observers
        self.breakdown, self.outcomes = breakdown or Breakdown(), outcomes or Outcomes()
        self.judge = Judge(reward, policy or self.traits.policy or Policy(), self.outcomes, self.breakdown, source)
        self.share = share and not self.traits.groupwise
        self.store = store if store is not None and self.share else NoStore()
        self.key, self.bits = key or self.traits.key, bits or self.store.by_bits
        self.at_once = sys.maxsize if self.traits.groupwise else at_once or self.traits.at_once
        self.known: dict[Hashable, float] = {}
        # keys of designs that are handed over and not answered yet
        self.pending: set[Hashable] = set()
        self._halved = False

    def __call__(self, designs: Any) -> Any:
        """The number of each design."""
        return self.submit(designs).result()

    def __repr__(self) -> str:
        return f"Scorer({self.reward!r}, {self.judge.policy}, {len(self.known)} designs known)"

    def submit(self, designs: Any, equal: NoEqualRows | None = None) -> "Question":
        """Hands designs over, those of a plain reward when the result is wanted.

        Args:
            designs: one of each kind.
            equal: of which kind each is that a number is wanted for; all differ unless given.

        Raises:
            BudgetSpent: if they would cost more than is left.
            ValueError: for designs that nothing tells apart, where scores are to be kept in a file.
        """
        return Question(self, designs, equal or NoEqualRows(count(designs)))

    def keys(self, designs: Any) -> list[Hashable] | None:
        """What tells designs apart; None where nothing does, or nothing is shared."""
        keys = keys_of(designs, self.key, self.bits) if self.share else None
        if keys is None:
            self.store.require_keys(designs)
        return keys

    def recall(self, designs: Any, keys: Sequence[Hashable], rows: list[int]) -> list[int]:
        """Takes what the files know of some rows into memory, and returns the rows that are left."""
        stored, lost = self.store.look_up([keys[i] for i in rows], self.cost) if rows else ({}, [])
        if not stored:
            return rows
        self.known |= {key: self.from_store(one) for key, one in stored.items()}
        self.count_again(picked(designs, [keys.index(key) for key in lost]), [stored[key] for key in lost])
        there = [i for i in rows if keys[i] in stored]
        self.observe(
            picked(designs, there),
            torch.tensor([self.known[keys[i]] for i in there], dtype=torch.float64, device="cpu"),
        )
        return [i for i in rows if keys[i] not in stored]

    def from_store(self, stored: Stored) -> float:
        """The number that a stored score stands for."""
        return stored.score

    def count_again(self, designs: Any, stored: Sequence[Stored]) -> None:
        """Counts what a lost part of the run had counted: failures, invalid designs, their reasons, rows of components."""
        told = [outcome or ("invalid" if score == -torch.inf else "") for score, outcome in stored]
        for kind in [one.partition(": ")[0] for one in told if one]:
            self.outcomes.count(kind)
        for why in [one.partition(": ")[2] for one in told if ": " in one]:
            self.breakdown.count(why)
        answered = [i for i, one in enumerate(stored) if not one.outcome or one.outcome.startswith("invalid")]
        if answered and isinstance(self.reward, Composite):
            self.reward(picked(designs, answered))

    def hand_over(self, designs: Any) -> Pending:
        """Gives the reward designs; the seconds that this takes are counted."""
        started = perf_counter()
        try:
            with self.budget.clock():
                return self.judge.hand_over(designs)
        finally:
            self.cost.seconds += perf_counter() - started

    def take_in(self, designs: Any, keys: Keys, answer: Pending) -> list[Any]:
        """Waits for an answer, which is judged, counted and stored: the only place where one enters."""
        started = perf_counter()
        try:
            with self.budget.clock():
                numbers, failures = self.judge.collect(designs, answer)
        finally:  # a call that fails, and is made again with fewer rows, costs time
            self.cost.seconds += perf_counter() - started
            self.cost.calls += 1
        values = self.settle(designs, keys, numbers, failures)
        self.judge.stop_if_too_many_failed(failures)
        self.cost.rows += count(designs)
        return values

    def settle(self, designs: Any, keys: Keys, numbers: Numbers, failures: Failures) -> list[Any]:
        """The numbers that the policy makes of an answer, remembered and stored."""
        self.judge.settle(designs, numbers, failures)
        outcomes = {row: f"invalid: {one.why}" if one.kind == "invalid" else one.kind for row, one in failures.items()}
        values = numbers.tolist()
        self.remember(keys, values, outcomes)
        self.observe(designs, numbers)
        return values

    def remember(self, keys: Keys, values: Sequence[float], outcomes: Mapping[int, str]) -> None:
        """Keeps numbers in memory and in the files; NaN, of a further score that failed, is no number."""
        numbers = {key: value for key, value in zip(keys or (), values, strict=False) if not math.isnan(value)}
        if keys and numbers:
            self.known |= numbers
            self.store.put(numbers, {keys[row]: outcome for row, outcome in outcomes.items()})

    def observe(self, designs: Any, numbers: Numbers) -> None:
        """Tells the observers."""
        for observer in self.observers:
            observer(designs, numbers)

    def takes_fewer(self, error: Exception, rows: int) -> bool:
        """Halves the designs per call where memory ran out; whether that is so, and there is something to halve."""
        if not out_of_memory(error) or rows == 1 or self.traits.groupwise:
            return False
        if not self._halved:
            warnings.warn(f"out of memory with {rows} rows at a time: going on with fewer", stacklevel=2)
        self._halved, self.at_once = True, max(1, rows // 2)
        return True

    def answer(self, values: list[Any]) -> Any:
        """What the caller gets: float64 on the CPU."""
        return torch.from_numpy(np.array(values, np.float64))


class ComponentScorer(Scorer):
    """A component of a reward: the caller gets `Invalid` and `Failure` as they are, each with the component's policy.

    Failures and NaN are not remembered: the reward that the component is part of is settled by them, and remembered.
    """

    def from_store(self, stored: Stored) -> float:
        """See `Scorer`."""
        kind, _, why = stored.outcome.partition(": ")
        return Invalid(why) if kind == "invalid" and why else stored.score

    def count_again(self, designs: Any, stored: Sequence[Stored]) -> None:
        """Nothing: failures and reasons are counted by the reward that the component is part of."""

    def settle(self, designs: Any, keys: Keys, numbers: Numbers, failures: Failures) -> list[Any]:
        """The answers as they are; those that will stay so are remembered and stored."""
        self.judge.count(len(numbers), failures)
        values: list[Any] = numbers.tolist()
        for row, one in failures.items():
            values[row] = self._handed_on(one, values[row])
        lasting = [row for row, one in enumerate(values) if isinstance(one, float) and one < torch.inf]
        kept = [values[row] for row in lasting]
        reasons = {i: f"invalid: {one.why}" for i, one in enumerate(kept) if isinstance(one, Invalid)}
        self.remember(None if keys is None else [keys[row] for row in lasting], kept, reasons)
        return values

    def _handed_on(self, failure: Failure, number: float) -> Any:
        """A NaN that stops the run stays one, and is told by the reward that the component is part of."""
        if failure.kind == "invalid":
            return Invalid(failure.why)
        policy = failure.policy or self.judge.policy
        return number if failure.kind == "nan" and policy.stops("nan") else failure.under(policy)

    def answer(self, values: list[Any]) -> Any:
        """What the caller gets: a list of numbers, `Invalid` and `Failure`."""
        return values


class Question:
    """Designs on their way through a scorer; `result` is one number for each row of `equal`."""

    def __init__(self, scorer: Scorer, designs: Any, equal: NoEqualRows) -> None:
        keys = scorer.keys(designs)
        if keys is None:  # where nothing is shared, each row has a design of its own
            designs, equal = equal.spread_designs(designs), NoEqualRows(len(equal) + equal.repeats)
        self.scorer, self.designs, self._equal = scorer, designs, equal
        self._keys: Sequence[Hashable] = keys if keys is not None else range(count(designs))
        self._shared = keys is not None
        self._answers: dict[Hashable, float] = {}
        self._known = scorer.known if self._shared else self._answers
        fresh = self._new() if self._shared else list(range(count(designs)))
        self._hits = len(self._keys) - len(fresh) + equal.repeats
        rows = scorer.recall(designs, self._keys, fresh) if self._shared else fresh
        self._reserved: list[int] = []
        self._work: deque[tuple[list[int], Pending | None]] = deque()
        self._begin(rows)

    def result(self) -> Any:
        """Waits for the answers.

        Raises:
            RewardError: for an answer that is not one usable number per design, and for failures that stop the run.
            BudgetSpent: if designs of another question, which failed, have to be paid for here and cost more than is left.
        """
        scorer = self.scorer
        try:
            while self._work or self._late():
                rows, pending = self._work.popleft()
                if pending is None and len(rows) > scorer.at_once:
                    self._work.appendleft((rows[scorer.at_once :], None))
                    rows = rows[: scorer.at_once]
                designs = self._of(rows)
                try:
                    keys = [self._keys[i] for i in rows]
                    answer = scorer.hand_over(designs) if pending is None else pending
                    values = scorer.take_in(designs, keys if self._shared else None, answer)
                except Exception as error:
                    if not scorer.takes_fewer(error, len(rows)):
                        raise
                    self._work.appendleft((rows, None))
                else:
                    self._answers.update(zip(keys, values, strict=True))
        finally:
            self._release()
        scorer.cost.hits, self._hits = scorer.cost.hits + self._hits, 0
        known = self._known
        numbers = [known[key] if key in known else self._answers[key] for key in self._keys]
        return scorer.answer(self._equal.spread_designs(numbers))

    def _of(self, rows: list[int]) -> Any:
        return self.designs if len(rows) == len(self._keys) else picked(self.designs, rows)

    def _new(self) -> list[int]:
        """The first row of each design that nobody has answered or is answering."""
        return first_of(self._keys, self.scorer.known, self.scorer.pending)

    def _late(self) -> bool:
        """Whether there are designs that an earlier question was to answer, and has not; they are work now."""
        if all(map(self._known.__contains__, self._keys)):
            return False
        rows = first_of(self._keys, self._known, self._answers)
        self._hits -= len(rows)
        self._begin(rows)
        return bool(rows)

    def _begin(self, rows: list[int]) -> None:
        """Designs to be answered for are work: a reward in the background is given them now."""
        self._reserve(rows)
        size = self.scorer.at_once
        parts = [rows[i : i + size] for i in range(0, len(rows), size)]
        begun = [self.scorer.hand_over(self._of(part)) if self.scorer.traits.in_background else None for part in parts]
        self._work.extend(zip(parts, begun, strict=True))

    def _reserve(self, rows: list[int]) -> None:
        if rows:
            self.scorer.budget.reserve(len(rows))
            self._reserved += rows
            self.scorer.pending.update(self._keys[i] for i in rows if self._shared)

    def _release(self) -> None:
        self.scorer.budget.release(len(self._reserved))
        self.scorer.pending.difference_update(self._keys[i] for i in self._reserved if self._shared)
        self._reserved = []


def as_scorer(reward: Reward) -> Scorer:
    """The scorer of a run as it is; of any other reward one without memory, so that its policy holds in a loop of your own."""
    return reward if isinstance(reward, Scorer) else Scorer(reward, share=False)


def scored(
    reward: Reward,
    *,
    on_failure: Mapping[str, Any] | Policy | None = None,
    key: Key | None = None,
    chunk: int | None = None,
) -> Scorer:
    """`reward` as a run calls it, for a loop of your own: once for each different design, its failures settled.

    Args:
        reward: designs to one number each.
        on_failure: a policy, or what differs from the reward's own.
        key: what tells designs apart, where they are not text or numbers.
        chunk: designs per call.

    Raises:
        ValueError: for an unknown setting of the policy.

    Cost:
        one reward row for each different design.
    """
    policy = (traits_of(reward).policy or Policy()).changed(on_failure)
    return Scorer(reward, policy=policy, key=key, at_once=chunk)


def memoised(reward: Reward, key: Key | None = None, cost: Cost | None = None, bits: bool = False) -> Scorer:
    """`reward`, called once for each different design, also while the answer is still on its way.

    Args:
        reward: designs to one number each; a design's number must not depend on the others in the batch.
        key: what makes two designs the same; the design itself unless given, where it is text, a number or a tuple.
            Other designs are not looked up without it.
        cost: where rows and hits are counted.
        bits: whether tensors are looked up by their bits, which takes longer than a cheap reward.
    """
    return Scorer(reward, key=key, cost=cost, bits=bits)
