"""Scores on disk: a file shared with other runs, and the run's own journal."""

import copy
import math
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from svdd.cost.batches import count, picked
from svdd.cost.ledger import Breakdown, Cost, Outcomes
from svdd.scoring.memory import Key, keys_of
from svdd.scoring.policy import FAILURES
from svdd.scoring.reward import Reward, checked, staged
from svdd.scoring.score_file import ScoreCache

Found = tuple[float, str]
"""A score on a shelf, and what was told of it, as `Shelves.keep` has it."""


class Shelves:
    """Where a run finds and keeps the scores of its reward: a cache shared with others, and its own journal.

    Failures are kept in the journal only: another run may fare better.

    Args:
        identity: of the reward.
        name: of the reward, for people.
        cache: scores of any run.
        journal: scores of this run, in the order in which they were paid; or what makes one for the first of them.
        key: what tells designs apart, where they are not text or numbers; of tensors their bits, unless given.
        owned: whether `close` closes the cache too.
    """

    def __init__(
        self,
        identity: str,
        name: str = "",
        cache: ScoreCache | None = None,
        journal: ScoreCache | Callable[[], ScoreCache] | None = None,
        key: Key | None = None,
        owned: bool = True,
    ) -> None:
        self.identity, self.name, self.cache, self.key, self.owned = identity, name, cache, key, owned
        begun = isinstance(journal, ScoreCache)
        self.journal: ScoreCache | None = journal if begun else None  # type: ignore[assignment]
        self._begin: Callable[[], ScoreCache] | None = None if begun else journal  # type: ignore[assignment]
        self._files = self
        self._billed = 0

    def beside(self, identity: str, name: str, key: Key | None) -> "Shelves":
        """Shelves for another reward in the same files."""
        other = copy.copy(self)
        other.identity, other.name, other.key, other._billed = identity, name, key, 0
        return other

    def bill(self, scores: int) -> None:
        """So many scores of the journal are on the bill already; later ones were paid by a part of the run that was lost."""
        journal = self._files.journal
        self._billed = journal.number_of(self.identity, scores) if journal is not None else 0

    def keep(self, designs: Any, numbers: Tensor, told: Mapping[int, str]) -> None:
        """Writes down an answer, as it arrives.

        Args:
            designs: that were asked for.
            numbers: what they became.
            told: by row, the kind of a failure, or `invalid: ` and why.
        """
        keys, files = self._keys(designs), self._files
        if keys is None:
            return
        scores = dict(zip(keys, numbers.tolist(), strict=True))
        kinds = {keys[row]: kind for row, kind in told.items()}
        if files._begin is not None:
            files.journal, files._begin = files._begin(), None
        if files.journal is not None:
            files.journal.put(self.identity, scores, self.name, kinds)
        if self.cache is not None:
            failed = {key for key, kind in kinds.items() if kind in FAILURES}
            self.cache.put(self.identity, {k: v for k, v in scores.items() if k not in failed}, self.name, kinds)

    def close(self) -> None:
        """Closes the files."""
        for file in (self.cache if self.owned else None, self._files.journal):
            if file is not None:
                file.close()

    def first(
        self,
        reward: Reward,
        cost: Cost,
        outcomes: Outcomes,
        breakdown: Breakdown,
        again: Reward = lambda designs: None,
    ) -> Reward:
        """`reward`, asked only for designs that are on no shelf.

        Args:
            reward: any.
            cost: where to count what is on a shelf.
            outcomes: where to count what the lost part of the run had counted.
            breakdown: likewise.
            again: told of the designs that the lost part had answers for.
        """

        def stage(designs: Any) -> Generator[Any, Any, Any]:
            keys = self._keys(designs)
            if keys is None:
                return (yield designs)
            found, lost = self.look(keys, cost)
            for key in lost:
                _count(found[key], outcomes, breakdown)
            again(picked(designs, [keys.index(key) for key in lost if found[key][1] not in FAILURES]))
            rows = [i for i, key in enumerate(keys) if key not in found]
            numbers = torch.tensor([found[k][0] if k in found else math.nan for k in keys], dtype=torch.float64)
            if rows:
                asked = picked(designs, rows)
                numbers[rows] = checked((yield asked), asked, len(rows))
            return numbers

        return staged(reward, stage)

    def look(self, keys: Sequence[Hashable], cost: Cost) -> tuple[dict[Hashable, Found], list[Hashable]]:
        """What is on the shelves, and of which the lost part of a run paid for; those go on the bill again."""
        journal = self._files.journal
        mine = journal.get(self.identity, keys) if journal is not None else {}
        rest = [key for key in keys if key not in mine]
        theirs = self.cache.get(self.identity, rest) if self.cache is not None else {}
        lost = [key for key, (_, number, _) in mine.items() if number > self._billed]
        cost.rows += len(lost)
        cost.hits += len(mine) - len(lost) + len(theirs)
        return {key: (score, kind) for key, (score, _, kind) in {**theirs, **mine}.items()}, lost

    def _keys(self, designs: Any) -> list[Hashable] | None:
        keys = keys_of(designs, self.key, bits=True)
        if keys is None and self.cache is not None:
            raise ValueError(
                f"a file of scores needs designs that are text, numbers or tensors, or key=..., which tells them apart; "
                f"these {count(designs)} are a {type(designs).__name__}"
            )
        return keys


def _count(found: Found, outcomes: Outcomes, breakdown: Breakdown) -> None:
    """Counts what a lost part of the run had counted: a failure, or an invalid design and why it was."""
    score, kind = found
    name, _, why = (kind or ("invalid" if math.isinf(score) else "")).partition(": ")
    if name:
        setattr(outcomes, name, getattr(outcomes, name) + 1)
    if why:
        breakdown.count(why)
