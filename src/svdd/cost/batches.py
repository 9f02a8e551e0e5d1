"""Rows in batches: how many go at once, and what to do when memory ends."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.chain.tree import Tree, concatenate, leaves, rows, take, tree_map


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
                parts.append(
                    f(x, *args) if stop - start == n else f(*(between(arg, start, stop) for arg in (x, *args)))
                )
                start = stop
            except Exception as error:
                if not out_of_memory(error) or size == 1:
                    raise
                if size == limit:
                    warnings.warn(f"out of memory with {size} rows at a time: going on with fewer", stacklevel=2)
                size = max(1, min(size, n) // 2)
        return parts[0] if len(parts) == 1 else joined(parts)

    return in_chunks


class FullBatches:
    """A network in batches of one shape: a row's answer does not depend on how many rows came with it.

    Matrix products of another shape may round differently, so that chunking, de-duplication or a restart could change a
    design in its last bit. So a batch has exactly `size` rows. The last one is rounded up to a multiple of 8 rows, or to 4,
    where this machine gives the same bits for that shape: the first batch of a shape is computed in both and compared.

    Cost: rows asked, rounded up; `size` rows more once per shape.

    Args:
        f: rows of a tree to rows of a tensor; further arguments, which have no rows, are passed on to it.
        size: rows of a full batch.
    """

    def __init__(self, f: Callable[..., Tensor], size: int) -> None:
        self.f, self.size = f, size
        self._same_bits: dict[tuple[Any, ...], bool] = {}

    def __call__(self, x: Tree, *args: Any) -> Float[Tensor, "n *rest"]:
        """The answers of all rows, in their order."""
        n = rows(x)
        if 0 < n <= self.size:
            return self._batch(x, args)
        return torch.cat([self._batch(between(x, i, i + self.size), args) for i in range(0, n, self.size)])

    def __reduce__(self) -> Any:
        return type(self), (self.f, self.size)  # another machine looks for itself

    def _batch(self, x: Tree, args: tuple[Any, ...]) -> Tensor:
        n = rows(x)
        few = min(4 if n <= 4 else -(-n // 8) * 8, self.size)
        if few == self.size:
            return self.f(_padded(x, few), *args)[:n]
        shape = (few, torch.get_num_threads(), *((leaf.shape[1:], leaf.dtype, leaf.device) for leaf in leaves(x)))
        if self._same_bits.get(shape):
            return self.f(_padded(x, few), *args)[:n]
        full = self.f(_padded(x, self.size), *args)
        if shape not in self._same_bits:
            self._same_bits[shape] = torch.equal(self.f(_padded(x, few), *args), full[:few])
        return full[:n]


def _padded(x: Tree, size: int) -> Tree:
    """`x` with its own first row again, up to `size` rows."""
    n = rows(x)
    if n == size:
        return x
    row = torch.arange(size, device=leaves(x)[0].device)
    return take(x, torch.where(row < n, row, 0))


_SITES_ON_CPU, _SITES_ON_ACCELERATOR = 8000, 100_000  # more leave a processor's cache, fewer pay more for calls


def rows_at_once(where: torch.device, sites: int) -> int:
    """Rows of a full batch of a network on a device.

    Args:
        where: the device.
        sites: of a row, such as its letters.
    """
    return max(1, (_SITES_ON_CPU if where.type == "cpu" else _SITES_ON_ACCELERATOR) // max(sites, 1))
