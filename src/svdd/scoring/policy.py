"""Outcomes: what becomes of a design that a reward has no number for.

There are four: the design is *invalid* (-inf, an answer like any other, and `Invalid` if it has a reason), the reward
answered *NaN*, it raised an *error* (or its process died), or it ran into a *time-out*. A `Policy` says what each of the last
three means for a run.
"""

import math
import warnings
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.cost.batches import count, out_of_memory, picked
from svdd.cost.ledger import Breakdown, Outcomes
from svdd.messages import unknown
from svdd.scoring.reward import (
    Failure,
    Invalid,
    Reward,
    RewardError,
    as_numbers,
    checked,
    failure,
    is_groupwise,
    shown,
    staged,
)

FAILURES = ("nan", "error", "timeout")


_WORDS = {"nan": "returned NaN", "error": "failed", "timeout": "did not answer in time"}


_ENOUGH = 20


_TOLD = {
    "invalid": "were invalid",
    "nan": "had NaN",
    "error": "failed",
    "timeout": "timed out",
    "retries": "were asked for again",
}


class RewardFailureWarning(UserWarning):
    """A reward failed on a design and the run went on, as its policy says."""


@dataclass(frozen=True)
class Policy:
    """What a failed design becomes: `stop` the run, `invalid` (-inf), or a number in place of its reward.

    Args:
        nan: for NaN and +inf.
        error: for an exception, and for a process that dies.
        timeout: for no answer in time.
        retries: how often a failed design is asked for again first.
        abort: the run stops once more than this part of its designs have failed, of at least 20.

    Raises:
        ValueError: for anything else.
    """

    nan: str | float | int = "stop"
    error: str | float | int = "stop"
    timeout: str | float | int = "stop"
    retries: int = 0
    abort: float | int = 0.5

    def __post_init__(self) -> None:
        for kind in FAILURES:
            said = getattr(self, kind)
            if said not in ("stop", "invalid") and (isinstance(said, str | bool) or not math.isfinite(said)):
                raise ValueError(f"on failure, {kind} is stop, invalid or a number, got {said!r}")
        if self.retries < 0:
            raise ValueError(f"on failure, retries is 0 or more, got {self.retries}")
        if not 0 <= self.abort <= 1:
            raise ValueError(f"on failure, abort is a part of the designs from 0 to 1, got {self.abort}")

    def changed(self, given: "Mapping[str, Any] | Policy | None") -> "Policy":
        """This policy but for what is given.

        Raises:
            ValueError: for an unknown setting or an impossible one.
        """
        if given is None or isinstance(given, Policy):
            return given or self
        names = [field.name for field in fields(self)]
        for name in given:
            if name not in names:
                raise ValueError(unknown("setting of on_failure", name, names))
        return replace(self, **given)

    def stops(self, kind: str) -> bool:
        """Whether such a failure ends the run."""
        return bool(getattr(self, kind) == "stop")

    def number(self, kind: str) -> float:
        """The reward of a design that failed so."""
        said = getattr(self, kind)
        return -math.inf if said == "invalid" else float(said)


IN_WORKERS = Policy(error="invalid", timeout="invalid")
"""The default where rewards have processes of their own: a design that hangs or crashes one is invalid, the run goes on."""


Keep = Callable[[Any, Tensor, Mapping[int, str]], None]


def judged(
    reward: Reward,
    policy: Policy | None = None,
    outcomes: Outcomes | None = None,
    keep: Keep | None = None,
    breakdown: Breakdown | None = None,
) -> Reward:
    """`reward` as numbers that can be used: failures counted, asked again, and settled by a policy.

    Args:
        reward: answers with numbers, or with a list in which a `Failure` stands where there is no number; may raise.
        policy: what failures mean; the reward's own (its attribute `policy`) unless given, or to stop at any.
        outcomes: where to count.
        keep: told of every answer: the designs, their numbers, and by row the kind of failure, or `invalid: ` and why.
        breakdown: where to count why designs were invalid.

    Raises:
        RewardError: for an answer that is not one number a design, for a failure that stops the run, for too many.
    """
    own: Policy = getattr(reward, "policy", Policy())
    judge = _Judge(reward, policy or own, Outcomes() if outcomes is None else outcomes, keep, breakdown or Breakdown())
    return staged(reward, judge.stage)


class _Judge:
    def __init__(
        self, reward: Reward, policy: Policy, outcomes: Outcomes, keep: Keep | None, breakdown: Breakdown
    ) -> None:
        self.whole, self.policy, self.outcomes, self.keep = is_groupwise(reward), policy, outcomes, keep
        self.breakdown = breakdown
        self.asked, self.failed, self.warned = 0, 0, set[str]()

    def stage(self, designs: Any) -> Generator[Any, Any, Any]:
        n = count(designs)
        numbers, told = yield from self._ask(designs, n)
        for _ in range(self.policy.retries):
            failures = _failed(told)
            if failures and (rows := list(range(n)) if self.whole else sorted(failures)):
                self.outcomes.retries += len(rows)
                numbers[rows], again = yield from self._ask(picked(designs, rows), len(rows))
                told = {row: one for row, one in told.items() if row not in rows}
                told |= {rows[i]: one for i, one in again.items()}
        self._settle(designs, numbers, _failed(told))
        invalid = {row: one.why for row, one in told.items() if one.kind == "invalid"}
        for why in invalid.values():
            self.breakdown.count(why)
        if self.keep is not None:
            kinds = {row: one.kind for row, one in told.items()} | {
                row: f"invalid: {why}" for row, why in invalid.items()
            }
            self.keep(designs, numbers, kinds)
        self._abort_if_too_many(_failed(told))
        return numbers

    def _ask(self, designs: Any, n: int) -> Generator[Any, Any, tuple[Float[Tensor, " n"], dict[int, Failure]]]:
        try:
            return separated((yield designs), n)
        except RewardError:
            raise
        except Exception as error:
            if out_of_memory(error) or (not self.policy.retries and self.policy.stops(failure(error).kind)):
                raise
            if self.whole or n == 1:
                return torch.full((n,), torch.nan, dtype=torch.float64), dict.fromkeys(range(n), failure(error))
        numbers, failures = torch.zeros(n, dtype=torch.float64), dict[int, Failure]()
        for i in range(n):  # only the design it fails on is charged
            numbers[i : i + 1], failed = yield from self._ask(picked(designs, [i]), 1)
            failures |= dict.fromkeys([i], failed[0]) if failed else {}
        return numbers, failures

    def _settle(self, designs: Any, numbers: Float[Tensor, " n"], failures: dict[int, Failure]) -> None:
        """Counts, and puts the policy's numbers where there are none."""
        for row, failed in failures.items():
            if failed.kind != "nan" and self.policy.stops(failed.kind):
                raise failed.cause or RewardError(_sentence(designs, row, failed))
        if self.policy.stops("nan") and any(failed.kind == "nan" for failed in failures.values()):
            answered = [i for i in range(len(numbers)) if i not in failures or failures[i].kind == "nan"]
            checked(numbers[answered], picked(designs, answered), len(answered))
        self.asked, self.failed = self.asked + len(numbers), self.failed + len(failures)
        self.outcomes.invalid += int(numbers.isneginf().sum())
        for row, failed in failures.items():
            setattr(self.outcomes, failed.kind, getattr(self.outcomes, failed.kind) + 1)
            numbers[row] = self.policy.number(failed.kind)
            self._warn(designs, row, failed)

    def _warn(self, designs: Any, row: int, failed: Failure) -> None:
        if failed.kind not in self.warned:
            self.warned.add(failed.kind)
            warnings.warn(
                f"{_sentence(designs, row, failed)}; such designs count as {getattr(self.policy, failed.kind)}",
                RewardFailureWarning,
                stacklevel=2,
            )

    def _abort_if_too_many(self, failures: dict[int, Failure]) -> None:
        if failures and self.asked >= _ENOUGH and self.failed > self.policy.abort * self.asked:
            last = list(failures.values())[-1]
            raise RewardError(
                f"the reward failed on {self.failed} of {self.asked} designs, more than the share {self.policy.abort:g} "
                f"at which a run stops; the last one {_WORDS[last.kind]} ({last.why})"
            )


def separated(answer: Any, n: int, source: str = "reward") -> tuple[Float[Tensor, " n"], dict[int, Failure]]:
    """The numbers of an answer, and by row the failures in it; also, as the kind `invalid`, the reasons given.

    Raises:
        RewardError: for an answer that is not one number a design.
    """
    told = dict[int, Failure]()
    if isinstance(answer, list):
        told = {i: one for i, one in enumerate(answer) if isinstance(one, Failure)}
        told |= {i: Failure("invalid", one.why) for i, one in enumerate(answer) if isinstance(one, Invalid)}
        answer = [0.0 if isinstance(one, Failure) else one for one in answer]
    numbers = as_numbers(answer, n, source)
    for i in (numbers.isnan() | numbers.isposinf()).nonzero().flatten().tolist():
        told[i] = Failure("nan", str(float(numbers[i])))
    return numbers, told


def _failed(told: Mapping[int, Failure]) -> dict[int, Failure]:
    return {row: one for row, one in told.items() if one.kind != "invalid"}


def _sentence(designs: Any, row: int, failed: Failure) -> str:
    return f"the reward {_WORDS[failed.kind]} on {shown(designs, row)} ({failed.why})"


def told(outcomes: Mapping[str, int], invalid: Mapping[str, int] | None = None) -> list[str]:
    """Sentences about the designs that the reward had no number for, none if there was none.

    Args:
        outcomes: how many, by what happened.
        invalid: how many were invalid, by reason.
    """
    words = [f"{outcomes[name]:,} {said}" for name, said in _TOLD.items() if outcomes.get(name)]
    said = [f"of the designs that the reward was asked for, {', '.join(words)}"] if words else []
    reasons = sorted((invalid or {}).items(), key=lambda one: -one[1])
    return said + ([f"invalid: {', '.join(f'{times:,} {why}' for why, times in reasons)}"] if reasons else [])
