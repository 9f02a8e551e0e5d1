"""Memory of rewards: a run asks for every different design once, and never for one whose score is on disk."""

import hashlib
from collections.abc import Callable, Generator, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from svdd.chain.tree import leaves, tree_map
from svdd.cost.batches import count, picked
from svdd.cost.ledger import Cost
from svdd.scoring.reward import Reward, checked, staged

Key = Callable[[Any], Hashable]


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


def _are_tensors(designs: Any) -> bool:
    parts = designs.values() if isinstance(designs, dict) else designs if isinstance(designs, tuple) else [designs]
    return all(isinstance(part, Tensor) or (isinstance(part, dict | tuple) and _are_tensors(part)) for part in parts)
