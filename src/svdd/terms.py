"""Terms: how a run asks its reward, beyond counting: failures, the budget, scores on disk, the best so far."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from svdd.accounting import Cost, Usage, metered
from svdd.best import Best
from svdd.breakdown import Breakdown
from svdd.budget import Budget, Spending
from svdd.components import Remembered
from svdd.memo import Key, Shelves
from svdd.outcomes import Policy, judged
from svdd.pending import Reward, is_groupwise, like
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
        breakdown: why designs were invalid, and what components cost.
    """

    policy: Policy | None = None
    spending: Spending | None = None
    shelves: Shelves | None = None
    best: Best | None = None
    key: Key | None = None
    breakdown: Breakdown = field(default_factory=Breakdown)
    others: dict[str, Shelves] = field(default_factory=dict)
    """Shelves of components, by name."""

    def remembered(self, name: str, reward: Reward, kind: str = "component") -> Reward:
        """Another reward than the run's own, asked once for each different design, its scores on the same shelves.

        Args:
            name: of a component, under which its cost is in the breakdown.
            reward: not of whole batches, which no run remembers.
            kind: what it is, for messages.
        """
        cost = self.breakdown.components.setdefault(name, Cost())
        if is_groupwise(reward):
            return metered(reward, cost)
        shelf, key = None, self.key or getattr(reward, "key", None)
        if self.shelves is not None:
            identity = _identity(reward, f"{kind} {name}", self.shelves.cache is not None)
            shelf = self.others[name] = self.shelves.beside(identity, name, key)
        return Remembered(reward, f"{kind} {name}", cost, shelf, key)

    def score(self, name: str, reward: Reward) -> Reward:
        """A further score as a run asks it: as a component is asked, its failures settled by its own policy.

        Args:
            name: of the column.
            reward: without files of scores, if it cannot be told from others.
        """
        try:
            asked = self.remembered(name, reward, "score")
        except ValueError:
            asked = replace(self, shelves=None).remembered(name, reward, "score")
        return judged(like(asked, reward)) if hasattr(reward, "policy") else asked

    def resume(self, usage: Usage, best: Mapping[str, Any], breakdown: Mapping[str, Any]) -> None:
        """Goes on where `usage` was the bill, and from the states of the best designs and of the breakdown."""
        self.breakdown.restore(breakdown)
        if self.shelves is not None:
            self.shelves.bill(usage.reward.rows)
        for name, shelf in self.others.items():
            shelf.bill(self.breakdown.components[name].rows)
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
    policy, key = getattr(reward, "policy", Policy()).changed(on_failure), key or getattr(reward, "key", None)
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
    name = _name(reward)
    identity = _identity(reward, name, cache is not None)
    opened = ScoreCache(cache) if isinstance(cache, str | Path) else cache
    return Shelves(identity, name, opened, journal, key, owned=opened is not cache)


def _identity(reward: Reward, name: str, shared: bool) -> str:
    """What tells the reward from others; its name will do where scores are not shared with other runs."""
    try:
        return reward_identity(reward)
    except ValueError:
        if shared:
            raise
        return name


def _name(reward: Reward) -> str:
    named = getattr(reward, "named", (reward,))[0]
    return named if isinstance(named, str) else getattr(named, "__qualname__", type(named).__name__)
