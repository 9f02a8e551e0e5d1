"""Where a network's weights stand in a file of another project, whatever the trainer wrapped round them.

A file may hold them at its top, in a dictionary in it (`state_dict`, `model`), under prefixes (`module.`, `_orig_mod.`,
`backbone.`), with averages beside them and with other networks. So every place is looked for where a network of the kind
stands, by the name of one weight that only it has; what the words on the way say decides whether that is an average.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from svdd.messages import check
from svdd.networks.foreign_files import few
from svdd.networks.foreign_pickles import opened

_DEPTH = 6  # of dictionaries in dictionaries
_AVERAGE = {"ema", "emamodel", "modelema", "average", "averaged", "averaging", "shadow", "swa", "polyak"}
_ELSEWHERE = re.compile(r"optim|sched|^lr|^loops$|collected", re.IGNORECASE)  # where no weights of a network are
# Words that say nothing about which network it is.
_PLAIN = {
    "", "state", "dict", "model", "module", "modules", "backbone", "net", "network", "orig", "mod", "weights", "params",
    "parameters", "denoiser", "diffusion", "checkpoint", "ckpt", "online", "current", "last", "score", "unet", "generator",
}  # fmt: skip
_HINTS = {
    "lora": "it is a LoRA, differences from the weights of a model: merge them and save the whole model",
    "model.diffusion_model.": "it is one file of a whole Stable Diffusion",
    "weight_scale": "its weights are quantised",
    "qweight": "its weights are quantised",
}

# What torch.compile and its kin put into names, anywhere.
_WRAPPERS = re.compile(r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")

Rows = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Part:
    """A network's weights in a file.

    Args:
        place: of the dictionary, as its keys with dots; empty for the top.
        prefix: of the names in it.
        sign: the name by which they were found.
        weights: by their names without the prefix.
    """

    place: str
    prefix: str
    sign: str
    weights: dict[str, Tensor]

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return ".".join(filter(None, [self.place, self.prefix.rstrip(".")])) or "the top of the file"

    @property
    def words(self) -> set[str]:
        """On the way to it."""
        return _words(f"{self.place}.{self.prefix}")


@dataclass(frozen=True)
class Layout:
    """What a file holds of one kind of network.

    Args:
        file: it is from.
        part: the weights.
        averages: moving averages of them: a part by name, or tensors in the order of the parameters.
        unread: places that seem to hold an average, and could not be read as one.
        averaged: whether the weights are an average themselves, since the file has nothing else.
    """

    file: Path
    part: Part
    averages: tuple[Part | list[Tensor], ...] = ()
    unread: tuple[str, ...] = ()
    averaged: bool = False

    @property
    def average(self) -> Part | list[Tensor] | None:
        """The only average; None if there is none.

        Raises:
            ValueError: if there are several.
        """
        names = [one.name if isinstance(one, Part) else "a list of tensors" for one in self.averages]
        check(
            len(names) < 2,
            f"{self.file} holds {len(names)} moving averages ({few(names)}); give ema=False for the last weights, or save "
            "the one that you mean in a file of its own",
        )
        return self.averages[0] if self.averages else None


def layout(file: Path, content: Mapping[Any, Any], signs: Collection[str], kind: str) -> Layout:
    """Where the weights of a kind of network and their averages are.

    Args:
        file: for messages.
        content: of it.
        signs: names of weights, of which each such network has one; none to take a dictionary whole, whatever its names.
        kind: of network, for messages.

    Raises:
        ValueError: if there is no such network, or there are several and nothing says which is meant.
    """
    groups = {place: group for place, group in _groups(content) if not _ELSEWHERE.search(place)}
    parts = [part for place, group in groups.items() for part in _parts(place, group, signs)]
    averages = [part for part in parts if _is_average(part, content, groups)]
    last = _only(file, _distinct([part for part in parts if part not in averages]) or averages[:1], kind)
    if last is None:
        raise ValueError(_nothing(file, content, groups, signs, kind))
    lists = {
        place: found for place, found in _lists(content) if _words(place) & _AVERAGE and not _ELSEWHERE.search(place)
    }
    others = [part for part in _distinct(averages) if part is not last]
    return Layout(file, last, (*others, *lists.values()), tuple(_unread(groups, parts)), last in averages)


def _groups(value: Any, place: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every dictionary that holds tensors, by its place."""
    value = opened(value)
    if not isinstance(value, dict) or depth == 0:
        return
    named = {name: one for name, one in value.items() if isinstance(name, str)}
    tensors = {_WRAPPERS.sub("", name): one for name, one in named.items() if isinstance(one, Tensor)}
    if tensors:
        yield place, tensors
    for name, one in named.items():
        if not isinstance(one, Tensor):
            yield from _groups(one, f"{place}.{name}" if place else name, depth - 1)


def _lists(value: Any, place: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, list[Tensor]]]:
    """Every list of tensors, by its place."""
    value = opened(value)
    if isinstance(value, list | tuple) and value and all(isinstance(one, Tensor) for one in value):
        yield place, list(value)
    if isinstance(value, dict) and depth:
        for name, one in value.items():
            if isinstance(name, str):
                yield from _lists(one, f"{place}.{name}" if place else name, depth - 1)


def _parts(place: str, group: Rows, signs: Collection[str]) -> list[Part]:
    """The networks in one dictionary; one does not hold another that stands inside it."""
    if not signs:
        prefix = _common(group)
        return [Part(place, prefix, "", {name.removeprefix(prefix): one for name, one in group.items()})]
    found = {
        name.removesuffix(sign): sign for sign in signs for name in group if name == sign or name.endswith(f".{sign}")
    }
    inner = {prefix: [one for one in found if one != prefix and one.startswith(prefix)] for prefix in found}
    return [
        Part(place, prefix, sign, {
            name.removeprefix(prefix): one
            for name, one in group.items()
            if name.startswith(prefix) and not name.startswith(tuple(inner[prefix]))
        })
        for prefix, sign in found.items()
    ]  # fmt: skip


def _common(group: Rows) -> str:
    """What all names begin with, as far as it says nothing: `module.` of many accelerators."""
    prefix, beginnings = "", {name.partition(".")[0] for name in group}
    while len(beginnings) == 1 and beginnings <= _PLAIN:
        prefix += f"{next(iter(beginnings))}."
        beginnings = {name.removeprefix(prefix).partition(".")[0] for name in group}
    return prefix


def _is_average(part: Part, content: Mapping[Any, Any], groups: Mapping[str, Rows]) -> bool:
    if "online" in part.words:
        return False
    # Lightning's averaging leaves the average under `state_dict`, torch's own counts beside it.
    lightning = part.place == "state_dict" and "current_model_state" in content
    return bool(part.words & _AVERAGE) or lightning or "n_averaged" in groups[part.place]


def _distinct(parts: Sequence[Part]) -> list[Part]:
    """Those that are not the same as an earlier one."""
    kept: list[Part] = []
    for part in parts:
        if not any(_same(part.weights, one.weights) for one in kept):
            kept.append(part)
    return kept


def _same(one: Rows, other: Rows) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _only(file: Path, parts: Sequence[Part], kind: str) -> Part | None:
    """The one that is meant: the only one, or the only one whose place has no words of its own."""
    plain = [part for part in parts if part.words <= _PLAIN]
    chosen = plain if len(plain) == 1 else parts
    check(
        len(chosen) < 2,
        f"{file} holds {kind} {len(chosen)} times, and nothing says which is meant: "
        f"{few(part.name for part in chosen)}; save the one that you mean in a file of its own",
    )
    return chosen[0] if chosen else None


def _unread(groups: Mapping[str, Rows], parts: Sequence[Part]) -> Iterator[str]:
    """Where tensors stand under words for an average, and are part of none that was found."""
    known = [f"{part.place}.{part.prefix}" for part in parts if part.words & _AVERAGE]
    for place, group in groups.items():
        for name, tensor in group.items():
            whole = f"{place}.{name}"
            if tensor.ndim and _words(whole) & _AVERAGE and not whole.startswith(tuple(known)):
                yield place if _words(place) & _AVERAGE else f"{place}.{name}".lstrip(".")
                break


def _words(place: str) -> set[str]:
    return set(re.split(r"[._\W]+", place.lower()))


def _nothing(
    file: Path, content: Mapping[Any, Any], groups: Mapping[str, Rows], signs: Collection[str], kind: str
) -> str:
    names = [f"{place}.{name}".lstrip(".") for place, group in groups.items() for name in group]
    hint = next((f"; {words}" for sign, words in _HINTS.items() if any(sign in name.lower() for name in names)), "")
    has = few(names) if names else f"no tensors, but {few(str(key) for key in content)}"
    if not signs:
        return f"{file} holds a dict, not named tensors; it has {has}"
    if len(signs) == 1:
        return f"{file} holds no weights of {kind}: there is no {few(signs)} in it; it has {has}{hint}"
    return f"{file} has none of {few(signs)}, so it is neither {kind}; it has {has}{hint}"


def by_name(layout: Layout, parameters: Rows) -> dict[str, Tensor]:
    """The only moving average by the names of a network's parameters; nothing if there is none.

    Args:
        layout: of the file; a list of tensors is in the order of the parameters, or of all weights in the file.
        parameters: of the network.

    Raises:
        ValueError: if there are several, or it does not fit.
    """
    average = layout.average
    if average is None:
        return {}
    orders = [parameters, layout.part.weights]
    tried = [average.weights] if isinstance(average, Part) else [
        dict(zip(names, average, strict=True)) for names in orders if len(names) == len(average)
    ]  # fmt: skip
    for named in tried:
        if all(name in named and named[name].shape == one.shape for name, one in parameters.items()):
            return {name: named[name] for name in parameters}
    count = len(average.weights if isinstance(average, Part) else average)
    raise ValueError(
        f"the moving average in {layout.file} ({count} tensors) does not fit the network's {len(parameters)} parameters; give "
        "ema=False to use the last weights"
    )
