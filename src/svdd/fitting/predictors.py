"""Predictors: networks and regressors as functions of (x_t, t, cond), and the networks that come with the package."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from svdd.accounting import in_full_batches
from svdd.features import Features, predicted
from svdd.models.attention import TransformerRegressor
from svdd.models.graph_regressor import GraphRegressor
from svdd.models.regressors import ConvolutionalRegressor, PooledRegressor
from svdd.process import Process
from svdd.tree import Tree, leaves, tree_map
from svdd.values import Predictor

NETWORKS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "convolutional": (ConvolutionalRegressor, {"channels": 64, "layers": 2, "bins": 25, "hidden": 64, "dropout": 0.2}),
    "pooled": (PooledRegressor, {"channels": 128, "dropout": 0.4}),
    "transformer": (TransformerRegressor, {"width": 64, "layers": 2, "dropout": 0.2}),
    "graph": (GraphRegressor, {"channels": 32, "rounds": 3, "dropout": 0.1}),
}
"""Classes of networks by name, with the sizes they have here unless others are given."""

AUTOMATIC = "automatic"
_SHORT = 64  # sites up to which the place of a letter is learned better than its company

_SITES, _GRAPHS = 6400, 32  # of a batch
_FLOOR = 1e-13  # the smallest mean weight a regressor can claim: 30 temperatures below the best design


def suited(x: Tree) -> str:
    """The network for states unless one is named: by place for short sequences, by motifs wherever they are for long ones."""
    if _are_graphs(x):
        return "graph"
    return "pooled" if isinstance(x, Tensor) and x.ndim == 2 and x.shape[1] > _SHORT else "convolutional"


def _are_graphs(x: Tree) -> bool:
    return isinstance(x, dict) and x.keys() == {"x", "adj", "flags"}


def build(name: str, options: Mapping[str, Any], x: Tree, symbols: int) -> nn.Module:
    """A network of the package for token sequences or graphs.

    Raises:
        ValueError: for states that the network does not read, and for sizes that make no sense.
    """
    tokens = isinstance(x, Tensor) and x.ndim == 2 and not x.is_floating_point()
    if not (_are_graphs(x) if name == "graph" else tokens):
        raise ValueError(
            f"the {name} network reads {'graphs' if name == 'graph' else 'rows of tokens'}, which this model's states are "
            "not; give network=... a torch module of (x, t) or a regressor with fit and predict"
        )
    kind, sizes = NETWORKS[name]
    shape = {"vocabulary": symbols - 1, "length": x.shape[1]} if tokens else {"features": x["x"].shape[-1]}
    try:
        return kind(timed=True, **(shape | sizes | dict(options)))
    except TypeError as error:
        raise ValueError(f"the {name} network cannot be made with {dict(options)}: {error}") from None


def symbols_of(process: Process, *states: Tree) -> int:
    """How many symbols the tokens of states can be, the mask included; 0 for states without tokens."""
    if "alphabet" in process.about:
        return len(process.about["alphabet"]) + 1
    tokens = [leaf for state in states for leaf in leaves(state) if not leaf.is_floating_point()]
    return max((int(leaf.max()) + 1 for leaf in tokens), default=0)


class Standardised(nn.Module):
    """A network whose output is in the units of the target: scale * network(x, t) + shift."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("shift", torch.zeros(1))

    def forward(self, x: Tree, t: Tensor) -> Tensor:
        return self.network(x, t).reshape(-1, 1) * self.scale + self.shift


def readable(x: Tree) -> Tree:
    """States as networks read them: single precision, whole numbers as they are."""
    return tree_map(lambda leaf: leaf.float() if leaf.is_floating_point() else leaf, x)


def of_network(network: nn.Module) -> Predictor:
    """A trained network as a predictor, in batches of one size where states are tokens or graphs: a row's number is its own."""
    network = network.eval().requires_grad_(False)

    @torch.no_grad()
    def predictor(x: Tree, t: Tensor, cond: Tree) -> Float[Tensor, " n"]:
        time = t.float().reshape(-1)

        def forward(part: Tree) -> Tensor:
            return network(part, time)[:, 0]

        if _are_graphs(x):
            return in_full_batches(forward, _GRAPHS)(readable(x))
        if isinstance(x, Tensor) and not x.is_floating_point():
            return in_full_batches(forward, max(1, _SITES // max(x[0].numel(), 1)))(x)
        return forward(readable(x))

    return predictor


def of_regressor(model: Any, features: Features, best: float, temperature: float | None) -> Predictor:
    """A fitted regressor as a predictor: of the reward, or of exp((r - best) / temperature), of which it takes the log."""
    if temperature is None:
        return lambda x, t, cond: predicted(model, features, x, t, cond)

    def predictor(x: Tree, t: Tensor, cond: Tree) -> Float[Tensor, " n"]:
        weight = torch.as_tensor(predicted(model, features, x, t, cond)).double()
        return best + temperature * weight.clamp(min=_FLOOR).log()

    assert math.isfinite(best), "a roll-out was valid"
    return predictor
