"""Rows in batches: how many go at once, and what to do when memory ends."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.chain.tree import Tree, concatenate, rows, take, tree_map


def count(designs: Any) -> int:
    """How many designs there are: tensors and lists by length, other states by their rows."""
    return rows(designs) if isinstance(designs, dict | tuple) else len(designs)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    said = any(words in str(error) for words in ("can't allocate memory", "not enough memory"))  # torch, on the CPU
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (isinstance(error, RuntimeError) and said)


def between(rows_: Any, start: int, stop: int) -> Any:
    """Rows `start` to `stop`; a time, which has no rows, is passed on as it is."""
    if isinstance(rows_, list):
        return rows_[start:stop]
    return tree_map(lambda leaf: leaf[start:stop] if leaf.ndim else leaf, rows_)


def picked(designs: Any, index: Sequence[int]) -> Any:
    """Chosen rows of a list or a tree."""
    return (
        [designs[i] for i in index]
        if isinstance(designs, list)
        else take(designs, torch.tensor(index, dtype=torch.int64, device="cpu"))
    )


def joined(parts: Sequence[Any]) -> Any:
    """Rows of lists or trees, one after the other."""
    return [row for part in parts for row in part] if isinstance(parts[0], list) else concatenate(parts)


def chunked(f: Callable[..., Any], limit: int) -> Callable[..., Any]:
    """`f` on at most `limit` rows at a time; halves the limit when memory runs out, and says so once.

    The results are those of one call, row by row.

    Raises:
        ValueError: for a limit below 1.
    """
    if limit < 1:
        raise ValueError(f"a chunk has at least 1 row, got {limit}")
    size = limit

    def in_chunks(x: Any, *args: Any) -> Any:
        nonlocal size
        n, start, parts = count(x), 0, []
        while start < n:
            try:
                stop = min(start + size, n)
                parts.append(f(*(between(arg, start, stop) for arg in (x, *args))))
                start = stop
            except Exception as error:
                if not out_of_memory(error) or size == 1:
                    raise
                if size == limit:
                    warnings.warn(f"out of memory with {size} rows at a time: going on with fewer", stacklevel=2)
                size = max(1, min(size, n) // 2)
        return joined(parts)

    return in_chunks


def in_full_batches(f: Callable[[Any], Tensor], size: int) -> Callable[[Any], Tensor]:
    """`f` on batches of exactly `size` rows, the last one padded with its own first row.

    Matrix products of another shape round differently. With one shape a row's answer does not depend on how many rows
    came with it, so neither chunking, de-duplication nor a restart can change a design in its last bit.
    """

    def wrapper(x: Tree) -> Float[Tensor, "n *rest"]:
        parts, n = [], rows(x)
        for first in range(0, n, size):
            part = between(x, first, first + size)
            there, row = min(size, n - first), torch.arange(size, device="cpu")
            parts.append(f(part if there == size else take(part, torch.where(row < there, row, 0)))[:there])
        return torch.cat(parts)

    return wrapper
