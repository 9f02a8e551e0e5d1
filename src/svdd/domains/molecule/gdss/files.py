"""Checkpoints of GDSS: two networks and their settings, as the project's own .pth files or as safetensors.

A .pth is read as data: it may name ordered dictionaries, tensors and `easydict.EasyDict`, and any other name is refused. A
safetensors file has the same tensors, named `x.<key>` and `adj.<key>`, and the settings `model_config`, `params_x` and
`params_adj` as JSON in its header, or in a .json file of the same name beside it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from svdd.domains.molecule.gdss.networks import HEADS, WIDTH, ScoreNetworkA, ScoreNetworkX, ScoreNetworkX_GMH
from svdd.domains.molecule.gdss.steps import VE, VP, Noise
from svdd.messages import check
from svdd.networks.foreign_files import check_names, few, read_strictly
from svdd.user_files import text_of_file

NETWORKS: dict[str, Any] = {one.__name__: one for one in (ScoreNetworkA, ScoreNetworkX, ScoreNetworkX_GMH)}
_SETTINGS = ("model_config", "params_x", "params_adj")
# Settings that all published checkpoints share, and that the networks here do not vary.
_FIXED = {"nhid": WIDTH, "adim": WIDTH, "num_heads": HEADS, "conv": "GCN", "c_init": 2, "depth": 2}


@dataclass(frozen=True)
class GraphCheckpoint:
    """What a file holds.

    Args:
        path: the file.
        data: the name of the training set, such as ZINC250k.
        nodes: N, of the largest graph.
        features: F, elements.
        network_x: class of the network of node features.
        x: its tensors.
        adj: those of the network of bonds.
        noise_x: of node features, with the steps of the sampler.
        noise_adj: of bonds.
    """

    path: Path
    data: str
    nodes: int
    features: int
    network_x: str
    x: dict[str, Tensor]
    adj: dict[str, Tensor]
    noise_x: Noise
    noise_adj: Noise


def read_graph_checkpoint(path: str | Path) -> GraphCheckpoint:
    """Reads a checkpoint of GDSS.

    Raises:
        ValueError: for a file that is missing, unreadable or of another kind, and for tensors that are missing, unknown or
            of another shape than the settings say.
    """
    file = Path(path).expanduser()
    check(file.is_file(), f"there is no checkpoint file {str(path)!r}")
    found = _safetensors(file) if file.suffix == ".safetensors" else read_strictly(file, ["easydict.EasyDict"])
    parts = (*_SETTINGS, "x_state_dict", "adj_state_dict")
    missing = [name for name in parts if not isinstance(found, dict) or not isinstance(found.get(name), dict)]
    check(not missing, f"{file} is no checkpoint of GDSS: it has no {few(missing)}")
    try:
        return _checked(file, found)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is no checkpoint of GDSS, its settings lack something: {error}") from error


def _safetensors(file: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(str(file), framework="pt") as opened:
            header = opened.metadata() or {}
        tensors = load_file(file)
        beside = file.with_suffix(".json")
        settings = json.loads(text_of_file(beside)) if beside.is_file() else {}
        settings |= {name: json.loads(header[name]) for name in _SETTINGS if name in header}
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ValueError(f"{file} and the settings beside it cannot be read: {error}") from error
    for part in ("x", "adj"):
        own = {key.removeprefix(f"{part}."): value for key, value in tensors.items() if key.startswith(f"{part}.")}
        settings[f"{part}_state_dict"] = own
    return settings


def _checked(file: Path, found: Mapping[str, Any]) -> GraphCheckpoint:
    config, params = found["model_config"], {"x": found["params_x"], "adj": found["params_adj"]}
    kinds = {part: params[part]["model_type"] for part in params}
    if kinds["x"] not in ("ScoreNetworkX", "ScoreNetworkX_GMH") or kinds["adj"] != "ScoreNetworkA":
        raise ValueError(
            f"{file} has networks {kinds['x']!r} and {kinds['adj']!r}; only ScoreNetworkX or ScoreNetworkX_GMH with "
            "ScoreNetworkA can be loaded"
        )
    features, tensors = params["x"]["max_feat_num"], {}
    if not 1 <= features <= WIDTH or params["adj"]["max_feat_num"] != features:
        raise ValueError(f"{file} has {features!r} node features; both networks must have the same, {WIDTH} at most")
    for part, kind in kinds.items():
        for name, wanted in _FIXED.items():
            if params[part].get(name, wanted) != wanted:
                raise ValueError(f"{file} has {kind} with {name}={params[part][name]!r}; only {wanted!r} can be loaded")
        tensors[part] = _fitting(file, kind, shapes(params[part]), found[f"{part}_state_dict"])
    noise = {part: _noising(file, config["sde"][part]) for part in params}
    nodes = config["data"]["max_node_num"]
    data = str(config["data"]["data"])
    return GraphCheckpoint(
        file, data, nodes, features, kinds["x"], tensors["x"], tensors["adj"], noise["x"], noise["adj"]
    )


def _noising(file: Path, settings: Mapping[str, Any]) -> Noise:
    if settings["type"] not in ("VP", "VE"):
        raise ValueError(f"{file} was trained with {settings['type']!r} noise; only VP and VE can be loaded")
    kind = VP if settings["type"] == "VP" else VE
    return kind(float(settings["beta_min"]), float(settings["beta_max"]), int(settings["num_scales"]))


def _fitting(
    file: Path, kind: str, wanted: Mapping[str, tuple[int, ...]], state: Mapping[str, Any]
) -> dict[str, Tensor]:
    """The tensors, once their names and shapes are known to be those of the network."""
    check_names(file, kind, wanted, state)
    for name, shape in wanted.items():
        found = state[name]
        told = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        if told != shape or not found.is_floating_point():
            raise ValueError(f"{file} is not quite a {kind}: {name} is {told}, not numbers of shape {shape}")
        check(bool(torch.isfinite(found).all()), f"{file} is damaged: {name} has numbers that are not finite")
    return {name: state[name].float() for name in wanted}


def shapes(params: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of a network with these settings."""
    features, kind = params["max_feat_num"], params["model_type"]
    table: dict[str, tuple[int, ...]] = {}
    if kind == "ScoreNetworkX":
        sizes = [features, WIDTH, WIDTH]
        for i in range(2):
            table |= {f"layers.{i}.weight": (sizes[i], WIDTH), f"layers.{i}.bias": (WIDTH,)}
        return table | _perceptron("final", features + 2 * WIDTH, 2 * (features + 2 * WIDTH), features, 3)
    count = params["num_layers"] if kind == "ScoreNetworkA" else 2
    channels = [params["c_init"], *[params["c_hid"]] * (count - 1), params["c_final"]]
    for i in range(count):
        width = features if i == 0 else WIDTH
        table |= _layer(f"layers.{i}", width, channels[i], channels[i + 1], params["num_linears"])
    first, last = (sum(channels), 1) if kind == "ScoreNetworkA" else (features + 2 * WIDTH, features)
    return table | _perceptron("final", first, 2 * first, last, 3)


def _layer(name: str, features: int, channels: int, after: int, linears: int) -> dict[str, tuple[int, ...]]:
    table: dict[str, tuple[int, ...]] = {}
    for c in range(channels):
        for kind in "qkv":
            place = f"{name}.attn.{c}.gnn_{kind}"
            table |= {f"{place}.weight": (features, WIDTH), f"{place}.bias": (WIDTH,)}
    hidden = 2 * max(channels, after)
    table |= _perceptron(f"{name}.mlp", 2 * channels, hidden, after, linears)
    return table | _perceptron(f"{name}.multi_channel", WIDTH * channels, hidden, WIDTH, 2)


def _perceptron(name: str, first: int, hidden: int, last: int, linears: int) -> dict[str, tuple[int, ...]]:
    sizes, table = [first, *[hidden] * (linears - 1), last], dict[str, tuple[int, ...]]()
    for i in range(linears):
        table |= {f"{name}.linears.{i}.weight": (sizes[i + 1], sizes[i]), f"{name}.linears.{i}.bias": (sizes[i + 1],)}
    return table
