"""The trace of a protein: where its CA atoms are, and what their distances say of its secondary structure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

HELIX, STRAND, COIL = "helix", "strand", "coil"
BROKEN = 4.5
"""Angstrom between the CA atoms of two residues from which on they are no neighbours in a chain."""
_CLASSES = {
    HELIX: ((5.5, 5.3, 6.4), (0.5, 0.5, 0.6), slice(0, 5)),
    STRAND: ((6.7, 9.9, 12.4), (0.6, 0.9, 1.1), slice(1, 4)),
}
"""Distances of CA atoms from the first of five to the last three, how far they may be off, and which of the five they tell
of (strands may turn at their ends): as P-SEA has them, without its angles (Labesse et al., CABIOS 13:291, 1997)."""
_FEWEST = 4


@dataclass(frozen=True)
class Trace:
    """The CA atoms of a structure, chain after chain.

    Args:
        places: of the atoms, Angstrom.
        numbers: of each residue, what the structure says in its column of B-factors.
        labels: which residue each is, as MolViewSpec selects it.
        ends: the first residue of every stretch without a gap, and the number of residues.
    """

    places: Float[ndarray, "L 3"]
    numbers: Float[ndarray, " L"]
    labels: Sequence[Mapping[str, Any]]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def chains(self) -> int:
        """How many chains there are."""
        return len({label["auth_asym_id"] for label in self.labels})

    @property
    def stretches(self) -> Iterator[slice]:
        """The residues of every stretch without a gap."""
        return (slice(first, last) for first, last in zip(self.ends, self.ends[1:], strict=False))


def trace_of(pdb: str) -> Trace:
    """The trace of a structure as text of PDB.

    Raises:
        ValueError: for text without a CA atom, and for places that are no numbers.
    """
    lines = [line for line in pdb.split("\n") if line.startswith("ATOM") and line[12:16].strip() == "CA"]
    if not lines:
        raise ValueError("the structure has no CA atom, so it cannot be drawn")
    places = np.array([[float(line[start : start + 8]) for start in (30, 38, 46)] for line in lines])
    if not np.isfinite(places).all():
        raise ValueError("the structure has CA atoms whose places are no numbers, so it cannot be drawn")
    chains = np.array([line[21] for line in lines])
    apart = (np.linalg.norm(np.diff(places, axis=0), axis=1) > BROKEN) | (chains[1:] != chains[:-1])
    ends = (0, *(np.flatnonzero(apart) + 1).tolist(), len(lines))
    return Trace(places, np.array([float(line[60:66]) for line in lines]), [*map(_label, lines)], ends)


def _label(line: str) -> dict[str, Any]:
    inserted = {"pdbx_PDB_ins_code": line[26]} if line[26].strip() else {}
    return {"auth_asym_id": line[21], "auth_seq_id": int(line[22:26]), **inserted}


def secondary_structure(places: Float[ndarray, "L 3"]) -> list[str]:
    """Helix, strand or coil of every residue of a stretch without gaps, by distances of CA atoms alone."""
    found = [COIL] * len(places)
    for name, (wanted, tolerance, told) in _CLASSES.items():
        for first, last in _runs(_alike(places, wanted, tolerance, told)):
            if last - first >= _FEWEST and set(found[first:last]) == {COIL}:
                found[first:last] = [name] * (last - first)
    return found


def _alike(places: ndarray, wanted: tuple[float, ...], tolerance: tuple[float, ...], told: slice) -> list[bool]:
    """Whether five residues with the wanted distances tell of each residue."""
    inside = np.zeros(len(places), dtype=bool)
    for first in range(len(places) - 4):
        distances = np.linalg.norm(places[first + 2 : first + 5] - places[first], axis=1)
        inside[first : first + 5][told] |= bool((abs(distances - wanted) <= tolerance).all())
    return inside.tolist()


def _runs(inside: list[bool]) -> Iterator[tuple[int, int]]:
    """First and last (exclusive) of every run of true values."""
    edges = np.flatnonzero(np.diff([False, *inside, False]))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
