"""Reading the fragments that users give, and saying what of them no design can have.

A design is SELFIES of a small vocabulary. What of a fragment is a symbol of its own, a charge for example, is refused where it
is looked up; what is written at an atom or a bond would be lost unseen, so it is looked for here.
"""

import re
from typing import Any

from svdd.domains.molecule.chemistry import plain
from svdd.domains.molecule.selfies import written
from svdd.messages import check, letter_name

MARKER = "I"
"""An isotope of it stands for an attachment point while a fragment is written."""
_BONDS = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")


class FragmentWarning(UserWarning):
    """Designs hold a fragment without something that was written of it."""


def read_fragment(fragment: str) -> tuple[str, list[Any], tuple[str, ...]]:
    """A fragment with numbered dummy atoms, its parts with marker atoms, whose isotopes are those numbers, and what is lost.

    Raises:
        ValueError: for text that is no molecule, has no `*` or no free valence there, a radical, and more than two parts.
    """
    from rdkit import Chem, rdBase

    check(
        not any("*" in word for word in fragment.split()[1:]),
        f"{fragment!r} has a blank within: link two with a dot, A*.B*",
    )
    odd = next((letter for letter in fragment if not letter.isascii()), None)
    check(odd is None, f"{fragment!r} cannot be read as SMILES: it has {letter_name(odd or '*')}")
    with rdBase.BlockLogs():
        molecule: Any = Chem.MolFromSmiles(fragment, sanitize=False) if plain(fragment) else None
        check(molecule is not None and molecule.GetNumAtoms(), f"{fragment!r} cannot be read as SMILES")
        points = _points(fragment, molecule)
        try:
            Chem.SanitizeMol(molecule)
        except ValueError as error:
            raise ValueError(f"{fragment} is no molecule, counting a bond to each *: {error}") from None
    _check_bound(fragment, molecule)
    lost = _lost(molecule, points)
    Chem.RemoveStereochemistry(molecule)
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(0)
        atom.SetIsotope(0)
    for number, atom in enumerate(points, 1):
        atom.SetAtomMapNum(number)
    smiles = written(molecule)
    if any(near.GetAtomicNum() == 1 for atom in points for near in atom.GetNeighbors()):
        raise ValueError(f"every * of {fragment} must hang on a heavy atom, not on hydrogen")
    marked = re.sub(r"\[\*:(\d+)\]", rf"[\1{MARKER}]", smiles)
    parts = Chem.GetMolFrags(Chem.MolFromSmiles(marked), asMols=True)
    if len(parts) > 2 or (len(parts) == 2 and len(points) != 2):
        raise ValueError(
            f"{fragment} must be one fragment, or two with one * each to link them, as in *c1ccccc1.*C1CC1"
        )
    return smiles, sorted(parts, key=lambda part: max(atom.GetIsotope() for atom in part.GetAtoms())), lost


def _points(fragment: str, molecule: Any) -> list[Any]:
    points = [atom for atom in molecule.GetAtoms() if not atom.GetAtomicNum()]
    check(points, f"{fragment} has no attachment point; write * where designs go on, as in *c1ccccc1")
    for atom in points:
        bonds = [bond.GetBondType().name for bond in atom.GetBonds()]
        if bonds != ["SINGLE"] or any(not near.GetAtomicNum() for near in atom.GetNeighbors()):
            raise ValueError(f"every * of {fragment} must hang on one atom by a single bond, as in *c1ccccc1")
    return points


def _check_bound(fragment: str, molecule: Any) -> None:
    for bond in molecule.GetBonds():
        kind = bond.GetBondType().name
        check(kind in _BONDS, f"{fragment} has a bond of the kind {kind.lower()}, which the model does not know")
    for atom in molecule.GetAtoms():
        check(
            not atom.GetNumRadicalElectrons(),
            f"{fragment} has a radical at its {atom.GetSymbol()}, which no design has: write the atom without brackets, or "
            "with all of its hydrogens",
        )


def _lost(molecule: Any, points: list[Any]) -> tuple[str, ...]:
    """What was written of a molecule that a design cannot have; a mark where there is no stereochemistry is nothing."""
    from rdkit import Chem

    known = Chem.Mol(molecule)
    for number, point in enumerate(points, 1):
        known.GetAtomWithIdx(point.GetIdx()).SetIsotope(number)  # what is bound there will differ
    Chem.AssignStereochemistry(known, cleanIt=True, force=True)
    atoms = [atom for atom in known.GetAtoms() if atom.GetAtomicNum()]
    lost = {
        "stereochemistry at atoms (@)": any(atom.GetChiralTag().name != "CHI_UNSPECIFIED" for atom in atoms),
        "stereochemistry at double bonds (/, \\)": any(
            bond.GetStereo().name not in ("STEREONONE", "STEREOANY") for bond in known.GetBonds()
        ),
        "isotopes": any(atom.GetIsotope() for atom in atoms),
        "atom numbers (:1)": any(atom.GetAtomMapNum() for atom in atoms),
    }
    return tuple(what for what, is_so in lost.items() if is_so)
