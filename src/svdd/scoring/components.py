"""Components: the rewards that a reward is made of. A run calls each once per design, and gives each a column.

A reward tells of them with `components`, a mapping of names to functions of designs, and that is all that a column takes.
A `Composite` reward is put together from them: a run puts its memory and its files of scores between the two.
"""

import math
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from svdd.cost.batches import count, picked
from svdd.scoring.numbers import shown
from svdd.scoring.policy import RewardFailureWarning
from svdd.scoring.reward import Composite, Failure, Reward, RewardError, traits_of
from svdd.scoring.scorer import ComponentScorer


def as_component(reward: Reward, name: str) -> ComponentScorer:
    """The scorer of a component as it is; of any other reward one without memory."""
    made = partial(ComponentScorer, share=False, source=f"component {name}")
    return reward if isinstance(reward, ComponentScorer) else made(reward)


def names_of(reward: Reward) -> list[str]:
    """The names of the columns that a reward brings with it."""
    traits = traits_of(reward)
    return [*traits.components, *traits.derived]


def columns_of(reward: Reward, designs: Any) -> dict[str, Tensor]:
    """The columns of designs as numbers; NaN where a component failed or was not called."""
    return {name: _numbers(values) for name, values in table_of(reward, designs).items()}


def table_of(reward: Reward, designs: Any) -> dict[str, list[Any]]:
    """The columns of designs as lists; where a component fails, as it did in the run, that design alone has none."""
    columns = answers_of(reward, designs)
    further = traits_of(reward).derived.items()
    return columns | {name: derive(designs, columns) if count(designs) else [] for name, derive in further}


def answers_of(reward: Reward, designs: Any) -> dict[str, list[Any]]:
    """The columns of the components alone."""
    n, names = count(designs), list(traits_of(reward).components)
    if not n:
        return {name: [] for name in names}
    try:
        return reward.table(designs) if isinstance(reward, Composite) else _table(traits_of(reward).components, designs)
    except RewardError:
        raise
    except Exception as error:
        if n == 1:
            warnings.warn(
                f"the components of {shown(designs, 0)} stay open ({type(error).__name__}: {error})",
                RewardFailureWarning,
                stacklevel=2,
            )
            return {name: [math.nan] for name in names}
        tables = [answers_of(reward, picked(designs, [i])) for i in range(n)]
        return {name: [one for table in tables for one in table[name]] for name in tables[0]}


def _table(components: Mapping[str, Reward], designs: Any) -> dict[str, list[Any]]:
    return {name: as_component(one, name)(designs) for name, one in components.items()}


def _numbers(values: list[Any]) -> Tensor:
    return torch.tensor(
        [math.nan if isinstance(one, Failure) else float(one) for one in values], dtype=torch.float64, device="cpu"
    )
