"""The best designs among all that were scored, selected or not."""

import heapq
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from svdd.cost.batches import count, joined, picked
from svdd.scoring.memory import keys_of
from svdd.scoring.reward import Key


class _Held(NamedTuple):
    """A design as the only row of designs, with its reward and how many were held before it."""

    reward: float
    number: int
    design: Any


class BestDesigns:
    """The different designs with the highest rewards, best first.

    Args:
        size: how many to keep.
        size_of_lists: how many where designs are a list, such as text, and not tensors, which are large; `size` unless given.
        key: what tells designs apart where they are not text or numbers; tensors are told apart by their bits unless given.
    """

    def __init__(self, size: int, size_of_lists: int | None = None, key: Key | None = None) -> None:
        self.sizes, self.key = (size, size if size_of_lists is None else size_of_lists), key
        self._held: dict[Hashable, _Held] = {}
        # the worst first, of equal ones the latest; with what has been replaced since
        self._worst: list[tuple[float, int, Hashable]] = []
        self._seen = 0

    def add(self, designs: Any, rewards: Float[Tensor, " n"]) -> None:
        """Takes in designs that were scored; invalid ones never count."""
        size = self.sizes[isinstance(designs, list)]
        floor = self._worst[0][0] if size and len(self._held) == size else -torch.inf
        numbers = rewards.numpy()
        better = np.flatnonzero(numbers > floor).tolist() if size else []
        if not better:
            return
        chosen = picked(designs, better)
        for row, (key, reward) in enumerate(zip(self.keys(chosen), numbers[better].tolist(), strict=True)):
            if key not in self._held or reward > self._held[key].reward:
                self._hold(key, _Held(reward, self._seen, picked(chosen, [row])))
        while len(self._held) > size:
            del self._held[heapq.heappop(self._worst)[2]]
            self._forget_replaced()

    def _hold(self, key: Hashable, held: _Held) -> None:
        self._held[key] = held
        heapq.heappush(self._worst, (held.reward, -held.number, key))
        self._seen += 1
        self._forget_replaced()

    def _forget_replaced(self) -> None:
        """Leaves a design that is still held at the head."""
        while self._worst and self._held[self._worst[0][2]].number != -self._worst[0][1]:
            heapq.heappop(self._worst)

    def keys(self, designs: Any) -> list[Any]:
        """What tells designs apart; their places where nothing does."""
        keys = keys_of(designs, self.key, bits=True)
        return [object() for _ in range(count(designs))] if keys is None else list(keys)

    @property
    def designs(self) -> Any:
        """Best first; None if there are none."""
        return self.top(len(self._held))[0] if self._held else None

    @property
    def rewards(self) -> Float[Tensor, " n"]:
        """Of `designs`."""
        return self.top(len(self._held))[1]

    def top(self, n: int) -> tuple[Any, Float[Tensor, " n"]]:
        """The first n designs, or as many as there are, and their rewards."""
        first = sorted(self._held.values(), key=lambda one: (-one.reward, one.number))[:n]
        numbers = torch.tensor([one.reward for one in first], dtype=torch.float64, device="cpu")
        return (joined([one.design for one in first]) if first else []), numbers

    def state(self) -> dict[str, Any]:
        """Plain lists and tensors, for `resume`."""
        return {"designs": self.designs, "rewards": self.rewards}

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from a `state`."""
        self._held, self._worst, self._seen = {}, [], 0
        if state.get("designs") is not None:
            self.add(state["designs"], state["rewards"])
