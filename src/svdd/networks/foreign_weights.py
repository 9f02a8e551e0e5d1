"""Weights of another project, once they are found: those of the network by name, in single precision, none of them NaN."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from svdd.messages import check
from svdd.networks.foreign_files import few

Rows = Mapping[str, Tensor]


def single(weights: Rows, file: Path) -> tuple[dict[str, Tensor], str]:
    """Weights in single precision, and how they were stored where that is another.

    Raises:
        ValueError: for quantised weights, and for NaN and infinity.
    """
    check_precise(weights, file)
    broken = [name for name, one in weights.items() if not torch.isfinite(one).all()]
    check(not broken, f"{file} is damaged: {few(broken)} has numbers that are not finite")
    kinds = {str(one.dtype).removeprefix("torch.") for one in weights.values()}
    return {name: one.float() for name, one in weights.items()}, ", ".join(sorted(kinds - {"float32"}))


def check_precise(weights: Rows, file: Path) -> None:
    """Looks whether weights are numbers as they are, and not parts of a code that needs scales beside it.

    Raises:
        ValueError: for quantised weights.
    """
    coarse = {name: str(one.dtype).removeprefix("torch.") for name, one in weights.items() if one.dtype.itemsize == 1}
    coarse = {name: kind for name, kind in coarse.items() if kind != "bool"}
    check(
        not coarse,
        f"{file} has quantised weights, {few(coarse)} of the type {few(sorted(set(coarse.values())))}; get them in float32, "
        "float16 or bfloat16",
    )


def check_names(file: Path, kind: str, wanted: Collection[str], weights: Collection[str]) -> None:
    """Raise if a file lacks weights of a network, or has others."""
    missing, unknown = [n for n in wanted if n not in weights], [n for n in weights if n not in wanted]
    if missing or unknown:
        hint = "; it is cut short, or one of several shards" if _half(wanted, missing) else ""
        raise ValueError(
            f"{file} is not quite a {kind}: missing weights: {few(missing)}; unknown weights: {few(unknown)}{hint}"
        )


def _half(wanted: Collection[str], missing: Sequence[str]) -> bool:
    return len(missing) > len(wanted) / 4
