"""Memory of rewards: what tells designs apart, so that a run pays once for each different one."""

from collections.abc import Container, Hashable, Sequence
from typing import Any

from torch import Tensor

from svdd.chain.designs import bytes_key, comparable, one_by_one
from svdd.scoring.reward import Key


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


def first_of(keys: Sequence[Hashable], *known: Container[Hashable]) -> list[int]:
    """The row of the first of each different key that is in none of the known ones, in order."""
    rows: Sequence[int] = range(len(keys))
    for some in known:
        rows = [row for row in rows if keys[row] not in some]
    first = {keys[row]: row for row in reversed(rows)}
    return sorted(first.values())


def _are_tensors(designs: Any) -> bool:
    parts = designs.values() if isinstance(designs, dict) else designs if isinstance(designs, tuple) else [designs]
    return all(isinstance(part, Tensor) or (isinstance(part, dict | tuple) and _are_tensors(part)) for part in parts)
