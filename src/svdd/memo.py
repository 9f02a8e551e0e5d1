"""Memory of rewards: a run asks for every different design once, and never for one whose score is on disk."""

import math
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from svdd.accounting import Cost, Outcomes, count
from svdd.pending import Reward, staged
from svdd.score_cache import ScoreCache
from svdd.values import checked

Key = Callable[[Any], Hashable]


def comparable(designs: Any) -> bool:
    """Whether designs can be looked up: text and numbers can, arrays and most objects cannot, pixels are rarely equal."""
    return isinstance(designs, list) and all(isinstance(d, str | bytes | int | float | tuple) for d in designs)


def keys_of(designs: Any, key: Key | None) -> list[Hashable] | None:
    """What tells designs apart; None where nothing does."""
    if key is None:
        return list(designs) if comparable(designs) else None
    return [key(design) for design in designs]


def memoised(reward: Reward, key: Key | None = None, cost: Cost | None = None) -> Reward:
    """`reward`, asked once for each different design, also while the answer is still on its way.

    Args:
        reward: designs to one number each; a design's number must not depend on the others in the batch.
        key: what makes two designs the same; the design itself unless given, where it is text, a number or a tuple.
            Other designs are not looked up without it.
        cost: where to count hits.
    """
    ledger = Cost() if cost is None else cost
    known: dict[Hashable, float] = {}
    pending: set[Hashable] = set()

    def ask(designs: Any, keys: list[Hashable], rows: list[int]) -> Generator[Any, Any, None]:
        pending.update(keys[i] for i in rows)
        try:
            numbers = checked((yield [designs[i] for i in rows]), [designs[i] for i in rows], len(rows)).tolist()
        finally:
            pending.difference_update(keys[i] for i in rows)
        known.update(zip((keys[i] for i in rows), numbers, strict=True))

    def stage(designs: Any) -> Generator[Any, Any, Any]:
        keys = keys_of(designs, key)
        if keys is None:
            return (yield designs)
        fresh = first_of(keys, lambda k: k not in known and k not in pending)
        if fresh:
            yield from ask(designs, keys, fresh)
        elif pending:
            yield None
        late = first_of(keys, lambda k: k not in known)  # none, if answers are taken in the order of the questions
        if late:
            yield from ask(designs, keys, late)
        ledger.hits += len(keys) - len(fresh) - len(late)
        return torch.tensor([known[k] for k in keys], dtype=torch.float64)

    return staged(reward, stage)


def first_of(keys: Sequence[Hashable], wanted: Callable[[Hashable], bool]) -> list[int]:
    """The row of the first of each different key that is wanted, in order."""
    first = {k: i for i, k in reversed(list(enumerate(keys))) if wanted(k)}
    return sorted(first.values())


class Shelves:
    """Where a run finds and keeps the scores of its reward: a cache shared with others, and its own journal.

    Failures are kept in the journal only: another run may fare better.

    Args:
        identity: of the reward.
        name: of the reward, for people.
        cache: scores of any run.
        journal: scores of this run, in the order in which they were paid; or what makes one for the first of them.
        key: what tells designs apart, where they are not text or numbers.
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
        self.billed = 0
        """Scores of the journal that are on the bill already; later ones were paid by a part of the run that was lost."""

    def keep(self, designs: Any, numbers: Tensor, failed: Mapping[int, str]) -> None:
        """Writes down an answer, as it arrives."""
        keys = self._keys(designs)
        if keys is None:
            return
        scores = dict(zip(keys, numbers.tolist(), strict=True))
        kinds = {keys[row]: kind for row, kind in failed.items()}
        if self._begin is not None:
            self.journal, self._begin = self._begin(), None
        if self.journal is not None:
            self.journal.put(self.identity, scores, self.name, kinds)
        if self.cache is not None:
            self.cache.put(self.identity, {k: v for k, v in scores.items() if k not in kinds}, self.name)

    def close(self) -> None:
        """Closes the files."""
        for file in (self.cache if self.owned else None, self.journal):
            if file is not None:
                file.close()

    def first(self, reward: Reward, cost: Cost, outcomes: Outcomes) -> Reward:
        """`reward`, asked only for designs that are on no shelf."""

        def stage(designs: Any) -> Generator[Any, Any, Any]:
            keys = self._keys(designs)
            if keys is None:
                return (yield designs)
            found = self._found(keys, cost, outcomes)
            rows = [i for i, key in enumerate(keys) if key not in found]
            numbers = torch.tensor([found.get(key, math.nan) for key in keys], dtype=torch.float64)
            if rows:
                numbers[rows] = checked((yield [designs[i] for i in rows]), [designs[i] for i in rows], len(rows))
            return numbers

        return staged(reward, stage)

    def _found(self, keys: Sequence[Hashable], cost: Cost, outcomes: Outcomes) -> dict[Hashable, float]:
        """Scores on the shelves; those that the lost part of a run paid go on the bill again."""
        mine = self.journal.get(self.identity, keys) if self.journal is not None else {}
        lost = {key: told for key, told in mine.items() if told[1] > self.billed}
        for score, _, kind in lost.values():
            name = kind or ("invalid" if math.isinf(score) else None)
            if name is not None:
                setattr(outcomes, name, getattr(outcomes, name) + 1)
        rest = [key for key in keys if key not in mine]
        theirs = self.cache.get(self.identity, rest) if self.cache is not None else {}
        cost.rows += len(lost)
        cost.hits += len(mine) - len(lost) + len(theirs)
        return {key: told[0] for key, told in {**theirs, **mine}.items()}

    def _keys(self, designs: Any) -> list[Hashable] | None:
        keys = keys_of(designs, self.key)
        if keys is None and self.cache is not None:
            raise ValueError(
                f"a file of scores needs designs that are text or numbers, or key=..., which tells them apart; "
                f"these {count(designs)} are a {type(designs).__name__}"
            )
        return keys
