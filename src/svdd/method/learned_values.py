"""Learned values: a predictor of the reward to come, in the place of a look-ahead."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from jaxtyping import Float
from torch import Tensor

from svdd.chain.process import Particles
from svdd.chain.tree import Tree
from svdd.method.features import Features, predicted, table_for
from svdd.method.values import reward_ahead
from svdd.scoring.numbers import checked
from svdd.scoring.reward import Reward

Predictor: TypeAlias = Callable[[Tree, Tensor, Tree], Any]


@dataclass(frozen=True)
class Learned:
    """A trained value: its prediction until the end, then the true reward.

    A run counts the rows of `predictor`, and asks it once for equal discrete states.

    Args:
        predictor: `(x_t, t, cond)` to one number a row.
        reward: of finished designs; a run puts its own in its place.
        temperature: of the soft value it estimates; None if it estimates something else.
    """

    predictor: Predictor
    reward: Reward | None = None
    temperature: float | None = None

    def __call__(self, particles: Particles) -> Float[Tensor, " n"]:
        if not particles.final:
            numbers = self.predictor(particles.x, particles.t, particles.cond)
            return checked(numbers, particles.x, len(particles), "value")
        if self.reward is None:
            raise ValueError(
                "a learned value has no number for a finished design; give svdd.learned(predictor, reward)"
            )
        return reward_ahead(self.reward, particles)


def learned(predictor: Any, reward: Reward | None = None, features: Features | None = None) -> Learned:
    """A trained value from anything that predicts: a function, or a fitted regressor (scikit-learn, LightGBM, ...).

    Args:
        predictor: `(x_t, t, cond)` to one number a row, or an object whose `predict` maps (n, d) features to n numbers.
        reward: of finished designs; `decode` and `Decoding` need none, they use the run's own.
        features: of a regressor, `(x_t, t, cond)` to (n, d); one-hot tokens (mask included) or the numbers of the state, and
            the time, unless given.

    Raises:
        TypeError: if nothing there can predict.

    Cost:
        1 value row a state and no network row of its own: with it SVDD spends T network rows a chain.
    """
    if hasattr(predictor, "predict"):

        def ask(x: Tree, t: Tensor, cond: Tree) -> Any:
            return predicted(predictor, features or table_for(predictor, x), x, t, cond)

        return Learned(ask, reward)
    if not callable(predictor):
        raise TypeError(f"a learned value needs a function of (x_t, t, cond) or a regressor, got {predictor!r:.80}")
    return Learned(predictor, reward)
