"""Predictors: networks and regressors as functions of (x_t, t, cond), and the networks that come with the package."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from svdd.chain.process import Process
from svdd.chain.tree import Tree, leaves, tree_map
from svdd.cost.batches import in_full_batches
from svdd.domains.image.regressor import ImageRegressor
from svdd.domains.molecule.graph_regressor import GraphRegressor
from svdd.method.features import Features, predicted
from svdd.method.learned_values import Predictor
from svdd.networks.attention import TransformerRegressor
from svdd.networks.bases import Scaled
from svdd.networks.regressors import ConvolutionalRegressor, PooledRegressor

NETWORKS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "convolutional": (ConvolutionalRegressor, {"channels": 64, "layers": 2, "bins": 25, "hidden": 64, "dropout": 0.2}),
    "pooled": (PooledRegressor, {"channels": 128, "dropout": 0.4}),
    "transformer": (TransformerRegressor, {"width": 64, "layers": 2, "dropout": 0.2}),
    "graph": (GraphRegressor, {"channels": 32, "rounds": 3, "dropout": 0.1}),
    "image": (ImageRegressor, {"channels": 48, "levels": 2, "dropout": 0.1}),
}
"""Classes of networks by name, with the sizes they have here unless others are given."""

AUTOMATIC = "automatic"
_SHORT = 64  # sites up to which the place of a letter is learned better than its company

_SITES, _GRAPHS, _PLACES = 6400, 32, 4096  # of a batch
_FLOOR = 1e-13  # the smallest mean weight a regressor can claim: 30 temperatures below the best design


def suited(x: Tree) -> str:
    """The network for states unless one is named: by place for short sequences, by motifs wherever they are for long ones."""
    if _are_graphs(x):
        return "graph"
    if _latents(x) is not None:
        return "image"
    return "pooled" if isinstance(x, Tensor) and x.ndim == 2 and x.shape[1] > _SHORT else "convolutional"


def _are_graphs(x: Tree) -> bool:
    return isinstance(x, dict) and x.keys() == {"x", "adj", "flags"}


def _latents(x: Tree) -> Tensor | None:
    """Of states that are images or latents, these; None of others."""
    found = x["latents"] if isinstance(x, dict) and x.keys() == {"latents", "condition"} else x
    return found if isinstance(found, Tensor) and found.ndim == 4 and found.is_floating_point() else None


def build(name: str, options: Mapping[str, Any], x: Tree, symbols: int) -> nn.Module:
    """A network of the package for token sequences, graphs or images.

    Raises:
        ValueError: for states that the network does not read, and for sizes that make no sense.
    """
    tokens = isinstance(x, Tensor) and x.ndim == 2 and not x.is_floating_point()
    latents = _latents(x)
    known = {"graph": ("graphs", _are_graphs(x)), "image": ("images or latents", latents is not None)}
    reads, fits = known.get(name, ("rows of tokens", tokens))
    if not fits:
        raise ValueError(
            f"the {name} network reads {reads}, which this model's states are not; give network=... a torch module of (x, t) "
            "or a regressor with fit and predict"
        )
    kind, sizes = NETWORKS[name]
    if latents is not None:
        shape = {"features": latents.shape[1], "conditions": symbols if isinstance(x, dict) else 0}
    else:
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

    @torch.no_grad()
    def predictor(x: Tree, t: Tensor, cond: Tree) -> Float[Tensor, " n"]:
        time = t.float().reshape(-1)
        network.to(leaves(x)[0].device)

        def forward(part: Tree) -> Tensor:
            return network(part, time)[:, 0]

        size = _at_once(x)
        return in_full_batches(forward, size)(readable(x)) if size else forward(readable(x))

    return predictor


def _at_once(x: Tree) -> int:
    """Rows of a batch of one size, 0 for any."""
    if _are_graphs(x):
        return _GRAPHS
    latents = _latents(x)
    if latents is not None:
        return max(1, _PLACES // max(latents[0, 0].numel(), 1))
    whole = isinstance(x, Tensor) and not x.is_floating_point()
    return max(1, _SITES // max(x[0].numel(), 1)) if whole else 0


def of_regressor(model: Any, features: Features, best: float, temperature: float | None) -> Predictor:
    """A fitted regressor as a predictor: of the reward, or of exp((r - best) / temperature), of which it takes the log."""
    if temperature is None:
        return lambda x, t, cond: predicted(model, features, x, t, cond)

    def predictor(x: Tree, t: Tensor, cond: Tree) -> Float[Tensor, " n"]:
        weight = torch.as_tensor(predicted(model, features, x, t, cond)).double()
        return best + temperature * weight.clamp(min=_FLOOR).log()

    assert math.isfinite(best), "a roll-out was valid"
    return predictor
