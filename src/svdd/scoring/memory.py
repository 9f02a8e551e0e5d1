"""Memory of rewards: what tells designs apart, so that a run pays once for each different one."""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from svdd.chain.tree import Tree, leaves, tree_map
from svdd.cost.batches import count
from svdd.scoring.reward import Key


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
    return designs if isinstance(designs, list) else [_row(designs, i) for i in range(count(designs))]


def bytes_key(design: Any) -> str:
    """What tells one tensor, or tree of them, from others: a hash of type, shape and bits."""
    digest = hashlib.blake2b(digest_size=16)
    for leaf in leaves(design):
        digest.update(f"{leaf.dtype} {tuple(leaf.shape)} ".encode())
        digest.update(leaf.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def first_of(keys: Sequence[Hashable], wanted: Callable[[Hashable], bool]) -> list[int]:
    """The row of the first of each different key that is wanted, in order."""
    first = {k: i for i, k in reversed(list(enumerate(keys))) if wanted(k)}
    return sorted(first.values())


def _row(designs: Tree, i: int) -> Tree:
    return tree_map(lambda leaf: leaf[i], designs)


def _are_tensors(designs: Any) -> bool:
    parts = designs.values() if isinstance(designs, dict) else designs if isinstance(designs, tuple) else [designs]
    return all(isinstance(part, Tensor) or (isinstance(part, dict | tuple) and _are_tensors(part)) for part in parts)
