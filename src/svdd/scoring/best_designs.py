"""The best designs among all that were scored, selected or not."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.cost.batches import count, joined, picked
from svdd.scoring.memory import first_of, keys_of
from svdd.scoring.reward import Key


class BestDesigns:
    """The different designs with the highest rewards, best first.

    Args:
        size: how many to keep.
        size_of_lists: how many where designs are a list, such as text, and not tensors, which are large; `size` unless given.
        key: what tells designs apart where they are not text or numbers; tensors are told apart by their bits unless given.
    """

    def __init__(self, size: int, size_of_lists: int | None = None, key: Key | None = None) -> None:
        self.sizes, self.key = (size, size if size_of_lists is None else size_of_lists), key
        self.designs: Any = None
        self.rewards = torch.zeros(0, dtype=torch.float64, device="cpu")

    def add(self, designs: Any, rewards: Float[Tensor, " n"]) -> None:
        """Takes in designs that were scored; invalid ones never count."""
        size = self.sizes[isinstance(designs, list)]
        floor = float(self.rewards[-1]) if size and len(self.rewards) == size else -torch.inf
        better = (rewards > floor).nonzero().flatten().tolist()
        if not better or not size:
            return
        kept = [] if self.designs is None else [self.designs]
        fresh, numbers = joined([*kept, picked(designs, better)]), torch.cat([self.rewards, rewards[better]])
        order = numbers.argsort(descending=True, stable=True).tolist()
        keys = self.keys(fresh)
        order = [order[i] for i in first_of([keys[i] for i in order], lambda key: True)][:size]
        self.designs, self.rewards = picked(fresh, order), numbers[order]

    def keys(self, designs: Any) -> list[Any]:
        """What tells designs apart; their places where nothing does."""
        keys = keys_of(designs, self.key, bits=True)
        return [object() for _ in range(count(designs))] if keys is None else list(keys)

    def top(self, n: int) -> tuple[Any, Float[Tensor, " n"]]:
        """The first n designs, or as many as there are, and their rewards."""
        index = list(range(min(n, len(self.rewards))))
        return (picked(self.designs, index) if self.designs is not None else []), self.rewards[index]

    def state(self) -> dict[str, Any]:
        """Plain lists and tensors, for `resume`."""
        return {"designs": self.designs, "rewards": self.rewards}

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from a `state`."""
        self.designs, self.rewards = state.get("designs"), state.get("rewards", self.rewards)
