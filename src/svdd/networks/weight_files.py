"""Weight files: a network as safetensors with its class and sizes, read without running anything from the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from svdd.networks.attention import TransformerRegressor
from svdd.networks.foreign_files import read_safetensors
from svdd.networks.regressors import ConvolutionalRegressor, PooledRegressor
from svdd.networks.sequences import SequenceClassifier, SequenceDenoiser
from svdd.networks.timed import TimedSequenceDenoiser
from svdd.registry import NETWORKS, resolve
from svdd.user_texts import json_of

_FORMAT = "svdd-network-1"
_SEQUENCES = (SequenceClassifier, SequenceDenoiser, TimedSequenceDenoiser)
_REGRESSORS = (ConvolutionalRegressor, PooledRegressor, TransformerRegressor)
_CLASSES: dict[str, type[Any]] = {one.__name__: one for one in (*_SEQUENCES, *_REGRESSORS)}


def class_of(name: str) -> type[Any] | None:
    """A class that weight files may name, of this room or of a domain; None for any other name."""
    return _CLASSES[name] if name in _CLASSES else resolve(NETWORKS[name]) if name in NETWORKS else None


def _known() -> str:
    return ", ".join(sorted([*_CLASSES, *NETWORKS]))


def save_network(network: nn.Module, path: str | Path) -> None:
    """Write weights, class name and constructor arguments to one safetensors file.

    Raises:
        ValueError: If the class of `network` is not one that `load_network` would accept.
    """
    name = type(network).__name__
    if class_of(name) is not type(network):
        raise ValueError(f"cannot save a {name}; savable are: {_known()}")
    state = network.state_dict()
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    metadata = {"format": _FORMAT, "class": name, "config": json.dumps(network.config)}
    save_file(tensors, str(path), metadata=metadata)


def load_network(path: str | Path) -> nn.Module:
    """Read a network that `save_network` wrote, in evaluation mode on the CPU.

    Raises:
        FileNotFoundError: If there is no file at `path`.
        ValueError: If the file is corrupt, or was not written by `save_network`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no network file at {path}")
    tensors, metadata = read_safetensors(path)
    network = _rebuild(metadata, path)
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        said = " ".join(str(error).split())
        raise ValueError(f"the weights in {path} do not fit its own config: {said:.300}") from error
    return network.eval().requires_grad_(False)


def _rebuild(metadata: dict[str, str], path: Path) -> nn.Module:
    """Construct the network that the metadata of a file describes."""
    name = metadata.get("class", "")
    made = class_of(name)
    if metadata.get("format") != _FORMAT or made is None:
        raise ValueError(
            f"{path} was not written by save_network: format {metadata.get('format')!r}, "
            f"class {name!r}; accepted classes are: {_known()}"
        )
    try:
        # The meta device skips initial weights, which would draw global random numbers.
        with torch.device("meta"):
            return made(**json_of(metadata["config"]))  # type: ignore[no-any-return]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the config in {path} cannot be used: {error}") from error
