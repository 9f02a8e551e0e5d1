"""What torch.save wrote, read as data: nothing that a file names is imported, called or run.

A file of torch 1.6 or later is a zip archive of raw numbers and a pickle. A pickle is a program: it may name any function
there is and have it called. Here every name is answered by an inert placeholder, but for those of tensors, which are answered
by this module's own functions. So the weights of a training run can be read without the classes of its configuration or
tokenizer, and without trusting it.
"""

import errno
import math
import pickle
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

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
_EIGHT_BITS = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")


OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""What a file of torch before 1.6 begins with."""


def unpickled(file: Path, mappings: Collection[str] | None = None) -> Any:
    """What torch.save wrote.

    Args:
        file: a zip archive.
        mappings: classes, such as `easydict.EasyDict`, to read as plain dictionaries, any other being refused; None to
            take placeholders for all.

    Raises:
        ValueError: for a file that cannot be read, or that names any other class or function.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            program = _program(file, archive.namelist())
            with archive.open(program) as stream:
                return _TensorUnpickler(stream, archive, program.removesuffix("data.pkl"), mappings).load()
    except (zipfile.BadZipFile, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # which places before the file's start give
            raise
        raise ValueError(
            f"{file} is cut short or damaged: it begins as an archive of torch.save and does not end as one; get the file again"
        ) from None
    except _OtherArchive as error:
        raise ValueError(str(error)) from None
    # what pickle raises for a damaged or hostile program
    except (pickle.UnpicklingError, ValueError, TypeError, AttributeError, KeyError, IndexError, EOFError, RuntimeError,
            ImportError, UnicodeDecodeError, struct.error, OverflowError) as error:  # fmt: skip
        raise ValueError(f"{file} cannot be read as weights: {error}") from error


class _OtherArchive(ValueError):
    """An archive of another kind."""


def _program(file: Path, names: list[str]) -> str:
    """The pickle in an archive of torch.save."""
    if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
        raise _OtherArchive(
            f"{file} is a TorchScript archive, a program with its weights; if you trust it, "
            f"torch.save(torch.jit.load(FILE).state_dict(), OTHER) writes the weights alone"
        )
    found = [name for name in names if name.endswith("/data.pkl")]
    if len(found) != 1:
        has = ", ".join(names[:3]) or "nothing"
        raise _OtherArchive(
            f"{file} is a zip archive of something else than torch.save (it holds {has}): unpack it, "
            "and name the weight file in it"
        )
    return found[0]


def unpickled_of_old(file: Path) -> Any:
    """What torch before 1.6 wrote, if it holds nothing but tensors, plain values and dictionaries.

    Raises:
        ValueError: if it holds anything else, or is damaged.
    """
    try:
        with torch.device("cpu"):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damage shows as any of several errors of pickle and torch
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{file} was written by torch before 1.6 and cannot be read without running what it names ({reason:.80}); if you "
            "trust it, torch.save(torch.load(FILE, weights_only=False)['state_dict'], OTHER), say, writes the weights alone"
        ) from error


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


def opened(value: Any) -> Any:
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
    return storage.as_strided(size, stride, offset)


def _tensor_of_bytes(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *rest: Any) -> Any:
    """The same of a storage without a type, which comes last but one."""
    dtype = rest[2] if len(rest) > 2 else None
    if not isinstance(storage, Tensor) or not isinstance(dtype, torch.dtype):
        return Foreign()
    return _tensor(storage.view(dtype), offset, size, stride)


def _quantised(*rest: Any) -> Any:
    raise ValueError("its tensors are quantised; get the weights in float32, float16 or bfloat16")


def _parameter(data: Any, *rest: Any) -> Any:
    return data


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Dictionary,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_bytes,
    ("torch._utils", "_rebuild_qtensor"): _quantised,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "UntypedStorage"): torch.uint8,
    **{("torch", name): dtype for name, dtype in _STORAGES.items()},
    **{("torch", name): getattr(torch, name) for name in _EIGHT_BITS if hasattr(torch, name)},
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
            self.storages[key] = (
                torch.frombuffer(raw, dtype=dtype) if count else torch.empty(0, dtype=dtype, device="cpu")
            )
        return self.storages[key]
