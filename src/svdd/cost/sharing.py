"""Sharing: the network computes each different state once."""

from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from svdd.chain.denoisers import Denoiser
from svdd.chain.distributions import Distribution
from svdd.chain.tree import Tree, concatenate, distinct_rows, leaves, row_hash, rows, take, tree_map
from svdd.cost.ledger import Cost


class Answered:
    """States with their answers, the latest that fit into a number of bytes; later ones overwrite the earliest."""

    def __init__(self, limit: int) -> None:
        self.limit, self.size, self.next = limit, 0, 0
        self.place: dict[int, int] = {}  # of each hash
        self.hashes: list[int | None] = []  # of each place
        self.key: Tree = ()
        self.answers: Any = None

    def find(self, key: Tree, hashes: list[int]) -> Int64[Tensor, " u"]:
        """For every row of `key` its place, or -1; hashes find it and the rows themselves decide."""
        device = leaves(key)[0].device
        place = torch.tensor([self.place.get(one, -1) for one in hashes], device=device)
        if self.answers is None:
            return place
        same = place >= 0
        for mine, theirs in zip(leaves(key), leaves(self.key), strict=True):
            same &= (mine == theirs[place.clamp(min=0)]).reshape(len(mine), -1).all(1)
        return torch.where(same, place, -1)

    def add(self, key: Tree, answers: Distribution, hashes: list[int]) -> None:
        """Keeps rows that `find` did not know."""
        if self.answers is None:
            self._allocate(key, answers)
        fit = slice(max(len(hashes) - self.size, 0), None)
        hashes = hashes[fit]
        places = [(self.next + i) % self.size for i in range(len(hashes))]
        self.next = (self.next + len(hashes)) % self.size
        for place, one in zip(places, hashes, strict=True):
            old = self.hashes[place]
            if old is not None and self.place.get(old) == place:
                del self.place[old]
            self.place[one], self.hashes[place] = place, one
        for kept, fresh in zip(
            (*leaves(self.key), *leaves(self.answers)), (*leaves(key), *leaves(answers)), strict=True
        ):
            kept[torch.tensor(places, device=kept.device)] = fresh[fit]

    def _allocate(self, key: Tree, answers: Distribution) -> None:
        row = sum(leaf[:1].numel() * leaf.element_size() for leaf in (*leaves(key), *leaves(answers)))
        self.size = max(1, self.limit // row)
        self.hashes = [None] * self.size
        self.key, self.answers = (
            tree_map(lambda leaf: leaf.new_empty((self.size, *leaf.shape[1:])), tree) for tree in (key, answers)
        )


def deduplicated(
    denoiser: Denoiser, cost: Cost | None = None, time_independent: bool = False, rows_each: int = 1, keep: int = 2**26
) -> Denoiser:
    """`denoiser`, asked once for each different (state, conditioning) row.

    With `time_independent` answers are kept: a candidate that equals its parent, or any state of the steps before, costs
    nothing.

    Args:
        denoiser: a denoiser, or a learned value, of discrete states (equal continuous states are rare).
        cost: where to count hits.
        time_independent: whether the denoiser ignores t.
        rows_each: rows a state costs, as for `metered`.
        keep: bytes of answers to keep, the latest; 64 MiB.
    """
    ledger = Cost() if cost is None else cost
    known = Answered(keep if time_independent else 0)

    def wrapper(x: Tree, t: Tensor, cond: Tree) -> Any:
        key = (x, cond)
        first, group = distinct_rows(key)
        key = take(key, first)
        hashes = row_hash(key).tolist() if time_independent else []
        place = known.find(key, hashes) if time_independent else torch.full_like(first, -1)
        old, new = (place >= 0).nonzero().flatten(), (place < 0).nonzero().flatten()
        parts = [take(known.answers, place[old])] if len(old) else []
        if len(new):
            fresh = take(key, new)
            parts.append(denoiser(fresh[0], t, fresh[1]))
            if time_independent:
                known.add(fresh, parts[-1], [hashes[i] for i in new.tolist()])
        ledger.hits += (rows(x) - len(new)) * rows_each
        where = torch.cat([old, new]).argsort()
        return take(concatenate(parts), where[group])

    def is_known(x: Tree, cond: Tree) -> Bool[Tensor, " r"]:
        return known.find((x, cond), row_hash((x, cond)).tolist()) >= 0

    wrapper.known = is_known if time_independent else None  # type: ignore[attr-defined]
    return wrapper


def _discrete(shared: Denoiser, plain: Denoiser) -> Denoiser:
    """`shared` for integer states, `plain` for others: equal floats are too rare to look for."""

    def wrapper(x: Tree, t: Tensor, cond: Tree) -> Any:
        whole = not any(leaf.is_floating_point() for leaf in leaves(x))
        return (shared if whole else plain)(x, t, cond)

    wrapper.known = getattr(shared, "known", None)  # type: ignore[attr-defined]
    return wrapper
