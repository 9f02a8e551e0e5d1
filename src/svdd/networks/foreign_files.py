"""Weight files of other projects: which files there are, of what format, and what is in them.

The format is told by the first bytes, not by the suffix. A file that is cut short, one of several shards, or of a format that
holds no weights to be read here is said to be that.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from svdd.first_bytes import check_content, content
from svdd.messages import check
from svdd.networks.foreign_pickles import OLD, Foreign, unpickled, unpickled_of_old
from svdd.user_texts import json_of, text_of_file

SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
_OTHER = {
    ".msgpack": "Flax",
    ".h5": "TensorFlow or Keras",
    ".keras": "Keras",
    ".pb": "TensorFlow",
    ".tflite": "TensorFlow",
    ".onnx": "ONNX",
    ".gguf": "GGUF, whose weights are quantised",
    ".distcp": "torch.distributed.checkpoint",
}
# What trainers leave beside weights.
_BESIDE = re.compile(r"(training_args|optimizer|scheduler|scaler|rng_state.*|random_states.*)\.(bin|pt|pth)")
_SHARD = re.compile(r"(?P<stem>.+?)-(?P<number>\d+)-of-(?P<count>\d+)(?P<suffix>(\.\w+)+)")
_INDEX = ".index.json"
_CONFIGURATIONS = ("config.json", "config.yaml", ".hydra/config.yaml", "hparams.yaml")
_OF_RUNS = (".hydra/config.yaml", "hparams.yaml")
_OF_CHECKPOINTS = re.compile(r"(checkpoint|ckpt|weight|snapshot)", re.IGNORECASE)  # folders inside that of a run
_LONGEST_HEADER = 100_000_000  # of safetensors, as its own library has it


def weight_files(path: str | Path) -> list[Path]:
    """The files that hold the weights: one, or all shards of one set.

    Args:
        path: a file, one shard of several, the index of shards, or a folder.

    Raises:
        ValueError: if there is no such file, a shard is missing, or a folder has none or several sets.
    """
    given = Path(path).expanduser()
    if given.is_file():
        return _of_index(given) if given.name.endswith(_INDEX) else _shards(given)
    check(given.is_dir(), f"there is no weight file or folder {str(path)!r}{_download(str(path))}")
    inside = sorted(file for file in given.iterdir() if file.is_file())
    files = [file for file in inside if file.suffix.lower() in SUFFIXES and not _BESIDE.fullmatch(file.name)]
    sets = {tuple(_shards(file)) for file in files}
    others = [f"{file.name} is of {_OTHER[file.suffix.lower()]}" for file in inside if file.suffix.lower() in _OTHER]
    names = ", ".join(file.name for file in files) or "; ".join(["none", *others[:2]])
    check(
        len(sets) == 1,
        f"{given} must hold one weight file ({', '.join(SUFFIXES)}), but has {names}; name the file itself",
    )
    return list(*sets)


def _download(name: str) -> str:
    """How to get what is no file here, where its name is an address or one of a hub."""
    if re.match(r"https?:/", name):
        return ": nothing is fetched from addresses; download the file and name it"
    of_hub = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) and Path(name).suffix.lower() not in SUFFIXES
    return f"; if it is on a hub, hf download {name} --local-dir FOLDER fetches it: name FOLDER" if of_hub else ""


def _shards(file: Path) -> list[Path]:
    """The file, or it and its kin if it is one of several."""
    found = _SHARD.fullmatch(file.name)
    if found is None:
        return [file]
    stem, suffix, digits = found["stem"], found["suffix"], len(found["number"])
    whole = [file.with_name(f"{stem}-{i:0{digits}}-of-{found['count']}{suffix}") for i in _numbers(found)]
    missing = [one.name for one in whole if not one.is_file()]
    check(
        not missing, f"{file} is one of {len(whole)} shards, and {few(missing)} are missing beside it; get all of them"
    )
    return whole or [file]


def _numbers(shard: re.Match[str]) -> range:
    """Of the shards of a set, which some writers count from 0."""
    count, number = int(shard["count"]), int(shard["number"])
    first = 0 if number == 0 else 1
    return range(first, first + count) if first <= number < first + count else range(0)


def _of_index(file: Path) -> list[Path]:
    table = _json(file).get("weight_map")
    check(isinstance(table, dict) and table, f"{file} lists no shards under weight_map")
    names = sorted({Path(str(name)).name for name in table.values()})
    missing = [name for name in names if not (file.parent / name).is_file()]
    check(not missing, f"{file} lists {len(names)} shards, and {few(missing)} are missing beside it; get all of them")
    return [file.parent / name for name in names]


def configuration_beside(file: Path) -> Any:
    """What the configuration in the folder of a weight file, or of the run that it is of, says; nothing if there is none."""
    folder = file.absolute().parent
    places = [folder / name for name in _CONFIGURATIONS]
    places += [folder.parent / name for name in _OF_RUNS if _OF_CHECKPOINTS.match(folder.name)]
    found = [place for place in places if place.is_file()]
    if not found:
        return {}
    if found[0].suffix == ".json":
        return _json(found[0])
    try:
        return yaml.safe_load(text_of_file(found[0])) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{found[0]} is not valid YAML: {error}") from error


def _json(file: Path) -> Any:
    check_content(file)
    try:
        return json_of(text_of_file(file))
    except ValueError as error:
        raise ValueError(f"{file} is not valid JSON: {error}") from error


def read_content(files: Collection[Path], mappings: Collection[str] | None = None) -> dict[Any, Any]:
    """What is in a weight file, or in all shards together.

    Args:
        files: of one set.
        mappings: as in `unpickled`.

    Raises:
        ValueError: for what cannot be read, holds no dictionary, or names a tensor twice.
    """
    whole: dict[Any, Any] = {}
    for file in files:
        part = _read(file, mappings)
        kind = "whole object, as torch.save(model) writes" if isinstance(part, Foreign) else type(part).__name__
        check(
            isinstance(part, dict),
            f"{file} holds a {kind}, not named tensors; torch.save(model.state_dict(), OTHER) writes those, if you trust it",
        )
        twice = [str(name) for name in part if name in whole and name != METADATA]
        check(not twice, f"{file} holds {few(twice)} again, which another shard has too")
        whole |= part
    return whole


METADATA = "__metadata__"
"""The key of what a safetensors file says in its header."""


def _read(file: Path, mappings: Collection[str] | None) -> Any:
    suffix = file.suffix.lower()
    if suffix in _OTHER:
        check_content(file, accepted=["hdf5", "zip"])
        raise ValueError(
            f"{file} is a file of {_OTHER[suffix]}; get the weights as safetensors, or as torch.save writes them"
        )
    check_content(file, accepted=["zip"])
    with open(file, "rb") as opened:
        start = opened.read(max(len(OLD), 100))
    if content(file).kind == "zip":
        return unpickled(file, mappings)
    if start.startswith(OLD):
        return unpickled_of_old(file)
    if suffix == ".safetensors" or start[8:9] == b"{":
        tensors, metadata = read_safetensors(file)
        return {METADATA: metadata, **tensors} if metadata else tensors
    text = " ".join(start.decode("ascii", "replace").split())
    check(
        not (start.isascii() and text.isprintable()),
        f"{file} is text, which begins with {text[:40]!r}, and holds no weights; get the file again",
    )
    raise ValueError(
        f"{file} is not a zip archive of torch.save; if you trust it, load it with the torch that wrote it and save it "
        "again with torch.save or safetensors"
    )


def read_safetensors(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file, and what its header says beside them.

    Raises:
        ValueError: for a file that is not there, not whole, or none of safetensors.
    """
    from safetensors import SafetensorError, safe_open

    check_content(file, accepted=["zip"])
    check(
        content(file).kind != "zip",
        f"{file} is not a readable safetensors file: it is a zip archive, as torch.save writes; give it the suffix .pt",
    )
    _check_length(file)
    try:
        with safe_open(str(file), framework="pt") as opened, torch.device("cpu"):
            # The copy releases the file, which tensors would otherwise stay mapped to.
            tensors = {name: opened.get_tensor(name).clone() for name in opened.keys()}  # noqa: SIM118
            return tensors, opened.metadata() or {}
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"{file} is not a readable safetensors file, so its weights cannot be read: {error}"
        ) from error


def _check_length(file: Path) -> None:
    """Looks whether a file goes on to where its header says that it ends.

    Raises:
        ValueError: if it does not.
    """
    size = file.stat().st_size
    with open(file, "rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = opened.read(length) if length <= _LONGEST_HEADER else b""
    if not header.startswith(b"{"):
        return  # the library says what is wrong
    try:
        ends = [one["data_offsets"][1] for name, one in json_of(header).items() if name != METADATA]
        whole = 8 + length + max(ends, default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        whole = 8 + length
    check(size >= whole, f"{file} is cut short: it has {size:,} of {whole:,} bytes; get the file again")


def few(names: Iterable[str]) -> str:
    """The first three names and how many more there are."""
    first = list(names)
    return ", ".join(first[:3]) + (f" and {len(first) - 3} more" if len(first) > 3 else "") or "none"


def check_downloaded(folder: str | Path) -> None:
    """Looks whether what a folder of a model holds was really fetched, once it could not be loaded.

    Raises:
        ValueError: for the pointer of a large file, a web page, or an empty file in the place of weights or settings.
    """
    for file in _of_model(Path(folder)) if Path(folder).is_dir() else ():
        found = content(file)
        check(
            found.kind not in ("empty", "pointer", "page", "refusal"),
            f"{file} {found.words}: {found.remedy}",
        )
        if file.suffix.lower() == ".safetensors":
            _check_length(file)


def _of_model(folder: Path) -> Iterator[Path]:
    kinds = (*SUFFIXES, ".json")
    return (file for file in sorted(folder.rglob("*")) if file.suffix.lower() in kinds and file.is_file())
