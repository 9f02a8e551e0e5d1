"""Sharing: the network computes each different state once."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from svdd.chain.denoisers import Denoiser
from svdd.chain.distributions import Distribution
from svdd.chain.equal_rows import EqualRows, NoEqualRows, equal_rows
from svdd.chain.sharing import NoSharing
from svdd.chain.tree import Tree, leaves, rows, take, tree_map
from svdd.cost.ledger import Cost


class Answered:
    """Answers by the key of their state, the latest that fit into a number of bytes; later ones overwrite the earliest."""

    def __init__(self, limit: int) -> None:
        self.limit, self.size, self.next = limit, 0, 0
        self.place: dict[bytes, int] = {}
        self.keys: list[bytes | None] = []  # of each place
        self.answers: Any = None

    def look_up(self, keys: list[bytes]) -> tuple[list[int], list[int]]:
        """The place of each key, and which of them are new: their answers will go to these places, one after the other."""
        places = [self.place.get(key, -1) for key in keys]
        new = [i for i, place in enumerate(places) if place < 0]
        while new:  # what they would overwrite is no longer known
            lost = {i for i, place in enumerate(places) if place >= 0 and (place - self.next) % self.size < len(new)}
            if lost <= {*new}:
                break
            new = sorted({*new} | lost)
        for number, i in enumerate(new):
            places[i] = (self.next + number) % self.size
        return places, new

    def add(self, keys: list[bytes], answers: Distribution) -> None:
        """Keeps the answers of states that are new."""
        n, end = len(keys), min(len(keys), self.size - self.next)  # beyond the last place it begins again at the first
        for kept, fresh in zip(leaves(self.answers), leaves(answers), strict=True):
            kept[self.next : self.next + end] = fresh[:end]
            if n > end:
                kept[: n - end] = fresh[end:]
        places = [*range(self.next, self.next + end), *range(n - end)]
        for old, place in [(old, place) for place in places if (old := self.keys[place]) is not None]:
            if self.place.get(old) == place:
                del self.place[old]
        self.place.update(zip(keys, places, strict=True))
        self.keys[self.next : self.next + end], self.keys[: n - end] = keys[:end], keys[end:]
        self.next = (self.next + n) % self.size

    def allocate(self, state: Tree, answers: Distribution) -> None:
        """Makes room, once it is known how large an answer is."""
        row = sum(leaf[:1].numel() * leaf.element_size() for leaf in (*leaves(state), *leaves(answers)))
        self.size = max(1, self.limit // row)
        self.keys = [None] * self.size
        self.answers = tree_map(lambda leaf: leaf.new_empty((self.size, *leaf.shape[1:])), answers)


class Sharing(NoSharing):
    """Equal discrete states share an answer, and with a network that ignores time those of all steps do.

    Args:
        cost: where to count hits.
        time_independent: whether the denoiser ignores t.
        rows_each: rows a state costs, as for `metered`.
        keep: bytes of answers to keep, the latest; 64 MiB.
    """

    def __init__(
        self, cost: Cost | None = None, time_independent: bool = False, rows_each: int = 1, keep: int = 2**26
    ) -> None:
        self.cost, self.time_independent, self.rows_each = Cost() if cost is None else cost, time_independent, rows_each
        self._answered = Answered(keep)

    def equal(self, x: Tree, cond: Tree) -> NoEqualRows:
        """See `NoSharing`; equal floats are too rare to look for."""
        return NoEqualRows(rows(x)) if any(leaf.is_floating_point() for leaf in leaves(x)) else equal_rows((x, cond))

    def answer(self, denoiser: Denoiser, x: Tree, t: Tensor, cond: Tree, equal: NoEqualRows) -> Any:
        """See `NoSharing`."""
        answered = self._answered
        remembers = self.time_independent and isinstance(equal, EqualRows)
        if remembers and len(equal) <= answered.size:
            return self._remembered(denoiser, x, t, cond, equal)  # type: ignore[arg-type]
        answers = super().answer(denoiser, x, t, cond, equal)
        if remembers and answered.answers is None:
            answered.allocate((x, cond), answers)
            if len(equal) <= answered.size:
                answered.add(equal.keys, answers)  # type: ignore[attr-defined]
        self._count(equal.repeats)
        return answers

    def _remembered(self, denoiser: Denoiser, x: Tree, t: Tensor, cond: Tree, equal: EqualRows) -> Any:
        """The answers of all kinds, of which the new ones are asked for now."""
        answered = self._answered
        places, new = answered.look_up(equal.keys)
        # both in one copy, where it is not on the CPU
        index = torch.from_numpy(np.array([*places, *[equal.first[i] for i in new]], np.int64)).to(leaves(x)[0].device)
        if new:
            fresh = take((x, cond), index[len(places) :])
            answered.add([equal.keys[i] for i in new], denoiser(fresh[0], t, fresh[1]))
        self._count(equal.repeats + len(places) - len(new))
        return take(answered.answers, index[: len(places)])

    def _count(self, hits: int) -> None:
        self.cost.hits += hits * self.rows_each

    def known(self, equal: NoEqualRows) -> list[bool]:
        """See `NoSharing`."""
        if not self.time_independent or not isinstance(equal, EqualRows):
            return super().known(equal)
        return [key in self._answered.place for key in equal.keys]


def deduplicated(
    denoiser: Denoiser, cost: Cost | None = None, time_independent: bool = False, rows_each: int = 1, keep: int = 2**26
) -> Denoiser:
    """`denoiser`, asked once for each different (state, conditioning) row, for a loop of your own.

    With `time_independent` answers are kept: a candidate that equals its parent, or any state of the steps before, costs
    nothing. Arguments as `Sharing`.

    Args:
        denoiser: a denoiser, or a learned value; discrete states share answers (equal continuous ones are rare).
        cost: where to count hits.
        time_independent: whether the denoiser ignores t.
        rows_each: rows a state costs, as for `metered`.
        keep: bytes of answers to keep, the latest; 64 MiB.
    """
    sharing = Sharing(cost, time_independent, rows_each, keep)

    def shared(x: Tree, t: Tensor, cond: Tree) -> Any:
        equal = sharing.equal(x, cond)
        return equal.spread(sharing.answer(denoiser, x, t, cond, equal))

    return shared
