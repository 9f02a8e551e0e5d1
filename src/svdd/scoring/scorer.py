"""Terms: how a run asks its reward, beyond counting: failures, the budget, scores on disk, the best so far."""

import math
import sys
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from svdd.cost.batches import chunked, count, picked
from svdd.cost.budget import Budget, Spending
from svdd.cost.ledger import Breakdown, Cost, Usage, metered
from svdd.scoring.best_designs import Best
from svdd.scoring.components import Composite, listed
from svdd.scoring.identity import reward_identity
from svdd.scoring.memory import Key, first_of, keys_of, memoised
from svdd.scoring.policy import Policy, judged
from svdd.scoring.reward import (
    Invalid,
    Pending,
    Reward,
    handing_over,
    is_groupwise,
    like,
)
from svdd.scoring.score_file import ScoreCache
from svdd.scoring.stored_scores import Shelves

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


def _asked(reward: Reward, usage: Usage, chunks: Mapping[str, int], share: bool, terms: Terms) -> Reward:
    """The reward as a run asks it: from the inside out judged, counted, in chunks, within the budget, remembered."""
    whole, shelves = is_groupwise(reward), terms.shelves if share else None
    if whole and "reward" in chunks:
        raise ValueError(
            "a groupwise reward is given whole batches; leave reward out of chunks, and bound batch instead"
        )
    keep = shelves.keep if shelves and not whole else None
    asked = judged(reward, terms.policy, usage.outcomes, keep, terms.breakdown)
    asked = metered(asked, usage.reward)
    if not whole:
        asked = chunked(asked, chunks.get("reward", getattr(reward, "at_once", sys.maxsize)))
    if terms.spending is not None:
        asked = terms.spending.reward(asked)
    if shelves and not whole:
        again = reward if isinstance(reward, Composite) else lambda designs: None  # whose components are billed too
        asked = shelves.first(asked, usage.reward, usage.outcomes, terms.breakdown, again)
    if terms.best is not None:
        asked = terms.best.noted(asked)
    on_shelves = shelves is not None
    return memoised(asked, terms.key, usage.reward, bits=on_shelves) if share and not whole else asked


class Remembered:
    """A component, or another reward than the run's own, as a run asks it: once for each design, also over an interruption.

    Args:
        reward: what is asked.
        source: what it is called, for messages.
        cost: where to count.
        shelf: its scores on disk.
        key: what tells designs apart, where they are not text or numbers.
    """

    def __init__(self, reward: Reward, source: str, cost: Cost, shelf: Shelves | None, key: Key | None) -> None:
        self.source, self.cost, self.shelf, self.key = source, cost, shelf, key
        self._submit = handing_over(metered(reward, cost))
        self._at_once = getattr(reward, "at_once", sys.maxsize) if hasattr(reward, "submit") else sys.maxsize
        self._known: dict[Hashable, float] = {}
        self.components: Mapping[str, Reward] = getattr(reward, "components", {})

    def __call__(self, designs: Any) -> list[Any]:
        """A number for each design, `Invalid` or a `Failure`; failures and NaN are not remembered."""
        keys = keys_of(designs, self.key, bits=self.shelf is not None)
        if keys is None:
            return self._listed(designs, self._submit(designs))
        fresh = first_of(keys, lambda key: key not in self._known)
        self.cost.hits += len(keys) - len(fresh)
        if self.shelf is not None and fresh:
            found, _ = self.shelf.look([keys[i] for i in fresh], self.cost)
            self._known |= {key: _invalid(*told) for key, told in found.items()}
            fresh = [i for i in fresh if keys[i] not in found]
        now = dict(zip((keys[i] for i in fresh), self._new(designs, fresh), strict=True))
        return [self._known[key] if key in self._known else now[key] for key in keys]

    def _new(self, designs: Any, rows: list[int]) -> list[Any]:
        """Asks for designs, all at once of what works in the background, and keeps what will stay so as it arrives."""
        parts = [picked(designs, rows[i : i + self._at_once]) for i in range(0, len(rows), self._at_once)]
        handed_over = [(part, self._submit(part)) for part in parts]
        return [one for part, answer in handed_over for one in self._kept(part, self._listed(part, answer))]

    def _listed(self, designs: Any, answer: Pending) -> list[Any]:
        return listed(answer.result(), count(designs), self.source)

    def _kept(self, asked: Any, values: list[Any]) -> list[Any]:
        """Answers, those that will stay so in memory and on the shelf."""
        lasting = [i for i, one in enumerate(values) if isinstance(one, float) and one < math.inf]
        kept = picked(asked, lasting)
        keys = keys_of(kept, self.key, bits=self.shelf is not None)
        assert keys is not None, "designs that were told apart still are"
        numbers = [values[i] for i in lasting]
        self._known |= dict(zip(keys, numbers, strict=True))
        if self.shelf is not None and lasting:
            told = {i: f"invalid: {one.why}" for i, one in enumerate(numbers) if isinstance(one, Invalid)}
            self.shelf.keep(kept, torch.tensor(numbers, dtype=torch.float64), told)
        return values


def _invalid(score: float, told: str) -> float:
    return Invalid(told.partition(": ")[2]) if told.startswith("invalid: ") else score
