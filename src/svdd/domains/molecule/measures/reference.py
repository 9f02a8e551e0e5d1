"""What molecules are compared with: a set of known ones in numbers, small enough to come with a model.

A recipe makes the numbers of a bundled model with `write_molecule_reference`; `of_molecule_model` reads them back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy
from jaxtyping import UInt8
from numpy import ndarray
from numpy.typing import NDArray

from svdd.domains.molecule.chemistry import canonical, fingerprints, flat, fragments, parsed, scaffolds
from svdd.domains.molecule.measures.chemnet import Activations
from svdd.domains.molecule.measures.properties import BINS, Histogram, property_table
from svdd.registry import bundled_folders

FILE = "reference.npz"
SAMPLE = 10_000
"""Molecules, evenly spread over the set, of which ChemNet, fragments, scaffolds and properties are computed."""
KEPT, NEIGHBOURS = 3000, 8192
"""In a file: the most frequent pieces of a kind, and the molecules that are searched for neighbours."""


@dataclass(frozen=True)
class Pieces:
    """How often pieces occur in a set of molecules.

    Args:
        counts: of the pieces, at least of the most frequent ones.
        length: root of the sum of all squared counts, also of the pieces that are left out.
    """

    counts: Mapping[str, int]
    length: float

    @classmethod
    def of(cls, counts: Counter[str]) -> Pieces:
        """All pieces, the most frequent first."""
        length = float(numpy.sqrt(sum(count**2 for count in counts.values())))
        return cls(dict(sorted(counts.items(), key=lambda piece: (-piece[1], piece[0]))), length)

    def brief(self, kept: int) -> Pieces:
        """The most frequent ones."""
        return replace(self, counts=dict(list(self.counts.items())[:kept]))


@dataclass(frozen=True)
class MoleculeReference:
    """Known molecules in numbers.

    Args:
        name: for files and reports.
        count: valid molecules of the set.
        neighbours: fingerprints of those that the nearest one is searched among.
        fragments: BRICS fragments.
        scaffolds: Bemis-Murcko scaffolds.
        histograms: of every property.
        activations: ChemNet's.
        known: canonical SMILES of all of the set, where they are there, without stereochemistry.
        note: what is approximate about it, empty if nothing is.
    """

    name: str
    count: int
    neighbours: UInt8[ndarray, "m bytes"]
    fragments: Pieces
    scaffolds: Pieces
    histograms: Mapping[str, Histogram]
    activations: Activations
    known: frozenset[str] | None = None
    note: str = ""

    @classmethod
    def of(cls, molecules: Sequence[str], name: str, *, sample: int = SAMPLE, device: str = "cpu") -> MoleculeReference:
        """The numbers of a set.

        Args:
            molecules: SMILES, written in any way.
            name: for files and reports.
            sample: molecules, evenly spread over the set, for all but novelty and neighbours, which are of all.
            device: where ChemNet runs.

        Raises:
            ImportError: without RDKit or fcd_torch; it names the extra.
            ValueError: for fewer than two valid molecules.

        Cost:
            About 10 ms a molecule of the sample, and 0.3 ms a molecule of the set.
        """
        valid = canonical(molecules)
        if len(valid) < 2:
            broken = next(
                (f"; the first that is none is {text[:60]!r}" for text in molecules if parsed(text) is None), ""
            )
            raise ValueError(
                f"{name} must hold at least 2 valid molecules, got {len(valid)} of {len(molecules)}{broken}"
            )
        some = [valid[place] for place in _places(len(valid), sample)]
        table = property_table(some)
        note = f"{name}: all but novelty and neighbours is of {len(some):,} of its {len(valid):,} molecules"
        return cls(
            name,
            len(valid),
            fingerprints(valid),
            Pieces.of(fragments(some)),
            Pieces.of(scaffolds(some)),
            {name: Histogram.of(name, table[name]) for name in BINS},
            Activations.of(some, device=device),
            frozenset(flat(valid)),
            "" if len(some) == len(valid) else note,
        )

    def brief(self, kept: int = KEPT, neighbours: int = NEIGHBOURS) -> MoleculeReference:
        """What fits into a small file: the most frequent pieces and some neighbours; exact novelty is lost."""
        near = self.neighbours[_places(len(self.neighbours), neighbours)]
        said = (
            f"{self.name}: nearest similarity is to {len(near):,} of its {self.count:,} molecules, so a little too low, and "
            "the share of distant designs too high; give --reference for all of a set"
        )
        pieces: dict[str, Any] = {"fragments": self.fragments.brief(kept), "scaffolds": self.scaffolds.brief(kept)}
        return replace(self, neighbours=near, known=None, note=said, **pieces)

    def save(self, path: str | Path) -> Path:
        """Writes all but the known molecules as one npz; covariances as float32."""
        arrays: dict[str, Any] = {"name": self.name, "note": self.note, "count": self.count}
        arrays["neighbours"] = self.neighbours
        for kind, pieces in (("fragment", self.fragments), ("scaffold", self.scaffolds)):
            arrays[f"{kind}_names"] = numpy.array(list(pieces.counts), dtype=str)
            arrays[f"{kind}_counts"] = numpy.array(list(pieces.counts.values()), dtype=numpy.int64)
            arrays[f"{kind}_length"] = pieces.length
        arrays |= {f"property_{name}": histogram.counts for name, histogram in self.histograms.items()}
        chemnet = self.activations
        upper = numpy.triu_indices(len(chemnet.mean))
        arrays |= {"chemnet_mean": chemnet.mean, "chemnet_count": chemnet.count}
        arrays["chemnet_covariance"] = chemnet.covariance[upper].astype(numpy.float32)
        numpy.savez_compressed(path, **arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> MoleculeReference:
        """The inverse of `save`.

        Raises:
            ValueError: for another file.
        """
        try:
            with numpy.load(path, allow_pickle=False) as file:
                return cls._from(dict(file))
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is not a reference of molecules ({error})") from None

    @classmethod
    def _from(cls, arrays: dict[str, NDArray[Any]]) -> MoleculeReference:
        def pieces(kind: str) -> Pieces:
            names, counts = arrays[f"{kind}_names"].tolist(), arrays[f"{kind}_counts"].tolist()
            return Pieces(dict(zip(names, counts, strict=True)), float(arrays[f"{kind}_length"]))

        histograms = {
            name: Histogram(arrays[f"property_{name}"], low, high)
            for name, (low, high, _) in BINS.items()
            if f"property_{name}" in arrays
        }
        name = str(arrays["name"])
        count = int(arrays["count"])
        cut = (pieces("fragment"), pieces("scaffold"))
        note = str(arrays["note"])
        return cls(name, count, arrays["neighbours"], *cut, histograms, _statistics(arrays), note=note)


def write_molecule_reference(
    molecules: Sequence[str], path: str | Path, name: str, *, sample: int = 30_000, device: str = "cpu"
) -> Path:
    """Writes the reference of a bundled model: `write_molecule_reference(test, folder / "reference.npz", "MOSES test")`.

    The file, about 1 MB, lies beside the model's weights, where `svdd evaluate` finds it by the model's name.

    Args:
        molecules: SMILES of molecules that the model was not trained on, such as the test set.
        path: of the file, `reference.npz` in the model's folder.
        name: of the set, for reports.
        sample: molecules for ChemNet, fragments, scaffolds and properties.
        device: where ChemNet runs.

    Raises:
        ImportError: without RDKit or fcd_torch; it names the extra.

    Cost:
        About 10 ms a molecule of the sample and 0.3 ms a molecule of the set: 6 minutes for 176,000.
    """
    return MoleculeReference.of(molecules, name, sample=sample, device=device).brief().save(path)


def of_molecule_model(model: str) -> MoleculeReference | None:
    """The reference that came with a bundled model; None if none came."""
    path = bundled_folders().get(model, Path()) / FILE
    return MoleculeReference.load(path) if path.is_file() else None


def _places(n: int, most: int) -> NDArray[numpy.int64]:
    """At most `most` of n places, evenly spread."""
    return numpy.unique(numpy.linspace(0, n - 1, min(n, most)).astype(numpy.int64))


def _statistics(arrays: Mapping[str, NDArray[Any]]) -> Activations:
    mean = arrays["chemnet_mean"]
    covariance = numpy.zeros((len(mean), len(mean)))
    covariance[numpy.triu_indices(len(mean))] = arrays["chemnet_covariance"]
    covariance += numpy.triu(covariance, 1).T
    return Activations(mean, covariance, int(arrays["chemnet_count"]))
