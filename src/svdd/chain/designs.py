"""Kinds of designs: what the designs of a process are, and so how they are shown, written, read back and told apart.

A process names its kind, or leaves it to be inferred from its first designs: text, tensors, or else rows of which nothing is
known. Domains have kinds of their own.
"""

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from svdd.chain.tree import leaves, rows, tree_map

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class DesignKind:
    """Designs of which nothing is known: a table numbers them, and no file holds them.

    Attributes:
        domain: the name of the domain that measures and draws them; empty for none.
        decides: names of the process's facts on which its designs depend, for fitted values.
        symbols: how many symbols the tokens of a state can be, the mask included; 0 where that is not known.
        mask: the token of a masked site; None without masks.
        further: names of the columns that designs bring with them.
        sitewise: whether every token of a state is one letter of the design, in its place.
    """

    domain: str = field(default="", kw_only=True)
    decides: ClassVar[tuple[str, ...]] = ()
    further: ClassVar[tuple[str, ...]] = ()
    sitewise: ClassVar[bool] = False

    @property
    def symbols(self) -> int:
        """How many symbols the tokens of a state can be."""
        return 0

    @property
    def mask(self) -> int | None:
        """The token of a masked site."""
        return None

    def facts(self) -> dict[str, Any]:
        """What run.json says of the kind, from which it is made again."""
        return {"domain": self.domain} if self.domain else {}

    def adapt(self, reward: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Any reward as one of these designs."""
        return reward

    def keys(self, designs: Any) -> list[Hashable]:
        """What tells designs apart, equal for equal designs; objects of which nothing is known all differ."""
        return list(designs) if comparable(designs) else [_key(one) for one in one_by_one(designs)]

    def column(self, designs: Any, ids: Sequence[str]) -> Sequence[Any]:
        """How a table shows them.

        Args:
            designs: n of them.
            ids: a name for each.
        """
        return range(len(ids))

    def columns(self, designs: Any) -> dict[str, Sequence[Any]]:
        """The columns that they bring with them, such as their prompts, by their names in `further`."""
        return {}

    def write(self, designs: Any, ids: Sequence[str], numbers: Mapping[str, Any], folder: Path) -> None:
        """Writes them in their own format.

        Args:
            designs: n of them.
            ids: a name for each.
            numbers: `reward` and every further score, one per design.
            folder: where to.
        """

    def read_given(self, path: Path) -> Any:
        """The designs of a file that a user gives.

        Args:
            path: the file, or a folder.

        Raises:
            ValueError: if it holds other designs, and for a kind of designs that users do not give in files.
        """
        raise ValueError(
            f"{path}: designs of this model are not read from files; begin with svdd.chain.begun_with in Python"
        )

    def read(self, table: "pd.DataFrame", folder: Path) -> Any:
        """The designs of a run's folder.

        Args:
            table: what samples.parquet holds.
            folder: of the run.

        Raises:
            ValueError: for designs that the folder does not hold.
        """
        return table["id"].tolist()


@dataclass(frozen=True)
class TextKind(DesignKind):
    """Designs that are text."""

    def column(self, designs: Any, ids: Sequence[str]) -> Sequence[Any]:
        """The text itself."""
        return list(designs)

    def read(self, table: "pd.DataFrame", folder: Path) -> Any:
        """The column `sample`."""
        return table["sample"].tolist()


@dataclass(frozen=True)
class TensorKind(DesignKind):
    """Designs that are rows of a tensor, or of a dictionary of tensors; samples.safetensors holds them."""

    FILE: ClassVar[str] = "samples.safetensors"

    def write(self, designs: Any, ids: Sequence[str], numbers: Mapping[str, Any], folder: Path) -> None:
        """Writes samples.safetensors."""
        from safetensors.torch import save_file

        tensors = designs if isinstance(designs, dict) else {"samples": designs}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / self.FILE)

    def read(self, table: "pd.DataFrame", folder: Path) -> Any:
        """What samples.safetensors holds, or the names of the designs where there is no such file."""
        from safetensors.torch import load_file

        if not (folder / self.FILE).is_file():
            return super().read(table, folder)
        tensors = load_file(folder / self.FILE)
        return tensors["samples"] if tensors.keys() == {"samples"} else tensors


def inferred(designs: Any) -> DesignKind:
    """The kind of designs of a process that names none."""
    if isinstance(designs, list):
        return TextKind() if designs and all(isinstance(one, str) for one in designs) else DesignKind()
    parts = list(designs.values()) if isinstance(designs, dict) else [designs]
    return TensorKind() if all(isinstance(part, Tensor) for part in parts) else DesignKind()


def kind_of_files(table: "pd.DataFrame", folder: Path, domain: str = "") -> DesignKind:
    """The kind of the designs of a run's folder, where nothing but its files tells.

    Args:
        table: what samples.parquet holds.
        folder: of the run.
        domain: of the designs.
    """
    if (folder / TensorKind.FILE).is_file():
        return TensorKind(domain=domain)
    is_text = table["sample"].map(lambda one: isinstance(one, str)).all()
    return TextKind(domain=domain) if is_text else DesignKind(domain=domain)


_COMPARABLE = str | bytes | int | float | tuple


def comparable(designs: Any) -> bool:
    """Whether designs can be looked up: text and numbers can, arrays and most objects cannot, pixels are rarely equal."""
    return isinstance(designs, list) and all(issubclass(one, _COMPARABLE) for one in {*map(type, designs)})


def one_by_one(designs: Any) -> list[Any]:
    """Designs apart: of tensors, and of trees of them, the rows."""
    return designs if isinstance(designs, list) else [_row(designs, number) for number in range(rows(designs))]


def _row(designs: Any, number: int) -> Any:
    return tree_map(lambda leaf: leaf[number], designs)


def _key(design: Any) -> Hashable:
    try:
        return bytes_key(design)
    except TypeError:  # it is not made of tensors
        return object()


def bytes_key(design: Any) -> str:
    """What tells one tensor, or tree of them, from others: a hash of type, shape and bits."""
    digest = hashlib.blake2b(digest_size=16)
    named = dict(sorted(design.items())) if isinstance(design, dict) else design  # a file has no order of names
    for leaf in leaves(named):
        digest.update(f"{leaf.dtype} {tuple(leaf.shape)} ".encode())
        digest.update(leaf.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
