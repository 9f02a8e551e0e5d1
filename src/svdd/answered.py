"""States that a network has answered, in bounded memory."""

from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from svdd.distributions import Distribution
from svdd.tree import Tree, leaves, tree_map


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
