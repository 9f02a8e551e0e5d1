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
    """An observer that tells whether all rewards so far are equal, of 32 different designs or more.

    Args:
        keys: what tells designs apart.
    """

    def __init__(self, keys: Callable[[Any], Sequence[Hashable]]) -> None:
        self._keys, self._watching = keys, True
        self._designs, self._rewards = set[Hashable](), set[float]()

    def add(self, designs: Any, rewards: Float[Tensor, " n"]) -> None:
        """Takes in designs that were scored."""
        if not self._watching:
            return
        self._rewards |= set(rewards.tolist())
        if len(self._rewards) > 1:
            self.stop()
        elif len(self._designs) < ENOUGH:
            self._designs |= set(self._keys(designs))

    def warn_if_equal(self) -> None:
        """Warns once if they are all equal."""
        if len(self._designs) >= ENOUGH:
            (reward,) = self._rewards
            self.stop()
            warnings.warn(_sentence(reward), FlatRewardWarning, stacklevel=2)

    def stop(self) -> None:
        """Looks no further."""
        self._watching, self._designs, self._rewards = False, set(), set()


def _sentence(reward: float) -> str:
    what = "designs are all invalid" if reward == float("-inf") else f"rewards are all {reward:g}"
    return (
        f"the first {ENOUGH} {what}, and so are those after them, so nothing leads the run; give a reward that grows on the "
        "way to what is wanted, or look at its answers with svdd doctor --reward ... --model ..."
    )
