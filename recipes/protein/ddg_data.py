"""Measured changes of stability of small natural domains: reading them and splitting them by clusters.

The data are single substitutions of Tsuboyama et al. 2023 (Nature 620:434), measured by proteolysis of proteins displayed on
cDNA. A cluster holds domains at 25 % identity, and lies in one part as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import torch
from torch import Tensor

from recipes.protein.data import PARTS
from svdd.domains.protein.inverse_folding.backbones import Backbone
from svdd.domains.protein.inverse_folding.structure_files import read_backbone
from svdd.domains.protein.inverse_folding.substitutions import Substitutions
from svdd.domains.sequence.alphabets import PROTEIN

if TYPE_CHECKING:
    import pandas

__all__ = ["Domains", "Rows", "read_ddg"]

_MEASURED = ("protein_id", "pos", "wt", "mut", "ddg")
_DOMAINS = ("protein_id", "part", "cluster", "sequence")
_STRUCTURES = (".pdb", ".cif", ".mmcif")
_VALIDATION_SHARE, _VALIDATION_REST = 5, 2  # every fifth cluster of a part, in the order of their numbers


@dataclass(frozen=True)
class Domains:
    """Domains of one part, and what was measured of each.

    Attributes:
        backbones: Of the domains.
        clusters: Their numbers.
        rows: Per domain: the residues that are changed, their new letters, and ddG in kcal/mol, positive for less stable.
    """

    backbones: list[Backbone]
    clusters: list[int]
    rows: list[tuple[Tensor, Tensor, Tensor]]

    def __len__(self) -> int:
        return len(self.backbones)

    def subset(self, keep: Callable[[int], bool]) -> Domains:
        """The domains of some clusters."""
        chosen = [row for row, cluster in enumerate(self.clusters) if keep(cluster)]
        return Domains(
            [self.backbones[row] for row in chosen],
            [self.clusters[row] for row in chosen],
            [self.rows[row] for row in chosen],
        )

    def split(self) -> tuple[Domains, Domains]:
        """Domains to train on, and every fifth cluster to validate on.

        Raises:
            ValueError: If there are too few clusters to hold one back.
        """
        held = set(sorted(set(self.clusters))[_VALIDATION_REST::_VALIDATION_SHARE])
        if not held:
            raise ValueError(
                f"a part that trains an oracle needs {_VALIDATION_REST + 1} clusters or more, got {len(set(self.clusters))}"
            )
        return self.subset(lambda one: one not in held), self.subset(lambda one: one in held)

    def ddg(self) -> list[Tensor]:
        """What was measured, per domain."""
        return [measured for _, _, measured in self.rows]

    def as_rows(self, read: Callable[[Backbone], Substitutions]) -> Rows:
        """Everything that a network reads of the measured substitutions.

        Args:
            read: what it reads of a backbone.
        """
        found = [read(backbone) for backbone in self.backbones]
        places = [place for place, _, _ in self.rows]
        letters = [letter for _, letter, _ in self.rows]
        starts = numpy.cumsum([0, *(len(one.native) for one in found)])[:-1].tolist()
        return Rows(
            Substitutions(
                torch.cat([one.native for one in found]),
                torch.cat([one.residues for one in found]),
                torch.cat([one.changes for one in found]),
            ),
            torch.cat([place + start for place, start in zip(places, starts, strict=True)]),
            torch.cat(letters),
            torch.cat(self.ddg()),
            [len(place) for place in places],
        )


@dataclass(frozen=True)
class Rows:
    """Measured substitutions, domain after domain.

    Attributes:
        numbers: Of all residues of all domains.
        residue: Of each row, its number among them.
        letter: That comes in its place.
        ddg: kcal/mol.
        sizes: Rows of each domain.
    """

    numbers: Substitutions
    residue: Tensor
    letter: Tensor
    ddg: Tensor
    sizes: list[int]

    def to(self, device: str) -> Rows:
        """The same on a device."""
        residue, letter, ddg = (one.to(device) for one in (self.residue, self.letter, self.ddg))
        return Rows(self.numbers.to(device), residue, letter, ddg, self.sizes)


def read_ddg(folder: str | Path) -> dict[str, Domains]:
    """Read measurements, domains and backbones.

    Args:
        folder: Holds a CSV, gzipped or not, with columns `protein_id`, `pos` (residues from 1), `wt`, `mut` and `ddg`
            (kcal/mol, positive for less stable); one with `protein_id`, `part` (guide, judge or test), `cluster` and
            `sequence`; and the backbones of all residues of each sequence: an `.npz` with an array (L, 4, 3) of N, CA, C
            and O in Angstrom per `protein_id`, or files `PROTEIN_ID.pdb` or `.cif`.

    Returns:
        The domains of each part.

    Raises:
        FileNotFoundError: If there is no such table, or no backbone of a domain.
        ValueError: If a cluster lies in two parts, a part is empty, a row has a letter that its domain has not, or a
            backbone does not fit its sequence.
    """
    path = Path(folder)
    domains, measured = _table(path, _DOMAINS), _table(path, _MEASURED)
    _check_clusters(domains, path)
    groups: dict[Any, pandas.DataFrame] = dict(tuple(measured.dropna(subset=["ddg"]).groupby("protein_id")))
    backbones = dict(_backbones(path, domains))
    parts = {}
    for part in PARTS:
        rows: list[Any] = [row for row in domains[domains["part"] == part].itertuples() if row.protein_id in groups]
        if not rows:
            raise ValueError(f"{path} has no measured domain whose part is {part!r}")
        parts[part] = Domains(
            [backbones[row.protein_id] for row in rows],
            [int(row.cluster) for row in rows],
            [_rows(groups[row.protein_id], row.sequence) for row in rows],
        )
    return parts


def _table(path: Path, columns: tuple[str, ...]) -> pandas.DataFrame:
    import pandas

    for file in sorted(path.glob("*.csv*")):
        if set(columns) <= set(pandas.read_csv(file, nrows=0).columns):
            return pandas.read_csv(file)
    raise FileNotFoundError(f"{path} has no table with columns {', '.join(columns)}")


def _check_clusters(domains: pandas.DataFrame, path: Path) -> None:
    parts = domains.groupby("cluster")["part"].nunique()
    if (parts > 1).any():
        raise ValueError(
            f"{path} has the cluster {parts.idxmax()} in {parts.max()} parts; a cluster must lie in one, or networks are "
            "tested on relatives of what they were trained on"
        )


def _backbones(path: Path, domains: pandas.DataFrame) -> Iterator[tuple[str, Backbone]]:
    arrays = {name: file for file in path.glob("*.npz") for name in numpy.load(file).files}
    files = {file.stem: file for file in sorted(path.iterdir()) if file.suffix in _STRUCTURES}
    loaded = {file: numpy.load(file) for file in set(arrays.values())}
    wanted: list[tuple[str, str]] = list(zip(domains["protein_id"], domains["sequence"], strict=True))
    for name, sequence in wanted:
        if name in arrays:
            made = alone(name, torch.from_numpy(loaded[arrays[name]][name]), sequence)
        elif name in files:
            made = read_backbone(files[name])
        else:
            raise FileNotFoundError(f"{path} has no backbone of {name}: neither an array in an .npz nor {name}.pdb")
        if made.native != sequence:
            raise ValueError(f"the backbone of {name} has the residues {made.native}, but its sequence is {sequence}")
        yield name, made


def alone(name: str, atoms: Tensor, sequence: str) -> Backbone:
    """A chain without gaps.

    Raises:
        ValueError: If it has another number of residues than the sequence.
    """
    if atoms.shape != (len(sequence), 4, 3):
        raise ValueError(
            f"the backbone of {name} is {tuple(atoms.shape)}, but its sequence has {len(sequence)} letters"
        )
    count = len(sequence)
    labels = tuple(str(number + 1) for number in range(count))
    return Backbone(name, atoms, torch.arange(count), torch.zeros(count, dtype=torch.long), ("A",), labels, sequence)


def _rows(table: pandas.DataFrame, sequence: str) -> tuple[Tensor, Tensor, Tensor]:
    place = torch.tensor(table["pos"].to_numpy()) - 1
    theirs = "".join(sequence[at] if 0 <= at < len(sequence) else "?" for at in place.tolist())
    wrong = [(at + 1, wt, has) for at, wt, has in zip(place.tolist(), table["wt"], theirs, strict=True) if wt != has]
    if wrong:
        at, wt, has = wrong[0]
        raise ValueError(f"{table['protein_id'].iloc[0]} has {has} at position {at}, but a row says {wt}")
    letters = PROTEIN.encode(["".join(table["mut"])])[0]
    return place, letters, torch.tensor(table["ddg"].to_numpy(), dtype=torch.float32)
