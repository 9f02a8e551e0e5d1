"""Weight files of other projects, read as data: nothing that a file names is imported, called or run.

A `.ckpt`, `.pt`, `.pth` or `.bin` file of torch 1.6 or later is a zip archive of raw numbers and a pickle. A pickle is a
program: it may name any function there is and have it called. Here every name is answered by an inert placeholder, but for
those of tensors, which are answered by this module's own functions. So the weights of a training run can be read without
the classes of its configuration or tokenizer, and without trusting it.
"""

import json
import math
import pickle
import struct
import zipfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from svdd.messages import check
from svdd.user_files import text_of_file

SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Checkpoint:
    """What a weight file holds.

    Args:
        path: the file.
        weights: tensors by name.
        average: the moving average of the trained parameters in their own order, None where there is none.
        settings: what the file or the config.json beside it says of the training run; see `setting`.
    """

    path: Path
    weights: dict[str, Tensor]
    average: list[Tensor] | None = None
    settings: Any = field(default_factory=dict)

    def setting(self, *names: str) -> Any:
        """The first plain value found under names such as `model.length`, None if there is none."""
        for name in names:
            found = self.settings
            for part in name.split("."):
                found = _opened(found)
                found = found.get(part) if isinstance(found, dict) else None
            found = _opened(found)
            if isinstance(found, bool | int | float | str):
                return found
        return None


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Reads a weight file, or the only one of a folder, with the config.json beside it.

    Args:
        path: a safetensors file or one that torch.save wrote: a dictionary of tensors, or a Lightning checkpoint with
            `state_dict`, perhaps `ema` and `hyper_parameters`.

    Raises:
        ValueError: for a missing, unreadable or foreign file, or a folder with none or several.
    """
    file = _only_file(Path(path).expanduser())
    settings = _configuration(file.parent / "config.json")
    if file.suffix == ".safetensors":
        return Checkpoint(file, _safetensors(file), settings=settings)
    found = _unpickled(file)
    check(isinstance(found, dict), f"{file} holds no dictionary of tensors, so no weights can be read from it")
    state, average = _opened(found.get("state_dict", found)), _opened(found.get("ema"))
    check(isinstance(state, dict), f"{file} has a state_dict that is no dictionary of tensors")
    shadow = average.get("shadow_params") if isinstance(average, dict) else None
    configuration = _opened(_opened(found.get("hyper_parameters")))
    settings = configuration.get("config", settings) if isinstance(configuration, dict) else settings
    weights = {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, Tensor)}
    return Checkpoint(file, weights, shadow if isinstance(shadow, list) else None, settings)


def _only_file(path: Path) -> Path:
    if path.is_file():
        return path
    check(path.is_dir(), f"there is no weight file or folder {str(path)!r}")
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    names = ", ".join(file.name for file in files) or "none"
    check(
        len(files) == 1,
        f"{path} must hold one weight file ({', '.join(SUFFIXES)}), but has {names}; name the file itself",
    )
    return files[0]


def _configuration(file: Path) -> Any:
    try:
        return json.loads(text_of_file(file)) if file.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{file} is not valid JSON: {error}") from error


def _safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{file} is not a readable safetensors file: {error}") from error


def read_strictly(file: Path, mappings: Collection[str] = ()) -> Any:
    """What torch.save wrote, if it holds nothing but tensors, plain values and dictionaries.

    Args:
        file: a zip archive.
        mappings: classes, such as `easydict.EasyDict`, to read as plain dictionaries.

    Raises:
        ValueError: for a file that cannot be read, or that names any other class or function.
    """
    return _unpickled(file, mappings)


def _unpickled(file: Path, mappings: Collection[str] | None = None) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            (program,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(program) as stream:
                return _TensorUnpickler(stream, archive, program.removesuffix("data.pkl"), mappings).load()
    except zipfile.BadZipFile:
        raise ValueError(
            f"{file} is not a zip archive of torch.save; if you trust it, load it with the torch that wrote it and save it "
            "again with torch.save or safetensors"
        ) from None
    # what pickle raises for a damaged or hostile program
    except (pickle.UnpicklingError, ValueError, TypeError, AttributeError, KeyError, IndexError, EOFError, RuntimeError,
            ImportError, UnicodeDecodeError, struct.error, OverflowError) as error:  # fmt: skip
        raise ValueError(f"{file} cannot be read as weights: {error}") from error


class Foreign:
    """Stands for an object, class or function that a file names; keeps what the file says of it and can do nothing."""

    state: Any
    items: dict[Any, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> "Foreign":
        made = super().__new__(cls)
        made.state, made.items = None, {}
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Takes anything."""

    def __call__(self, *args: Any, **kwargs: Any) -> "Foreign":
        return Foreign()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, item: Any) -> None:
        """Drops it."""

    extend = add = append


def _opened(value: Any) -> Any:
    """What a placeholder holds: the content of a configuration node, the items of a dictionary, or the state."""
    if not isinstance(value, Foreign):
        return value
    if isinstance(value.state, dict):
        return value.state.get("_content", value.state.get("_val", value.items or value.state))
    return value.items or value.state


class _Dictionary(dict[Any, Any]):
    """Of tensors by name; attributes that come with it are dropped."""

    def __setstate__(self, state: Any) -> None:
        """Takes anything."""


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *rest: Any) -> Any:
    """A view of numbers that were read; a storage of unknown kind stays a placeholder."""
    if not isinstance(storage, Tensor):
        return Foreign()
    if math.prod(size) > len(storage):
        raise ValueError(f"a tensor of shape {tuple(size)} is larger than its {len(storage)} numbers")
    return torch.as_strided(storage, size, stride, offset)


def _parameter(data: Any, *rest: Any) -> Any:
    return data


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Dictionary,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", name): dtype for name, dtype in _STORAGES.items()},
}


class _TensorUnpickler(pickle.Unpickler):
    """Rebuilds tensors, plain values and dictionaries; the rest become placeholders, or are refused.

    Args:
        stream: the pickle.
        archive: where the numbers are.
        folder: of the pickle in it.
        mappings: classes to read as plain dictionaries, every other class then being refused; None for placeholders.
    """

    def __init__(self, stream: Any, archive: zipfile.ZipFile, folder: str, mappings: Collection[str] | None) -> None:
        super().__init__(stream)
        self.archive, self.folder, self.storages = archive, folder, dict[str, Tensor]()
        self.mappings = mappings

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _KNOWN or self.mappings is None:
            return _KNOWN.get((module, name), Foreign)
        if f"{module}.{name}" not in self.mappings:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no such checkpoint needs, so it was refused")
        return _Dictionary

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            return Foreign()
        if key not in self.storages:
            raw = bytearray(self.archive.read(f"{self.folder}data/{key}"))
            self.storages[key] = torch.frombuffer(raw, dtype=dtype) if count else torch.empty(0, dtype=dtype)
        return self.storages[key]


def few(names: Iterable[str]) -> str:
    """The first three names and how many more there are."""
    first = list(names)
    return ", ".join(first[:3]) + (f" and {len(first) - 3} more" if len(first) > 3 else "") or "none"


def check_names(file: Path, kind: str, wanted: Collection[str], weights: Collection[str]) -> None:
    """Raise if a file lacks weights of a network, or has others."""
    missing, unknown = [n for n in wanted if n not in weights], [n for n in weights if n not in wanted]
    if missing or unknown:
        raise ValueError(
            f"{file} is not quite a {kind}: missing weights: {few(missing)}; unknown weights: {few(unknown)}"
        )
