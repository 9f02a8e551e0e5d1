"""The best designs so far: of everything a run has scored, whatever became of it."""

from collections.abc import Generator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.cost.batches import joined, picked
from svdd.scoring.memory import comparable, first_of
from svdd.scoring.reward import Reward, staged


class Best:
    """The different designs with the highest rewards, best first.

    Args:
        size: how many to keep.
        size_of_lists: how many where designs are a list, text say, and not tensors, which can be large; `size` unless given.
    """

    def __init__(self, size: int, size_of_lists: int | None = None) -> None:
        self.sizes = size, size if size_of_lists is None else size_of_lists
        self.designs: Any = None
        self.rewards = torch.zeros(0, dtype=torch.float64)

    def add(self, designs: Any, rewards: Float[Tensor, " n"]) -> None:
        """Takes in designs that were scored; invalid ones never count."""
        size = self.sizes[isinstance(designs, list)]
        floor = float(self.rewards[-1]) if size and len(self.rewards) == size else -torch.inf
        better = (rewards > floor).nonzero().flatten().tolist()
        if not better or not size:
            return
        fresh, numbers = picked(designs, better), rewards[better]
        if self.designs is not None:
            fresh, numbers = joined([self.designs, fresh]), torch.cat([self.rewards, numbers])
        order = numbers.argsort(descending=True, stable=True).tolist()
        if comparable(fresh):
            order = [order[i] for i in first_of([fresh[i] for i in order], lambda design: True)]
        order = order[:size]
        self.designs, self.rewards = picked(fresh, order), numbers[order]

    def top(self, n: int) -> tuple[Any, Float[Tensor, " n"]]:
        """The first n designs, or as many as there are, and their rewards."""
        index = list(range(min(n, len(self.rewards))))
        return (picked(self.designs, index) if self.designs is not None else []), self.rewards[index]

    def noted(self, reward: Reward) -> Reward:
        """`reward`, whose answers are taken in."""

        def stage(designs: Any) -> Generator[Any, Any, Any]:
            numbers = yield designs
            self.add(designs, numbers)
            return numbers

        return staged(reward, stage)

    def state(self) -> dict[str, Any]:
        """Plain lists and tensors, for `resume`."""
        return {"designs": self.designs, "rewards": self.rewards}

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from a `state`."""
        self.designs, self.rewards = state["designs"], state["rewards"]
