"""Scores on disk: a file shared with other runs, and the run's own journal."""

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from svdd.cost.batches import count
from svdd.cost.ledger import Cost
from svdd.scoring.policy import FAILURES
from svdd.scoring.score_file import ScoreCache

Journal = ScoreCache | Callable[[], ScoreCache]


class Stored(NamedTuple):
    """A score from a file.

    Args:
        score: the number.
        outcome: empty, the kind of a failure, or `invalid: ` and why.
    """

    score: float
    outcome: str


class NoStore:
    """Keeps nothing; what a reward has where a run has no file of scores."""

    identity = ""
    """Of the reward whose scores are kept; empty where none are."""
    by_bits = False
    """Whether tensors are told apart by their bits, which takes longer than a cheap reward."""

    def beside(self, identity: str, name: str) -> "NoStore":
        """The store of another reward in the same files."""
        return self

    def look_up(self, keys: Sequence[Hashable], cost: Cost) -> tuple[dict[Hashable, Stored], list[Hashable]]:
        """The scores that are in the files, and the keys of those that a lost part of the run paid for.

        Args:
            keys: of designs.
            cost: where to count: a lost row is on the bill again, any other is a hit.
        """
        return {}, []

    def put(self, scores: Mapping[Hashable, float], outcomes: Mapping[Hashable, str]) -> None:
        """Keeps scores as they arrive; `outcomes` are those that are not empty, see `Stored`."""

    def require_keys(self, designs: Any) -> None:
        """Says that designs which nothing tells apart cannot be kept.

        Raises:
            ValueError: if there is a file to keep them in.
        """

    def resume(self, rows: int) -> None:
        """The first `rows` scores of the journal were counted before the last save; later ones are counted again."""

    def close(self) -> None:
        """Closes the files."""


class StoredScores(NoStore):
    """The scores of one reward in a shared file and in the journal of a run.

    Failures are kept in the journal only: another run may fare better.

    Args:
        identity: of the reward.
        name: of the reward, for people.
        cache: scores of any run.
        journal: scores of this run, in the order in which they were paid; or what makes one for the first of them.
        owned: whether `close` closes the shared file too.
    """

    by_bits = True

    def __init__(
        self,
        identity: str,
        name: str = "",
        cache: ScoreCache | None = None,
        journal: Journal | None = None,
        owned: bool = True,
    ) -> None:
        self.identity, self.name, self.cache, self.owned = identity, name, cache, owned
        self.journal = journal if isinstance(journal, ScoreCache) else None
        self._begin = None if isinstance(journal, ScoreCache) else journal
        self._files, self._counted = self, 0
        self._warn_of_lost_scores()

    def beside(self, identity: str, name: str) -> "StoredScores":
        """The store of another reward in the same files."""
        other = copy.copy(self)
        other.identity, other.name, other._counted = identity, name, 0
        other._warn_of_lost_scores()
        return other

    def _warn_of_lost_scores(self) -> None:
        for file in _given(self.cache, self._files.journal):
            file.warn_of_lost_scores(self.identity, self.name)

    def look_up(self, keys: Sequence[Hashable], cost: Cost) -> tuple[dict[Hashable, Stored], list[Hashable]]:
        """See `NoStore`."""
        journal = self._files.journal
        mine = journal.get(self.identity, keys) if journal is not None else {}
        rest = [key for key in keys if key not in mine]
        theirs = self.cache.get(self.identity, rest) if self.cache is not None else {}
        lost = [key for key, (_, number, _) in mine.items() if number > self._counted]
        cost.rows += len(lost)
        cost.hits += len(mine) - len(lost) + len(theirs)
        return {key: Stored(score, outcome) for key, (score, _, outcome) in {**theirs, **mine}.items()}, lost

    def put(self, scores: Mapping[Hashable, float], outcomes: Mapping[Hashable, str]) -> None:
        """See `NoStore`."""
        files = self._files
        if files._begin is not None:
            files.journal, files._begin = files._begin(), None
        if files.journal is not None:
            files.journal.put(self.identity, scores, self.name, outcomes)
        if self.cache is not None:
            lasting = {key: score for key, score in scores.items() if outcomes.get(key) not in FAILURES}
            self.cache.put(self.identity, lasting, self.name, outcomes)

    def require_keys(self, designs: Any) -> None:
        """See `NoStore`."""
        if self.cache is not None:
            raise ValueError(
                f"a file of scores needs designs that are text, numbers or tensors, or key=..., which tells them apart; "
                f"these {count(designs)} are a {type(designs).__name__}"
            )

    def resume(self, rows: int) -> None:
        """See `NoStore`."""
        journal = self._files.journal
        self._counted = journal.number_of(self.identity, rows) if journal is not None else 0

    def close(self) -> None:
        """See `NoStore`."""
        for file in _given(self.cache if self.owned else None, self._files.journal):
            file.close()


def _given(*files: ScoreCache | None) -> list[ScoreCache]:
    return [file for file in files if file is not None]
