"""Policies: what becomes of a design that a reward has no number for.

There are four cases: the design is *invalid* (-inf, an answer like any other, and `Invalid` if it has a reason), the reward
answered *NaN*, it raised an *error* (or its process died), or it ran into a *time-out*. A `Policy` says what each of the last
three means for a run.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from svdd.messages import check_known

FAILURES = ("nan", "error", "timeout")
WORDS = {"nan": "returned NaN", "error": "failed", "timeout": "did not answer in time"}
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
            check_known("setting of on_failure", name, names)
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


@dataclass(frozen=True)
class NoNumber(Policy):
    """The policy of a further score: a design that it fails on has no number in its column, and the run goes on."""

    abort: float | int = 1.0

    def stops(self, kind: str) -> bool:
        """No failure of a further score ends a run whose designs are paid for."""
        return False

    def number(self, kind: str) -> float:
        """NaN, unless it is said what such a design counts as."""
        return math.nan if getattr(self, kind) == "stop" else super().number(kind)


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
