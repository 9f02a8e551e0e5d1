"""Everything that a run calls: its reward, the components of it, further scores; one ledger, one budget, one set of files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from svdd.cost.budget import UNLIMITED, Budget, Guard
from svdd.cost.ledger import Breakdown, Cost, Outcomes, Usage
from svdd.scoring.best_designs import BestDesigns
from svdd.scoring.components import columns_of
from svdd.scoring.first_rewards import FirstRewards
from svdd.scoring.identity import reward_identity
from svdd.scoring.policy import NoNumber, Policy
from svdd.scoring.reward import Composite, Key, Reward, traits_of
from svdd.scoring.score_file import ScoreCache
from svdd.scoring.scorer import ComponentScorer, Scorer
from svdd.scoring.stored_scores import Journal, NoStore, StoredScores

_BEST, _FEW = 100, 4
"""How many of the best designs a run keeps at least where they are text, and where they are tensors, which are large."""


class RunScoring:
    """The scorers of a run.

    Args:
        reward: as given.
        scores: further rewards, by the name of their column.
        usage: the ledger.
        samples: designs wanted.
        on_failure: a policy, or what differs from the reward's own.
        cache: a file of scores.
        journal: the run's own, or what makes it when the first score has arrived.
        budget: what may be spent.
        key: what tells designs apart.
        chunk: designs per call of a reward.
        share: whether equal designs share an answer.

    Raises:
        ValueError: for a cache that could not be used: where nothing is shared, of a reward of whole batches, or of one that
            cannot be told from others; and for chunks of a reward of whole batches.
    """

    def __init__(
        self,
        reward: Reward,
        scores: Mapping[str, Reward],
        usage: Usage,
        samples: int = 0,
        *,
        on_failure: Policy | Mapping[str, Any] | None = None,
        cache: ScoreCache | str | Path | None = None,
        journal: Journal | None = None,
        budget: Budget | None = None,
        key: Key | None = None,
        chunk: int | None = None,
        share: bool = True,
    ) -> None:
        traits = traits_of(reward)
        if traits.groupwise and chunk is not None:
            raise ValueError(
                "a groupwise reward is given whole batches; leave reward out of chunks, and bound batch instead"
            )
        if cache is not None and not share:
            raise ValueError(
                "a file of scores is neither read nor written where nothing is shared; leave out cache, or share=False"
            )
        self.key, self.chunk, self.share, self._on_failure = key or traits.key, chunk, share, on_failure
        self.usage, self.breakdown = usage, Breakdown()
        self.policy = (traits.policy or Policy()).changed(on_failure)
        self.guard = Guard(budget, usage) if budget is not None else UNLIMITED
        self.best = BestDesigns(samples if budget is not None else _FEW, max(_BEST, samples), self.key)
        self.first = FirstRewards(self.best.keys)
        self._keeps_for_others = cache is not None
        self.store = _store(reward, cache, journal)
        # of components and further scores, by the name of their cost
        self._stores: dict[str, NoStore] = {}
        counted: dict[str, Any] = {"cost": usage.reward, "outcomes": usage.outcomes, "breakdown": self.breakdown}
        limits: dict[str, Any] = {"budget": self.guard, "key": self.key, "at_once": chunk, "share": share}
        parts, observers = self._with_scorers(reward), [self.best.add, self.first.add]
        self.reward = Scorer(parts, policy=self.policy, store=self.store, observers=observers, **counted, **limits)
        self.scores = {name: self._score(name, score) for name, score in scores.items()}

    def further(self, designs: Any) -> dict[str, Tensor]:
        """The columns of designs beside their reward: its components, and further scores."""
        scores: dict[str, Tensor] = {name: score(designs) for name, score in self.scores.items()}
        return columns_of(self.reward.reward, designs) | scores

    def resume(self, best: Mapping[str, Any], breakdown: Mapping[str, Any]) -> None:
        """Goes on where the ledger is what it was, from the states of the best designs and of the breakdown."""
        self.breakdown.restore(breakdown)
        self.store.resume(self.usage.reward.rows)
        for name, store in self._stores.items():
            store.resume(self.breakdown.components[name].rows)
        self.best.resume(dict(best))
        self.first.stop()

    def close(self) -> None:
        """Closes the files of scores that the run opened."""
        self.store.close()

    def _with_scorers(self, reward: Reward) -> Reward:
        return reward.asking(self._component) if isinstance(reward, Composite) else reward

    def _component(self, name: str, reward: Reward) -> ComponentScorer:
        return ComponentScorer(
            reward,
            policy=(traits_of(reward).policy or Policy()).changed(self._on_failure),
            outcomes=self.usage.outcomes,  # retries alone: failures are counted by the reward
            store=self._store_of(reward, name, f"component {name}"),
            **self._common(name, reward, "component"),
        )

    def _score(self, name: str, reward: Reward) -> Scorer:
        try:
            store = self._store_of(reward, name, f"score {name}")
        except ValueError:  # it cannot be told from others, so its scores are kept for this run alone
            store = NoStore()
        policy = traits_of(reward).policy or NoNumber(retries=self.policy.retries)
        return Scorer(reward, policy=policy, outcomes=Outcomes(), store=store, **self._common(name, reward, "score"))

    def _common(self, name: str, reward: Reward, kind: str) -> dict[str, Any]:
        traits = traits_of(reward)
        return {
            "cost": self.breakdown.components.setdefault(name, Cost()),
            "key": self.key or traits.key,
            "at_once": None if self.chunk is None else min(self.chunk, traits.at_once),
            "share": self.share,
            "source": f"{kind} {name}",
        }

    def _store_of(self, reward: Reward, name: str, source: str) -> NoStore:
        if isinstance(self.store, StoredScores) and self.share and not traits_of(reward).groupwise:
            identity = _identity(reward, source, self._keeps_for_others)
            self._stores[name] = self.store.beside(identity, name)
        return self._stores.get(name, NoStore())


def _store(reward: Reward, cache: ScoreCache | str | Path | None, journal: Journal | None) -> NoStore:
    whole = traits_of(reward).groupwise
    if cache is None and (journal is None or whole):
        return NoStore()
    if whole:
        raise ValueError(
            "a groupwise reward has no score of a design alone, so there is nothing to keep in a file of scores"
        )
    name = _name(reward)
    identity = _identity(reward, name, cache is not None)
    opened = ScoreCache(cache) if isinstance(cache, str | Path) else cache
    return StoredScores(identity, name, opened, journal, owned=opened is not cache)


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
