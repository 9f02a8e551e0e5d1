"""Terms: how a run asks its reward, beyond counting: failures, the budget, scores on disk, the best so far."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdd.accounting import Usage
from svdd.best import Best
from svdd.budget import Budget, Spending
from svdd.memo import Key, Shelves
from svdd.outcomes import Policy
from svdd.pending import Reward, is_groupwise
from svdd.reward_identity import reward_identity
from svdd.score_cache import ScoreCache

_BEST = 100

Journal = ScoreCache | Callable[[], ScoreCache]


@dataclass(frozen=True)
class Terms:
    """How a run asks its reward.

    Args:
        policy: what failures mean; the reward's own policy unless given.
        spending: the budget.
        shelves: scores on disk.
        best: takes in what was scored.
        key: what tells designs apart, where they are not text or numbers.
    """

    policy: Policy | None = None
    spending: Spending | None = None
    shelves: Shelves | None = None
    best: Best | None = None
    key: Key | None = None

    def resume(self, usage: Usage, best: Mapping[str, Any]) -> None:
        """Goes on where `usage` was the bill and `best` the state of the best designs."""
        if self.shelves is not None:
            self.shelves.billed = usage.reward.rows
        if self.best is not None:
            self.best.resume(dict(best))

    def close(self) -> None:
        """Closes the files."""
        if self.shelves is not None:
            self.shelves.close()


def make_terms(
    reward: Reward,
    usage: Usage,
    samples: int,
    *,
    on_failure: Policy | Mapping[str, Any] | None = None,
    cache: ScoreCache | str | Path | None = None,
    journal: Journal | None = None,
    budget: Budget | None = None,
    key: Key | None = None,
) -> Terms:
    """The terms of a run.

    Args:
        reward: as given.
        usage: the bill.
        samples: designs wanted.
        on_failure: a policy, or what differs from the reward's own.
        cache: a file of scores.
        journal: the run's own, or what makes it when the first score has arrived.
        budget: what may be spent.
        key: what tells designs apart.

    Raises:
        ValueError: for a cache of a reward of whole batches, or of one that cannot be told from others.
    """
    policy = getattr(reward, "policy", Policy()).changed(on_failure)
    spending = Spending(budget, usage) if budget is not None else None
    best = Best(samples if budget is not None else 0, max(_BEST, samples))
    return Terms(policy, spending, _shelves(reward, cache, journal, key), best, key)


def _shelves(
    reward: Reward, cache: ScoreCache | str | Path | None, journal: Journal | None, key: Key | None
) -> Shelves | None:
    if cache is None and (journal is None or is_groupwise(reward)):
        return None
    if is_groupwise(reward):
        raise ValueError(
            "a groupwise reward has no score of a design alone, so there is nothing to keep in a file of scores"
        )
    name, identity = _name(reward), ""
    try:
        identity = reward_identity(reward)
    except ValueError:
        if cache is not None:
            raise
    opened = ScoreCache(cache) if isinstance(cache, str | Path) else cache
    return Shelves(identity or name, name, opened, journal, key, owned=opened is not cache)


def _name(reward: Reward) -> str:
    named = getattr(reward, "named", (reward,))[0]
    return named if isinstance(named, str) else getattr(named, "__qualname__", type(named).__name__)
