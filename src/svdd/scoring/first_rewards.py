"""The first rewards of a run: if all are equal, they lead nowhere, and that is worth saying before the rest is paid."""

import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

ENOUGH = 32
"""Different designs, before equal rewards mean anything."""


class FlatRewardWarning(UserWarning):
    """The first rewards of a run are all equal."""


class FirstRewards:
    """An observer that warns once if the rewards of the first 32 different designs are all equal.

    Args:
        keys: what tells designs apart.
    """

    def __init__(self, keys: Callable[[Any], Sequence[Hashable]]) -> None:
        self._keys, self._watching = keys, True
        self._first: dict[Hashable, float] = {}

    def add(self, designs: Any, rewards: Float[Tensor, " n"]) -> None:
        """Takes in designs that were scored."""
        if not self._watching:
            return
        self._first |= dict(zip(self._keys(designs), rewards.tolist(), strict=True))
        different = len(set(self._first.values())) > 1
        if different or len(self._first) >= ENOUGH:
            self.stop()
        if not different and not self._watching:
            warnings.warn(_sentence(rewards[0].item()), FlatRewardWarning, stacklevel=2)

    def stop(self) -> None:
        """Looks no further."""
        self._watching, self._first = False, {}


def _sentence(reward: float) -> str:
    what = "designs are all invalid" if reward == float("-inf") else f"rewards are all {reward:g}"
    return (
        f"the first {ENOUGH} {what}, so nothing leads the run yet; give a reward that grows on the way to what is wanted, or "
        "look at its answers with svdd doctor --reward ... --model ..."
    )
