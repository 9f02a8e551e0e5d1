"""Some answers: of particles of which the network has seen a part."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from svdd.chain.tree import concatenate, rows, take


@dataclass(frozen=True)
class SomeAnswers:
    """Answers for some of the rows.

    Args:
        answers: of the network.
        place: of each row, where its answer stands; -1 where there is none.
    """

    answers: Any
    place: Int64[Tensor, " n"]

    def take(self, index: Int64[Tensor, " r"]) -> "SomeAnswers":
        """Of the rows `index`."""
        return replace(self, place=self.place[index])

    def completed(self, ask: Callable[[Int64[Tensor, " k"]], Any]) -> Any:
        """The answers of all rows; `ask` gives those that are missing."""
        missing = (self.place < 0).nonzero().flatten()
        if not len(missing):
            return take(self.answers, self.place)
        known = rows(self.answers)
        place = self.place.index_copy(0, missing, torch.arange(known, known + len(missing), device="cpu"))
        return take(concatenate([self.answers, ask(missing)]), place)
