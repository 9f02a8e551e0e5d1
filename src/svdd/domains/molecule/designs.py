"""The designs of models of molecules: SMILES, empty where a state is no molecule; written as SDF and as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from svdd.chain.designs import TextKind
from svdd.domains.molecule.files import write_molecules
from svdd.domains.molecule.lists import read_molecules


@dataclass(frozen=True)
class MoleculeKind(TextKind):
    """Molecules."""

    domain: str = field(default="molecule", kw_only=True)
    decides: ClassVar[tuple[str, ...]] = ("valency_correction",)

    def write(self, designs: Any, ids: Sequence[str], numbers: Mapping[str, Any], folder: Path) -> None:
        """Writes samples.sdf and samples.png."""
        write_molecules(designs, ids, numbers, folder)

    def read_given(self, path: Path) -> list[str]:
        """The molecules of a file of SMILES, a table, an SDF, or of the folder of a run."""
        return read_molecules(path / "samples.csv" if path.is_dir() else path)
