r"""Populations: several designs of one chain, which moves take along while their temperature falls.

Move k of K is at the temperature $1/\beta_k$, $\beta_k = k/(K a)$. The first designs weigh $e^{\beta_1 r}$; after move k a
weight is multiplied by $e^{(\beta_{k+1} - \beta_k) r}$, and the designs of a chain are resampled once their effective sample
size is below half of them. A weight says how the target changes, not what it is: designs that were resampled by $e^{r/a}$
after moves that accept by it would be tilted twice. Averages by weight tend to those of $p e^{r/a}$ as N grows, whatever K is,
as far as moves keep the targets on the way (population annealing).
"""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.chain.rng import Rng
from svdd.method.selectors import Selection, adaptive, keep, systematic

_SELECT = adaptive(systematic, 0.5)


@dataclass(frozen=True)
class Alone:
    """One design, always moved at one temperature a."""

    a: float
    size: int = 1

    def temperature(self, number: int) -> float:
        """That of a move, from 1."""
        return self.a

    def weights(self, value: Float[Tensor, "b 1"]) -> Float[Tensor, "b 1"]:
        """Log-weights of the first designs, whose rewards are given."""
        return torch.zeros_like(value)

    def after(self, number: int, value: Float[Tensor, "b 1"], log_w: Float[Tensor, "b 1"], rng: Rng) -> Selection:
        """Who goes on after a move."""
        return keep(log_w, 1, rng)


@dataclass(frozen=True)
class Annealed:
    """N designs, moved K times while the temperature falls to a.

    Args:
        size: N.
        moves: K.
        a: the last temperature, above 0.
    """

    size: int
    moves: int
    a: float

    def temperature(self, number: int) -> float:
        """That of a move, from 1."""
        return self.a * max(self.moves, 1) / number

    def weights(self, value: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
        """Log-weights of the first designs, whose rewards are given."""
        return value / self.temperature(1)

    def after(self, number: int, value: Float[Tensor, "b n"], log_w: Float[Tensor, "b n"], rng: Rng) -> Selection:
        """Who goes on after a move; all after the last one, when the target is reached."""
        if number == self.moves:
            return keep(log_w, self.size, rng)
        return _SELECT(log_w + value * gain(self, number), self.size, rng)


Population: TypeAlias = Alone | Annealed
"""The designs that a chain moves."""


def gain(annealed: Annealed, number: int) -> float:
    r"""$\beta_{k+1} - \beta_k$ after move k."""
    return 1 / annealed.temperature(number + 1) - 1 / annealed.temperature(number)


def population_of(size: int, moves: int, temperature: float) -> Population:
    """The designs that a chain moves.

    Raises:
        ValueError: for a size below 1, and several designs at temperature 0, where no weights lead.
    """
    if size < 1 or (size > 1 and temperature == 0):
        raise ValueError(
            f"a population is of 1 design or, at a temperature above 0, of more, got population={size} and "
            f"temperature={temperature}"
        )
    return Alone(temperature) if size == 1 else Annealed(size, moves, temperature)
