"""The network of fitted values that reads the states of graph diffusion."""

from typing import Any

from svdd.domains.molecule.graph_regressor import GraphRegressor
from svdd.fitting.readers import Reader


def _are_graphs(x: Any) -> bool:
    return isinstance(x, dict) and x.keys() == {"x", "adj", "flags"}


READER = Reader(
    "graph",
    "graphs",
    GraphRegressor,
    {"channels": 32, "rounds": 3, "dropout": 0.1},
    reads=_are_graphs,
    shape=lambda x, symbols: {"features": x["x"].shape[-1]},
    rows_at_once=lambda x: 32,
)
