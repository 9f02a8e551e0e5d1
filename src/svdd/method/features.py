"""Features: states as rows of numbers, for regressors that read a table."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from svdd.chain.tree import Tree, leaves, rows

Features: TypeAlias = Callable[[Tree, Tensor, Tree], Any]


def table(symbols: int = 0) -> Features:
    """The default features: whole numbers one-hot (masks included), other numbers as they are, and the time behind them.

    Args:
        symbols: tokens of a state, V + 1 with a mask; 0 where no leaf holds whole numbers.

    Returns:
        A function of (x_t, t, cond), t being one time or one a row, to (n, d) float32 features.
    """

    def features(x: Tree, t: Tensor, cond: Tree) -> Tensor:
        n = rows(x)
        columns = [_numbers(leaf, symbols).reshape(n, -1).float() for leaf in leaves(x)]
        return torch.cat([*columns, t.to(columns[0]).reshape(-1, 1).expand(n, 1)], 1)

    return features


def _numbers(leaf: Tensor, symbols: int) -> Tensor:
    if leaf.is_floating_point():
        return leaf
    return leaf[..., None] == torch.arange(symbols, device=leaf.device)


def predicted(model: Any, features: Features, x: Tree, t: Tensor, cond: Tree) -> Any:
    """What a regressor with `predict` says of states."""
    made = features(x, t, cond)
    return model.predict(made.cpu().numpy() if isinstance(made, Tensor) else np.asarray(made))


def table_for(model: Any, x: Tree) -> Features:
    """The default features of a fitted regressor, which knows how many it was given.

    Raises:
        ValueError: if the number of features cannot be that of `table`.
    """
    wide = getattr(model, "n_features_in_", None)
    tokens = sum(leaf[0].numel() for leaf in leaves(x) if not leaf.is_floating_point())
    others = sum(leaf[0].numel() for leaf in leaves(x) if leaf.is_floating_point())
    if tokens == 0:
        return table()
    if wide is None or (wide - others - 1) % tokens or wide <= others + 1:
        raise ValueError(
            f"the features of this {type(model).__name__} are unknown (it was fitted to {wide}); "
            "give svdd.learned(model, features=...), a function of (x_t, t, cond)"
        )
    return table((wide - others - 1) // tokens)
