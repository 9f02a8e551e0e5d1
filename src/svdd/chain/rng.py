"""Randomness: one stream a chain.

Chain `i` of seed `s` draws from the counter-based generator Philox with key `(s, i)`. What a chain becomes is a function of
`(s, i)` alone: batch size, chunk size, the chains beside it, the device and a restart change nothing. The prior, the
`sample` methods and the selectors take an `Rng`; nothing else draws, and no global random state is read or written.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

STREAMS = 1
"""The number of this way of drawing random numbers: files of runs carry it, since with another a run cannot go on."""

# Chain i of a run draws from stream i. What draws with the same seed for another purpose begins at a stream of its own, so
# that it sees no number that a run has used: a run must not decode what its value was fitted on.
LIKELIHOOD_BOUND = 2**40
TRAINING, HELD_OUT, CHILDREN, LOOK_AHEAD, CONTINUATIONS, NOISE = (2**41 + k * 2**44 for k in range(6))

_REMEDY = (
    "these rows were taken unevenly from their chains, so they cannot draw from the chains' streams; take equally many rows of "
    "each chain, those of a chain adjacent, or give the rows streams of their own: dataclasses.replace(particles, "
    "rng=svdd.Rng(seed, len(particles)))"
)
_FIELDS = 13  # counter 4, key 2, buffer 4, buffer position 1, spare half word 2


class UnevenChains(ValueError):
    """Rows cannot draw from the streams of their chains, since they are not equally many of each chain."""


class Rng:
    """Independent random streams, one for every chain.

    Args:
        seed: 0 or larger, below 2**64.
        chains: how many chains (numbered from 0), or the numbers of the chains.

    Raises:
        ValueError: for a negative seed or no chains.
    """

    def __init__(self, seed: int, chains: int | Sequence[int]) -> None:
        ids = list(range(chains)) if isinstance(chains, int) else list(chains)
        if not isinstance(seed, int) or not 0 <= seed < 2**64:
            raise ValueError(f"seed must be a whole number from 0 to 2**64 - 1, got {seed!r}")
        if not ids:
            raise ValueError(f"need at least one chain, got {chains}")
        self.ids = ids
        self._generators = [_philox([seed, i]) for i in ids]

    def __len__(self) -> int:
        """The number of chains."""
        return len(self.ids)

    def of_rows(self, index: Int64[Tensor, " r"], n: int) -> "Rng":
        """The streams of the rows at `index`, so that each still draws from the stream of its own chain.

        They are the same streams, not copies: a draw from either goes on where the other stopped. Rows that are not equally
        many of each of their chains, those of a chain adjacent, get streams that raise `UnevenChains` at the first draw.

        Args:
            index: of rows, in any order.
            n: the rows of all chains, chain after chain.
        """
        if not len(index) or n % len(self):
            return _NoStreams()
        row = index.cpu().numpy()
        chain = np.where(row < 0, row + n, row) // (n // len(self))
        starts = np.flatnonzero(np.concatenate([[True], chain[1:] != chain[:-1]]))
        taken, each = chain[starts].tolist(), len(chain) // len(starts)
        if len({*taken}) < len(taken) or (starts != np.arange(len(starts)) * each).any() or len(chain) % each:
            return _NoStreams()
        return self if taken == list(range(len(self))) else self._of_chains(taken)

    def _of_chains(self, chains: Sequence[int]) -> "Rng":
        some = Rng.__new__(Rng)
        some.ids = [self.ids[i] for i in chains]
        some._generators = [self._generators[i] for i in chains]
        return some

    def uniform(self, shape: Sequence[int], **kwargs: Any) -> Float[Tensor, "..."]:
        """Uniform draws in [0, 1) of `shape`, whose leading axis is rows, chain after chain.

        Args:
            shape: the leading axis is a multiple of the number of chains.
            **kwargs: `dtype` and `device` of the result; float32 and the CPU unless given.
        """
        u = self._draw(np.random.Generator.random, shape, **kwargs)
        rounded = u.dtype.itemsize < 4  # half precision rounds some draws up to 1
        return u.clamp_(max=1 - torch.finfo(u.dtype).eps / 2) if rounded else u

    def normal(self, shape: Sequence[int], **kwargs: Any) -> Float[Tensor, "..."]:
        """Standard normal draws; arguments as in `uniform`."""
        return self._draw(np.random.Generator.standard_normal, shape, **kwargs)

    def _draw(
        self,
        fill: Callable[..., Any],
        shape: Sequence[int],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> Float[Tensor, "..."]:
        if shape[0] % len(self):
            raise UnevenChains(f"{shape[0]} rows cannot be shared out evenly among {len(self)} chains")
        exact = np.float64 if dtype == torch.float64 else np.float32
        buffer = np.empty((len(self), shape[0] // len(self), *shape[1:]), exact)
        for generator, part in zip(self._generators, buffer, strict=True):
            fill(generator, out=part, dtype=exact)
        return torch.from_numpy(buffer.reshape(tuple(shape))).to(device=device, dtype=dtype)

    def state(self) -> Int64[Tensor, "b 13"]:
        """Where every stream stands, one row a chain; `Rng.from_state` continues from it."""
        table = np.zeros((len(self), _FIELDS), np.uint64)
        for row, generator in zip(table, self._generators, strict=True):
            s: Any = generator.bit_generator.state
            row[:4], row[4:6], row[6:10] = s["state"]["counter"], s["state"]["key"], s["buffer"]
            row[10:] = s["buffer_pos"], s["has_uint32"], s["uinteger"]
        return torch.from_numpy(table.view(np.int64))

    @classmethod
    def from_state(cls, state: Int64[Tensor, "b 13"]) -> "Rng":
        """The streams that `state` describes; any selection or permutation of its rows is a state too."""
        self = cls.__new__(cls)
        table = state.numpy().view(np.uint64)
        self.ids = [int(row[5]) for row in table]
        self._generators = [_philox(row[4:6]) for row in table]
        for row, generator in zip(table, self._generators, strict=True):
            s: Any = generator.bit_generator.state
            s["state"]["counter"], s["buffer"] = row[:4].copy(), row[6:10].copy()
            s["buffer_pos"], s["has_uint32"], s["uinteger"] = (int(v) for v in row[10:])
            generator.bit_generator.state = s
        return self


class _NoStreams(Rng):
    """In the place of streams for rows that may be looked at, but cannot draw."""

    def __init__(self) -> None:
        self.ids, self._generators = [], []

    def of_rows(self, index: Int64[Tensor, " r"], n: int) -> Rng:
        return self

    def _draw(self, *args: Any, **kwargs: Any) -> Float[Tensor, "..."]:
        raise UnevenChains(_REMEDY)

    def state(self) -> Int64[Tensor, "b 13"]:
        raise UnevenChains(_REMEDY)


def _philox(key: Any) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.asarray(key, dtype=np.uint64)))
