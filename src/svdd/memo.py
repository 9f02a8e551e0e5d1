"""Memory of rewards: a run asks for every different design once, and never for one whose score is on disk."""

import copy
import hashlib
import math
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from svdd.accounting import Cost, Outcomes, count, picked
from svdd.breakdown import Breakdown
from svdd.outcomes import FAILURES
from svdd.pending import Reward, staged
from svdd.score_cache import ScoreCache
from svdd.tree import leaves, tree_map
from svdd.values import checked

Key = Callable[[Any], Hashable]
Found = tuple[float, str]
"""A score on a shelf, and what was told of it, as `Shelves.keep` has it."""


def comparable(designs: Any) -> bool:
    """Whether designs can be looked up: text and numbers can, arrays and most objects cannot, pixels are rarely equal."""
    return isinstance(designs, list) and all(isinstance(d, str | bytes | int | float | tuple) for d in designs)


def keys_of(designs: Any, key: Key | None, bits: bool = False) -> list[Hashable] | None:
    """What tells designs apart; None where nothing does.

    Args:
        designs: any.
        key: of one of them.
        bits: whether tensors are told apart by their bits where there is no key.
    """
    if key is None and comparable(designs):
        return list(designs)
    if key is None and not (bits and _are_tensors(designs)):
        return None
    return [(key or bytes_key)(design) for design in one_by_one(designs)]


def one_by_one(designs: Any) -> list[Any]:
    """Designs apart: of tensors, and of trees of them, the rows."""
    if isinstance(designs, list):
        return designs
    return [tree_map(lambda leaf, row=row: leaf[row], designs) for row in range(count(designs))]


def bytes_key(design: Any) -> str:
    """What tells one tensor, or tree of them, from others: a hash of type, shape and bits."""
    told = hashlib.blake2b(digest_size=16)
    for leaf in leaves(design):
        told.update(f"{leaf.dtype} {tuple(leaf.shape)} ".encode())
        told.update(leaf.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    return told.hexdigest()


def memoised(reward: Reward, key: Key | None = None, cost: Cost | None = None, bits: bool = False) -> Reward:
    """`reward`, asked once for each different design, also while the answer is still on its way.

    Args:
        reward: designs to one number each; a design's number must not depend on the others in the batch.
        key: what makes two designs the same; the design itself unless given, where it is text, a number or a tuple.
            Other designs are not looked up without it.
        cost: where to count hits.
        bits: whether tensors are looked up by their bits, which takes longer than a cheap reward.
    """
    ledger = Cost() if cost is None else cost
    known: dict[Hashable, float] = {}
    pending: set[Hashable] = set()

    def ask(designs: Any, keys: list[Hashable], rows: list[int]) -> Generator[Any, Any, None]:
        pending.update(keys[i] for i in rows)
        try:
            asked = picked(designs, rows)
            numbers = checked((yield asked), asked, len(rows)).tolist()
        finally:
            pending.difference_update(keys[i] for i in rows)
        known.update(zip((keys[i] for i in rows), numbers, strict=True))

    def stage(designs: Any) -> Generator[Any, Any, Any]:
        keys = keys_of(designs, key, bits)
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


def _are_tensors(designs: Any) -> bool:
    parts = designs.values() if isinstance(designs, dict) else designs if isinstance(designs, tuple) else [designs]
    return all(isinstance(part, Tensor) or (isinstance(part, dict | tuple) and _are_tensors(part)) for part in parts)


def _count(found: Found, outcomes: Outcomes, breakdown: Breakdown) -> None:
    """Counts what a lost part of the run had counted: a failure, or an invalid design and why it was."""
    score, kind = found
    name, _, why = (kind or ("invalid" if math.isinf(score) else "")).partition(": ")
    if name:
        setattr(outcomes, name, getattr(outcomes, name) + 1)
    if why:
        breakdown.count(why)
