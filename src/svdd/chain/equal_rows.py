"""Equal rows: which rows of a state are the same, so that what follows is done once for each different one.

Rows are compared by their bytes, copied to the CPU in one piece: no two different rows are ever taken for one.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor

from svdd.chain.tree import Tree, leaves, rows, take

_LONGEST = 1024  # bytes of a key; a longer row has a digest in its place


class NoEqualRows:
    """Rows of which none are known to be equal: each is of a kind of its own.

    Args:
        n: how many there are.
    """

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        """The number of kinds."""
        return self.n

    @property
    def repeats(self) -> int:
        """Rows beyond the first of each kind."""
        return 0

    def distinct(self, tree: Tree) -> Tree:
        """The first row of each kind."""
        return tree

    def spread(self, tree: Tree) -> Tree:
        """From one row of each kind back to all rows."""
        return tree

    def spread_designs(self, designs: Any) -> Any:
        """As `spread`, for designs: a list, or a tree."""
        return designs

    def of(self, index: Int64[Tensor, " k"]) -> Int64[Tensor, " k"]:
        """The kinds of the rows at `index`."""
        return index


class EqualRows(NoEqualRows):
    """Rows some of which are equal.

    Args:
        keys: of every row, equal for equal rows.

    Attributes:
        keys: of every kind, in the order of their first appearance.
        first: the first row of each kind.
        kind: of every row.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        first: dict[bytes, int] = {}
        like = np.fromiter(map(first.setdefault, keys, range(len(keys))), np.int64, len(keys))  # each row's first
        super().__init__(len(first))
        self.keys, self.first = list(first), list(first.values())
        self.kind = torch.from_numpy(np.array(self.first).searchsorted(like))

    @property
    def repeats(self) -> int:
        """See `NoEqualRows`."""
        return len(self.kind) - self.n

    def distinct(self, tree: Tree) -> Tree:
        """See `NoEqualRows`."""
        return take(tree, torch.tensor(self.first, device="cpu")) if leaves(tree) else tree

    def spread(self, tree: Tree) -> Tree:
        """See `NoEqualRows`."""
        return take(tree, self.kind)

    def spread_designs(self, designs: Any) -> Any:
        """See `NoEqualRows`."""
        return [designs[i] for i in self.kind.tolist()] if isinstance(designs, list) else self.spread(designs)

    def of(self, index: Int64[Tensor, " k"]) -> Int64[Tensor, " k"]:
        """See `NoEqualRows`."""
        return self.kind[index]


def equal_rows(tree: Tree) -> EqualRows:
    """Which rows of a tree are equal in all their bits.

    Args:
        tree: at least one row.

    Raises:
        ValueError: if its leaves have different lengths.
    """
    rows(tree)
    parts = [_on_the_cpu(leaf) for leaf in leaves(tree)]
    whole = [part for part in parts if part.dtype == np.int64]
    few = _fewest_bytes(max((int(part.view(np.uint64).max()) for part in whole if part.size), default=0))
    seen: list[NDArray[np.uint8]] = [
        np.ascontiguousarray(part, few if part.dtype == np.int64 else None).view(np.uint8) for part in parts
    ]
    return EqualRows(_keys(np.concatenate(seen, 1) if len(seen) > 1 else seen[0]))


def _on_the_cpu(leaf: Tensor) -> NDArray[np.generic]:
    flat = leaf.detach().flatten(1) if leaf.ndim > 1 else leaf.detach()[:, None]
    return (flat.view(torch.int16) if flat.dtype == torch.bfloat16 else flat).cpu().numpy()


def _fewest_bytes(largest: int) -> type[np.integer]:
    """The type in which whole numbers are compared, one for all of a state, so that lengths of keys tell types apart."""
    return np.uint8 if largest < 2**8 else np.int32 if largest < 2**31 else np.int64  # negative ones are rare


def _keys(table: NDArray[np.uint8]) -> list[bytes]:
    width = table.shape[1]
    keys: list[bytes] = table.view(f"V{width}").ravel().tolist() if width else [b""] * len(table)
    return keys if width <= _LONGEST else [hashlib.blake2b(key, digest_size=16).digest() for key in keys]
