"""Networks of image rewards: found in a folder, a file or a hub that the user names, and never anywhere else."""

import re
import warnings
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from svdd.chain.defaults import as_usual
from svdd.first_bytes import check_content
from svdd.messages import module_of
from svdd.networks.foreign_files import check_downloaded, read_content, weight_files
from svdd.networks.foreign_layouts import layout
from svdd.networks.foreign_weights import check_precise

Rules = list[tuple[str, str]]
_BUFFERS = ("position_ids", "attn_mask")  # endings of names of what is no weight, but is in some files


def transformers() -> Any:
    """The module `transformers`.

    Raises:
        ImportError: without it; names the extra.
    """
    return module_of("images", "transformers", "learned image rewards need transformers")


def loaded(load: Callable[..., Any], path: str, what: str, **options: Any) -> Any:
    """What `load(path)` gives, from a local folder or a hub.

    Args:
        load: such as `from_pretrained` of a class.
        path: as the user gave it.
        what: it is, for messages.
        **options: of `load`.

    Raises:
        ValueError: if there is no such thing, or its files were not fetched.
    """
    try:
        return load(path, **options)
    except (
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        SafetensorError,
    ) as error:  # what transformers and the hub raise
        check_downloaded(path)
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"{what} cannot be loaded from {path}: {lines[0]}") from error


def loaded_config(path: str, kind: str) -> Any:
    """The configuration of a model of one kind.

    Args:
        path: a local folder or a hub id.
        kind: the type of transformers, `clip` or `blip`.

    Raises:
        ValueError: if there is none, or of another type.
    """
    found = loaded(transformers().AutoConfig.from_pretrained, path, f"a {kind.upper()} model")
    if found.model_type != kind:
        raise ValueError(f"{path} is a model of the type {found.model_type!r}, not {kind!r}")
    return found


def loaded_tokenizer(path: str, size: int, what: str) -> Any:
    """A tokenizer, if it has a vocabulary: some releases of transformers make an empty one where there are no files.

    Args:
        path: a local folder or a hub id.
        size: of the vocabulary that the network knows.
        what: it is, for messages.

    Raises:
        ValueError: if there is none.
    """
    found = loaded(transformers().AutoTokenizer.from_pretrained, path, what)
    if len(found) < size // 2:
        raise ValueError(f"{what} cannot be loaded from {path}: it would have {len(found)} tokens of {size}")
    return found


def read_weights(path: str, signs: Collection[str] = (), kind: str = "") -> dict[str, Tensor]:
    """The tensors of a network in a file, as data only: nothing in it is run.

    Args:
        path: a `.safetensors` file or one of torch (`.pt`, `.pth`, `.bin`), one shard of several or their index, local, or in
            a hub as `owner/repository/file`. Dictionaries inside (`state_dict`, `model`) and prefixes are looked through.
        signs: names of weights, of which the network has one; none to take all tensors of the file.
        kind: of network, for messages.

    Raises:
        ValueError: if there is no such file, or it holds something else.
    """
    file = Path(path).expanduser()
    file = file if file.is_file() else Path(_from_hub(path))
    check_content(file, accepted=["zip", "hdf5"])
    try:
        files = weight_files(file)
        content = read_content(files)
    except ValueError as error:
        raise ValueError(f"{path} holds no weights that can be read without running code: {error}") from error
    if not content:
        return {}
    found = layout(files[0], content, signs, kind)
    if found.averages or found.unread:
        warnings.warn(f"{path} holds a moving average of its weights too, which is not used", UserWarning, stacklevel=3)
    check_precise(found.part.weights, files[0])
    return found.part.weights


@as_usual
def linear_head(weights: Mapping[str, Tensor], path: str) -> nn.Sequential:
    """A stack of linear layers without activations, of whatever sizes the weights have.

    Args:
        weights: with names that end in `N.weight` and `N.bias`, N the layer's place; others are left alone.
        path: where they are from, for messages.

    Raises:
        ValueError: if they are no such stack that ends in one number.
    """
    places = sorted((int(found[1]), name) for name in weights if (found := re.search(r"(\d+)\.weight$", name)))
    matrices = [weights[name] for _, name in places if weights[name].ndim == 2]
    layers = [nn.utils.skip_init(nn.Linear, *reversed(matrix.shape)) for matrix in matrices]
    joined = all(one.out_features == two.in_features for one, two in pairwise(layers))
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if not layers or len(layers) != len(places) or not joined or layers[-1].out_features != 1:
        raise ValueError(f"{path} is no stack of linear layers that ends in one number: {shapes!r:.160}")
    with torch.no_grad():
        for layer, (_, name) in zip(layers, places, strict=True):
            layer.weight.copy_(weights[name])
            layer.bias.copy_(weights[name.removesuffix("weight") + "bias"])
    return nn.Sequential(*layers)


def renamed(weights: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """The same weights, every rule (a pattern and what takes its place) applied to every name in turn."""
    made = {}
    for name, tensor in weights.items():
        for pattern, other in rules:
            name = re.sub(pattern, other, name)
        made[name] = tensor
    return made


def filled(
    make: Callable[[Any], Any], config: Any, weights: Mapping[str, Tensor], path: str, unused: tuple[str, ...] = ()
) -> Any:
    """A model with these weights, all that it has and no others; random numbers of others stay as they are.

    Args:
        make: a configuration to a model with random weights.
        config: the configuration.
        weights: by the model's names.
        path: where they are from, for messages.
        unused: beginnings of names of the model that nobody asks for.

    Raises:
        ValueError: if names or shapes differ.
    """
    with torch.random.fork_rng(devices=[]):
        model = make(config)
    own = {name: tuple(one.shape) for name, one in model.state_dict().items()}
    own = {name: shape for name, shape in own.items() if not name.startswith(unused) and not name.endswith(_BUFFERS)}
    theirs = {name: tuple(one.shape) for name, one in weights.items() if not name.endswith(_BUFFERS)}
    wrong = sorted(name for name in own.keys() | theirs.keys() if own.get(name) != theirs.get(name))
    if wrong:
        raise ValueError(
            f"the weights of {path} do not fit the model: {len(wrong)} differ, such as {wrong[0]}, "
            f"{theirs.get(wrong[0], 'not there')} in the file and {own.get(wrong[0], 'not there')} in the model"
        )
    model.load_state_dict({name: weights[name] for name in own}, strict=False)
    return model


def named_type(dtype: str | torch.dtype) -> torch.dtype:
    """A floating-point type by its name in torch.

    Raises:
        ValueError: for another one.
    """
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(f"dtype is float32, float16 or bfloat16, got {dtype!r}")
    return found


def _from_hub(path: str) -> str:
    parts = path.split("/", 2)
    if len(parts) < 3 or path.startswith(("/", ".")):
        raise ValueError(f"there is no file {path}; a file of a hub is given as owner/repository/file")
    from huggingface_hub import hf_hub_download

    return str(loaded(lambda _: hf_hub_download("/".join(parts[:2]), parts[2]), path, "a file of weights"))
