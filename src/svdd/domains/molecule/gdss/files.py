"""Checkpoints of GDSS: two networks and their settings, as the project's own .pth files or as safetensors.

A .pth is read as data: it may name ordered dictionaries, tensors and `easydict.EasyDict`, and any other name is refused. A
safetensors file has the same tensors, named `x.<key>` and `adj.<key>`, and the settings `model_config`, `params_x` and
`params_adj` as JSON in its header, or in a .json file of the same name beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from svdd.domains.molecule.gdss.networks import HEADS, WIDTH, ScoreNetworkA, ScoreNetworkX, ScoreNetworkX_GMH
from svdd.domains.molecule.gdss.steps import VE, VP, Noise
from svdd.messages import check
from svdd.networks.foreign_files import METADATA, few, read_content, weight_files
from svdd.networks.foreign_layouts import by_name, layout
from svdd.networks.foreign_weights import check_names, single
from svdd.user_texts import json_of, text_of_file

NETWORKS: dict[str, Any] = {one.__name__: one for one in (ScoreNetworkA, ScoreNetworkX, ScoreNetworkX_GMH)}
_SETTINGS = ("model_config", "params_x", "params_adj")
# Beginnings of names in a safetensors file, and what they are in a .pth.
_PLACES = {"x": "x_state_dict", "adj": "adj_state_dict", "ema_x": "ema_x", "ema_adj": "ema_adj"}
_SIGN = "final.linears.0.weight"
# Settings that all published checkpoints share, and that the networks here do not vary.
_FIXED = {"nhid": WIDTH, "adim": WIDTH, "num_heads": HEADS, "conv": "GCN", "c_init": 2, "depth": 2}

_VARIED = ("model_type", "max_feat_num", "max_node_num", "num_layers", "num_linears", "c_hid", "c_final")


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
        weights: which they are, `last` or `average`.
        unused: whether the file has an average that is not used.
        stored: how the numbers are stored, where not in single precision.
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
    weights: str = "last"
    unused: bool = False
    stored: str = ""


def read_graph_checkpoint(path: str | Path, ema: bool | None = None) -> GraphCheckpoint:
    """Reads a checkpoint of GDSS.

    Args:
        path: of the file.
        ema: take the moving averages of the weights, or do not; as `sample.use_ema` of the checkpoint says unless given.

    Raises:
        ValueError: for a file that is missing, unreadable or of another kind, and for tensors that are missing, unknown or
            of another shape than the settings say; for averages that are not there.
    """
    given = Path(path).expanduser()
    check(given.exists(), f"there is no checkpoint file {str(path)!r}")
    files = weight_files(given)
    file = given if given.is_file() else files[0]
    content = read_content(files, ["easydict.EasyDict"])
    found = _of_safetensors(file, content)
    parts = (*_SETTINGS, "x_state_dict", "adj_state_dict")
    missing = [name for name in parts if not isinstance(found.get(name), dict)]
    has = few(str(name) for name in content)
    check(not missing, f"{file} is no checkpoint of GDSS: it has no {few(missing)}; it has {has}")
    try:
        return _checked(file, found, ema)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is no checkpoint of GDSS, its settings lack something: {error}") from error


def _of_safetensors(file: Path, found: dict[str, Any]) -> dict[str, Any]:
    """What a safetensors file and the settings beside it hold, in the layout of a .pth, which is left as it is."""
    tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        return found
    beside, header = file.with_suffix(".json"), found.get(METADATA, {})
    try:
        settings = json_of(text_of_file(beside)) if beside.is_file() else {}
        settings |= {name: json_of(header[name]) for name in _SETTINGS if name in header}
    except (ValueError, TypeError) as error:
        raise ValueError(f"the settings of {file} cannot be read: {error}") from error
    for part, place in _PLACES.items():
        own = {key.removeprefix(f"{part}."): value for key, value in tensors.items() if key.startswith(f"{part}.")}
        settings |= {place: own} if own else {}
    return settings


def _checked(file: Path, found: Mapping[str, Any], ema: bool | None) -> GraphCheckpoint:
    config, params = found["model_config"], {"x": found["params_x"], "adj": found["params_adj"]}
    kinds = {part: params[part]["model_type"] for part in params}
    if kinds["x"] not in ("ScoreNetworkX", "ScoreNetworkX_GMH") or kinds["adj"] != "ScoreNetworkA":
        raise ValueError(
            f"{file} has networks {kinds['x']!r} and {kinds['adj']!r}; only ScoreNetworkX or ScoreNetworkX_GMH with "
            "ScoreNetworkA can be loaded"
        )
    features, tensors = params["x"]["max_feat_num"], dict[str, _Tensors]()
    wanted_average = bool(config.get("sample", {}).get("use_ema", False)) if ema is None else ema
    if not 1 <= features <= WIDTH or params["adj"]["max_feat_num"] != features:
        raise ValueError(f"{file} has {features!r} node features; both networks must have the same, {WIDTH} at most")
    for part, kind in kinds.items():
        _check_settings(file, kind, params[part])
        inside = {name: found[name] for name in (f"{part}_state_dict", f"ema_{part}") if name in found}
        tensors[part] = _tensors(file, kind, shapes(params[part]), inside, wanted_average)
    there = all(one.has_average for one in tensors.values())
    if wanted_average and not there:
        lacks = few(f"ema_{part}" for part, one in tensors.items() if not one.has_average)
        raise ValueError(f"{file} has no moving average {lacks}; leave out ema for the last weights")
    noise = {part: _noising(file, config["sde"][part]) for part in params}
    nodes, init = config["data"]["max_node_num"], config["data"].get("init", "atom")
    check(isinstance(nodes, int) and nodes > 0, f"{file} has max_node_num={nodes!r}; it is a whole number above 0")
    steps = {part: one.steps for part, one in noise.items()}
    check(init == "atom", f"{file} is of graphs whose nodes begin as {init!r}; only molecules ('atom') can be loaded")
    check(steps["x"] == steps["adj"], f"{file} has {steps['x']} steps of noise for atoms and {steps['adj']} for bonds")
    data = str(config["data"]["data"])
    stored = ", ".join(sorted({one.stored for one in tensors.values()} - {""}))
    return GraphCheckpoint(
        file, data, nodes, features, kinds["x"], tensors["x"].weights, tensors["adj"].weights, noise["x"], noise["adj"],
        "average" if wanted_average else "last", unused=there and ema is None and not wanted_average, stored=stored,
    )  # fmt: skip


def _check_settings(file: Path, kind: str, params: Mapping[str, Any]) -> None:
    """Looks whether a network is one of those here: the settings that vary give its shapes, others must be off."""
    for name, value in params.items():
        if name in _FIXED and value != _FIXED[name]:
            raise ValueError(f"{file} has {kind} with {name}={value!r}; only {_FIXED[name]!r} can be loaded")
        if name not in {*_FIXED, *_VARIED} and value not in (None, False, 0):
            raise ValueError(
                f"{file} has {kind} with {name}={value!r}, which is not known here; only without can be loaded"
            )


@dataclass(frozen=True)
class _Tensors:
    """Of one network, how they were stored, and whether an average of them is there."""

    weights: dict[str, Tensor]
    stored: str
    has_average: bool


def _noising(file: Path, settings: Mapping[str, Any]) -> Noise:
    if settings["type"] not in ("VP", "VE"):
        raise ValueError(f"{file} was trained with {settings['type']!r} noise; only VP and VE can be loaded")
    kind = VP if settings["type"] == "VP" else VE
    low, high, steps = (settings[name] for name in ("beta_min", "beta_max", "num_scales"))
    right = all(isinstance(one, int | float) for one in (low, high)) and isinstance(steps, int) and steps > 0
    if not (right and 0 <= low <= high and (low > 0 or kind is VP)):
        raise ValueError(
            f"{file} has noise with beta_min={low!r}, beta_max={high!r} and num_scales={steps!r}, which cannot be"
        )
    return kind(float(low), float(high), steps)


def _tensors(
    file: Path, kind: str, wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, Any], ema: bool
) -> _Tensors:
    """The tensors, once their names and shapes are known to be those of the network."""
    where = layout(file, found, [_SIGN], kind)
    state = dict(where.part.weights)
    check_names(file, kind, wanted, state)
    state |= by_name(where, {name: state[name] for name in wanted}) if ema else {}
    for name, shape in wanted.items():
        told = tuple(state[name].shape)
        if told != shape or not state[name].is_floating_point():
            raise ValueError(f"{file} is not quite a {kind}: {name} is {told}, not numbers of shape {shape}")
    weights, stored = single({name: state[name] for name in wanted}, file)
    return _Tensors(weights, stored, where.average is not None)


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
