"""Predictors: networks and regressors as functions of (x_t, t, cond)."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from svdd.chain.defaults import as_tensor
from svdd.chain.process import Process
from svdd.chain.tree import Tree, leaves, tree_map
from svdd.cost.batches import FullBatches
from svdd.fitting.readers import rows_at_once
from svdd.method.features import Features, predicted
from svdd.method.learned_values import Predictor
from svdd.networks.bases import Scaled

_FLOOR = 1e-13  # the smallest mean weight a regressor can claim: 30 temperatures below the best design


def symbols_of(process: Process, *states: Tree) -> int:
    """How many symbols the tokens of states can be, the mask included; 0 for states without tokens."""
    if process.kind is not None and process.kind.symbols:
        return process.kind.symbols
    tokens = [leaf for state in states for leaf in leaves(state) if not leaf.is_floating_point()]
    return max((int(leaf.max()) + 1 for leaf in tokens), default=0)


class Standardised(Scaled):
    """A network whose output is in the units of the target: scale * network(x, t) + shift."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__({"outputs": 1})
        self.network = network

    def forward(self, x: Tree, t: Tensor) -> Tensor:
        return self.in_units(self.network(x, t).reshape(-1, 1))


def readable(x: Tree) -> Tree:
    """States as networks read them: single precision, whole numbers as they are."""
    return tree_map(lambda leaf: leaf.float() if leaf.is_floating_point() else leaf, x)


def of_network(network: nn.Module) -> Predictor:
    """A trained network as a predictor, where the states are.

    Tokens, graphs and images go in batches of one size: a row's number is its own.
    """
    network = network.eval().requires_grad_(False)
    batches: dict[int, FullBatches] = {}  # by their size

    def forward(part: Tree, time: Tensor) -> Tensor:
        return network(part, time)[:, 0]

    @torch.no_grad()
    def predictor(x: Tree, t: Tensor, cond: Tree) -> Float[Tensor, " n"]:
        time = t.float().reshape(-1)
        network.to(leaves(x)[0].device)
        size = rows_at_once(x)
        answers = batches.setdefault(size, FullBatches(forward, size)) if size else forward
        return answers(readable(x), time)

    return predictor


def of_regressor(model: Any, features: Features, best: float, temperature: float | None) -> Predictor:
    """A fitted regressor as a predictor: of the reward, or of exp((r - best) / temperature), of which it takes the log."""
    if temperature is None:
        return lambda x, t, cond: predicted(model, features, x, t, cond)

    def predictor(x: Tree, t: Tensor, cond: Tree) -> Float[Tensor, " n"]:
        weight = as_tensor(predicted(model, features, x, t, cond)).double()
        return best + temperature * weight.clamp(min=_FLOOR).log()

    assert math.isfinite(best), "a roll-out was valid"
    return predictor
