"""Structures in PDB or mmCIF, as backbones.

Of several models the first is read, of alternate locations the first in the file, and insertion codes keep their place.
Modified amino acids count as what they were made from (MSE is M). Water, ligands, free amino acids and chains of other polymers
are left out.
"""

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from svdd.domains.protein.inverse_folding.backbones import Backbone
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.messages import check, check_known, needs
from svdd.networks.foreign_files import few
from svdd.user_texts import lines_of_file

ATOMS = ("N", "CA", "C", "O")
_CIF = (".cif", ".mmcif")
_BOND = 2.0
"""Angstrom, beyond which C and N are not bonded; a peptide bond has 1.33."""


class LeftOutWarning(UserWarning):
    """Residues of a structure are left out, since their backbone is not whole, or atoms that it has twice."""


@dataclass(frozen=True)
class _Residue:
    """A residue of a protein chain: where it stands, what it is, and its atoms, of which some may be missing."""

    label: str
    index: int
    letter: str
    atoms: dict[str, list[float]]

    @property
    def whole(self) -> bool:
        return all(name in self.atoms for name in ATOMS)

    @property
    def placed(self) -> bool:
        return all(math.isfinite(x) for name in ATOMS for x in self.atoms[name])


def read_backbone(path: Path, chains: str = "") -> Backbone:
    """The backbone of a structure; the gaps in its numbering count as missing residues.

    Args:
        path: a PDB or mmCIF file, also packed with gzip.
        chains: names with commas between; all protein chains unless given.

    Raises:
        OSError: if there is no such file.
        ValueError: for a file that is no structure, one without a protein chain, one whose residues lack N, CA, C or O,
            and an unknown chain.
        ImportError: without Biopython.
    """
    found = {chain.id: _residues(chain) for chain in _model(path)}
    kept = {name: residues for name, residues in found.items() if residues}
    check(kept, f"{path} holds no protein: its chains are {few(found) if found else 'none'}, without an amino acid")
    names = [name.strip() for name in chains.split(",")] if chains else list(kept)
    for name in names:
        check_known(f"protein chain of {path.name}", name, kept)
    check(len(set(names)) == len(names), f"each chain is named once, got {chains!r}")
    return _backbone(path, {name: kept[name] for name in names})


def _backbone(path: Path, chains: dict[str, list[_Residue]]) -> Backbone:
    every = [(number, one) for number, residues in enumerate(chains.values()) for one in residues]
    whole = [(number, one) for number, one in every if one.whole]
    missing = [name for name in ATOMS if not any(name in one.atoms for _, one in every)]
    lacks = f"no residue has {' or '.join(missing)}" if missing else "no residue has all of them"
    check(whole, f"a backbone needs N, CA, C and O of each residue, but {lacks} in {path}")
    names = list(chains)
    lost = [f"{names[number]}:{one.label}" for number, one in whole if not one.placed]
    check(
        not lost, f"the atoms of a backbone need coordinates that are numbers, but some are not in {path}: {few(lost)}"
    )
    broken = [f"{names[number]}:{one.label}" for number, one in every if not one.whole]
    if broken:
        warnings.warn(
            f"{len(broken)} of {len(every)} residues of {path} are left out, since N, CA, C or O is missing: {few(broken)}",
            LeftOutWarning, stacklevel=4,
        )  # fmt: skip
    here = {number for number, _ in whole}
    return Backbone(
        name=path.name,
        atoms=torch.tensor(
            [[one.atoms[name] for name in ATOMS] for _, one in whole], dtype=torch.float32, device="cpu"
        ),
        index=torch.tensor([one.index for _, one in whole], device="cpu"),
        chain=torch.tensor([sorted(here).index(number) for number, _ in whole], device="cpu"),
        chains=tuple(names[number] for number in sorted(here)),
        labels=tuple(one.label for _, one in whole),
        native="".join(one.letter for _, one in whole),
    )


def _model(path: Path) -> Any:
    """The first model of a structure, as Biopython reads it."""
    try:
        from Bio.PDB import MMCIFParser, PDBParser
        from Bio.PDB.PDBExceptions import PDBConstructionException, PDBConstructionWarning
    except ImportError:
        raise ImportError(needs("reading structures", "biopython", "sequences")) from None
    lines = lines_of_file(path)
    cif = path.name.removesuffix(".gz").endswith(_CIF) or any(line.startswith("data_") for line in lines[:20])
    atoms = any(line.startswith(("ATOM", "HETATM")) for line in lines)
    check(atoms, f"{path} is no structure in PDB or mmCIF: it has no line that begins with ATOM")
    form, parser = ("mmCIF", MMCIFParser()) if cif else ("PDB", PDBParser())
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", PDBConstructionWarning)
            model = next(iter(parser.get_structure(path.name, io.StringIO("\n".join(lines) + "\n"))))
    except (PDBConstructionException, ValueError, LookupError, TypeError, StopIteration) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read as {form}: {why}") from error
    twice = sum("defined twice" in str(one.message) for one in said)
    if twice:
        warnings.warn(
            f"{twice} atoms of {path} are left out, since their residue has an atom of that name already: the copies of a "
            "chain need names of their own", LeftOutWarning, stacklevel=4,
        )  # fmt: skip
    return model


def _residues(chain: Any) -> list[_Residue]:
    """The amino acids of a chain, in the order of the file."""
    every = [one.disordered_get_list()[0] if one.is_disordered() == 2 else one for one in chain]
    found: list[_Residue] = []
    last = None
    for residue in every:
        letter = _letter(residue)
        if not letter or not (residue.id[0] == " " or _bonded(residue, every)):
            continue
        number = residue.id[1]
        step = 1 if last is None else max(1, number - last)
        index = found[-1].index + step if found else 0
        found.append(_Residue(f"{number}{residue.id[2].strip()}", index, letter, _atoms(residue)))
        last = number
    return found


def _letter(residue: Any) -> str:
    """One of the twenty, X for another amino acid, nothing for what is none."""
    from Bio.Data.PDBData import protein_letters_3to1_extended as letters

    known: str = letters.get(residue.get_resname().strip().ljust(3), "")  # modified ones among them
    return known or (PROTEIN.mask if all(atom in residue for atom in ("N", "CA")) else "")


def _bonded(residue: Any, every: Sequence[Any]) -> bool:
    """Whether a residue has a peptide bond, as one of the chain has and a free amino acid beside it has not."""
    others = [other for other in every if other is not residue]
    return any(_near(residue, "N", other, "C") or _near(residue, "C", other, "N") for other in others)


def _near(one: Any, atom: str, other: Any, its_atom: str) -> bool:
    return atom in one and its_atom in other and bool(_first(one[atom]) - _first(other[its_atom]) < _BOND)


def _atoms(residue: Any) -> dict[str, list[float]]:
    """Positions of the backbone's atoms, at their first alternate location."""
    found = {name: residue[name] for name in ATOMS if name in residue}
    return {name: [float(x) for x in _first(atom).coord] for name, atom in found.items()}


def _first(atom: Any) -> Any:
    places: Sequence[Any] = atom.disordered_get_list() if atom.is_disordered() == 2 else [atom]
    return min(places, key=lambda place: place.get_serial_number() or 0)
