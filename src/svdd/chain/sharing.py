"""Sharing: what a process computes once for equal rows; this one computes every row for itself."""

from typing import Any

from torch import Tensor

from svdd.chain.denoisers import Denoiser
from svdd.chain.equal_rows import NoEqualRows
from svdd.chain.tree import Tree, rows


class NoSharing:
    """Every row is computed for itself."""

    def equal(self, x: Tree, cond: Tree) -> NoEqualRows:
        """Which rows share an answer."""
        return NoEqualRows(rows(x))

    def answer(self, denoiser: Denoiser, x: Tree, t: Tensor, cond: Tree, equal: NoEqualRows) -> Any:
        """What the denoiser says of one row of each kind."""
        return denoiser(equal.distinct(x), t, equal.distinct(cond))

    def known(self, equal: NoEqualRows) -> list[bool]:
        """Of which kinds an answer is known already."""
        return [False] * len(equal)


NOTHING_SHARED = NoSharing()
