"""Judge: what the answers of one reward come to, when some designs fail.

It calls the reward, once more for each design of a batch that failed, as often as the policy allows; then the policy settles
what is left. Only the design that fails is charged.
"""

import math
import warnings
from collections import deque
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.cost.batches import count, out_of_memory, picked
from svdd.cost.clock import BudgetSpent
from svdd.cost.ledger import Breakdown, Outcomes
from svdd.exits import EndedProgramError, exits_as_errors, noted
from svdd.scoring.numbers import checked, read_answer, shown
from svdd.scoring.policy import WORDS, Policy, RewardFailureWarning
from svdd.scoring.reward import Failure, Pending, Reward, RewardError, failure, hand_over, name_of, traits_of

_ENOUGH = 20  # designs, before a share of failures means anything


class _Refused:
    """The answer of a reward that raised when designs were handed over: judged like what its result raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def result(self) -> Any:
        raise self.error


class Judge:
    """The answers of one reward, tried again and settled by a policy.

    Args:
        reward: answers with numbers, or with a list in which a `Failure` stands where there is no number; may raise.
        policy: what failures mean.
        outcomes: where failures are counted.
        breakdown: where reasons of invalid designs are counted.
        source: what the reward is called in messages.
    """

    def __init__(
        self, reward: Reward, policy: Policy, outcomes: Outcomes, breakdown: Breakdown, source: str = "reward"
    ) -> None:
        self.reward, self.policy, self.outcomes, self.breakdown = reward, policy, outcomes, breakdown
        self.source, self.groupwise = source, traits_of(reward).groupwise
        self.name = f"the {source} {name_of(reward)}"
        self.called, self.failed, self.warned = 0, 0, set[str]()

    def hand_over(self, designs: Any) -> Pending:
        """Gives the reward designs; a plain reward is called when the result is wanted."""
        try:
            with exits_as_errors(self.name):
                return hand_over(self.reward, designs)
        except Exception as error:
            return _Refused(error)

    def collect(self, designs: Any, answer: Pending) -> tuple[Float[Tensor, " n"], dict[int, Failure]]:
        """The numbers of designs, and the failures by row once every retry is used up.

        Raises:
            RewardError: for an answer that is not one number per design.
            BudgetSpent: if a reward that has to wait has too little time left.
            Exception: what the reward raised, where the policy stops at it, and where memory ran out.
        """
        n, retries = count(designs), self.policy.retries
        numbers, failures = torch.zeros(n, dtype=torch.float64, device="cpu"), dict[int, Failure]()
        calls = deque[tuple[list[int], Pending | None]]([(list(range(n)), answer)])
        while calls:
            rows, pending = calls.popleft()
            try:
                given = self.hand_over(picked(designs, rows)) if pending is None else pending
                with exits_as_errors(self.name):
                    answered = given.result()
                told, found = read_answer(answered, len(rows), self.source)
                numbers = told if len(rows) == n else numbers.index_put((torch.tensor(rows, device="cpu"),), told)
            except (RewardError, BudgetSpent):
                raise
            except Exception as error:
                if out_of_memory(error) or (not self.policy.retries and self.policy.stops(failure(error).kind)):
                    if not isinstance(error, EndedProgramError):
                        noted(error, f"raised by {self.name}")
                    raise
                if len(rows) > 1 and not self.groupwise:
                    calls.extendleft(([row], None) for row in reversed(rows))
                    continue
                found = dict.fromkeys(range(len(rows)), failure(error))
            failures |= {rows[i]: one for i, one in found.items()}
            again = [] if calls or not retries else self._to_try_again(failures, n)
            if again:
                retries -= 1
                self.outcomes.retries += len(again)
                failures = {row: one for row, one in failures.items() if row not in again}
                calls.append((again, None))
        return numbers, failures

    def _to_try_again(self, failures: Mapping[int, Failure], n: int) -> list[int]:
        """Rows that failed; those of a component have been tried again by its own policy."""
        rows = sorted(row for row, one in failures.items() if one.kind != "invalid" and one.policy is None)
        return list(range(n)) if rows and self.groupwise else rows

    def settle(self, designs: Any, numbers: Float[Tensor, " n"], failures: Mapping[int, Failure]) -> None:
        """Counts, and puts the policy's numbers where there are none.

        Raises:
            RewardError: for a failure that stops the run; also what the reward raised, as it was.
        """
        failed = {row: one for row, one in failures.items() if one.kind != "invalid"}
        stops = {row: one for row, one in failed.items() if (one.policy or self.policy).stops(one.kind)}
        for row, one in stops.items():
            if one.kind != "nan":
                raise one.cause or RewardError(self._sentence(designs, row, one))
        if stops:
            answered = [i for i in range(len(numbers)) if i in stops or i not in failed or failed[i].kind == "nan"]
            checked(numbers[answered], picked(designs, answered), len(answered), self.source)
        self.count(len(numbers), failures)
        self.outcomes.invalid += numbers.tolist().count(-math.inf)
        for why in [one.why for one in failures.values() if one.kind == "invalid"]:
            self.breakdown.count(why)
        for row, one in failed.items():
            self.outcomes.count(one.kind)
            numbers[row] = (one.policy or self.policy).number(one.kind)
            self._warn(designs, row, one)

    def count(self, designs: int, failures: Mapping[int, Failure]) -> None:
        """Counts designs and failures, of which a run bears a share."""
        self.called += designs
        self.failed += sum(one.kind != "invalid" for one in failures.values())

    def stop_if_too_many_failed(self, failures: Mapping[int, Failure]) -> None:
        """Ends the run once more than the policy's share of designs have failed.

        Raises:
            RewardError: it says how many, and why the last one did.
        """
        last = next((one for one in reversed(list(failures.values())) if one.kind != "invalid"), None)
        if last is not None and self.called >= _ENOUGH and self.failed > self.policy.abort * self.called:
            raise RewardError(
                f"the {self.source} failed on {self.failed} of {self.called} designs, more than the share "
                f"{self.policy.abort:g} at which a run stops; the last one {WORDS[last.kind]} ({last.why})"
            )

    def _warn(self, designs: Any, row: int, failed: Failure) -> None:
        if failed.kind not in self.warned:
            self.warned.add(failed.kind)
            number = getattr(failed.policy or self.policy, failed.kind)
            becomes = "have no number" if number == "stop" else f"count as {number}"
            warnings.warn(
                f"{self._sentence(designs, row, failed)}; such designs {becomes}", RewardFailureWarning, stacklevel=2
            )

    def _sentence(self, designs: Any, row: int, failed: Failure) -> str:
        return f"the {self.source} {WORDS[failed.kind]} on {shown(designs, row)} ({failed.why})"
