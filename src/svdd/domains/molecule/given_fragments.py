"""Given molecules that hold a fragment, as the symbols of its slots: the inverse of `Template.filled`."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from svdd.domains.molecule.chemistry import parsed
from svdd.domains.molecule.fragments import Template
from svdd.domains.molecule.selfies import symbols_of, written

_FIRST, _LAST = 85, 53  # astatine and iodine at the ends of a slot's chain, which are no symbols of the vocabulary
_ORDERS = 1000  # random orders of its atoms, of which the shortest text is taken
_PLACES = 1000  # in a molecule where the fragment may be

Slots = tuple[tuple[str, ...], ...]


def slots_of(made: Template, molecule: str) -> Slots:
    """The symbols of each slot with which the template is a molecule.

    Args:
        made: the template of a fragment.
        molecule: SMILES.

    Raises:
        ValueError: for text that is no molecule, and one that does not hold the fragment with an atom at each of its points, or
            that cannot be written so.
    """
    whole = parsed(molecule)
    if whole is None:
        raise ValueError(f"{molecule} is no molecule")
    wanted = written(whole)
    for pieces in _pieces(made, whole):
        slots = [_symbols(pieces, *made.labels(slot)) for slot in range(made.slots)]
        if all(slots) and made.filled(slots) == wanted:
            return tuple(map(tuple, slots))
    raise ValueError(
        f"{molecule} does not hold {made.smiles} with an atom at each * and nowhere else, or cannot be written so; give "
        "molecules that do"
    )


def _pieces(made: Template, whole: Any) -> Iterator[list[Any]]:
    """What is left of a molecule without the fragment, wherever that is in it; ends have the labels of their points."""
    from rdkit import Chem

    fragment = Chem.MolFromSmiles(made.smiles)
    points, dummies = defaultdict[int, list[int]](list), [one for one in fragment.GetAtoms() if not one.GetAtomicNum()]
    for atom in dummies:
        points[atom.GetNeighbors()[0].GetIdx()].append(atom.GetAtomMapNum())
    core = [atom.GetIdx() for atom in fragment.GetAtoms() if atom.GetAtomicNum()]
    bare = Chem.RWMol(fragment)
    for place in sorted((atom.GetIdx() for atom in dummies), reverse=True):
        bare.RemoveAtom(place)
    for match in whole.GetSubstructMatches(bare, uniquify=False, maxMatches=_PLACES):
        cut = _cut(whole, dict(zip(core, match, strict=True)), points)
        if cut is not None:
            yield cut


def _cut(whole: Any, place: dict[int, int], points: Mapping[int, list[int]]) -> list[Any] | None:
    """The pieces of a molecule beside the fragment, None if they are not bound to its points as they should be."""
    from rdkit import Chem

    inside, bonds, labels = set(place.values()), list[int](), list[tuple[int, int]]()
    for of_fragment, atom in place.items():
        outside = [b for b in whole.GetAtomWithIdx(atom).GetBonds() if b.GetOtherAtomIdx(atom) not in inside]
        wanted = points.get(of_fragment, [])
        if len(outside) != len(wanted):
            return None
        bonds += [bond.GetIdx() for bond in outside]
        labels += [(label, label) for label in wanted]
    parts = Chem.GetMolFrags(Chem.FragmentOnBonds(whole, bonds, dummyLabels=labels), asMols=True, sanitizeFrags=False)
    inner = Chem.GetMolFrags(Chem.FragmentOnBonds(whole, bonds, dummyLabels=labels))
    return [part for part, atoms in zip(parts, inner, strict=True) if not inside & set(atoms)]


def _symbols(pieces: list[Any], before: int, after: int) -> list[str]:
    """The symbols of a slot between two labels, 0 for none; nothing if no piece has these ends, or it cannot be written so."""
    from rdkit import Chem

    wanted = {before, after} - {0}
    for piece in pieces:
        ends = {atom.GetIsotope(): atom.GetIdx() for atom in piece.GetAtoms() if not atom.GetAtomicNum()}
        if ends.keys() != wanted:
            continue
        chain = Chem.RWMol(piece)
        for label, index in ends.items():
            chain.GetAtomWithIdx(index).SetAtomicNum(_LAST if label == after else _FIRST)
            chain.GetAtomWithIdx(index).SetIsotope(0)
        Chem.SanitizeMol(chain)
        text = _between(chain, ends.get(before, -1), bool(after))
        symbols = symbols_of(text) if text else []
        return symbols[bool(before) : len(symbols) - bool(after)]
    return []


def _between(chain: Any, first: int, ended: bool) -> str:
    """SMILES from one atom on (-1 for any) and, if `ended`, with iodine at its end; empty if none was found."""
    from rdkit import Chem

    if not ended:
        return str(Chem.MolToSmiles(chain, rootedAtAtom=first, isomericSmiles=False))
    begins = "" if first < 0 else "[At]"
    texts = set(Chem.MolToRandomSmilesVect(chain, _ORDERS, randomSeed=1, isomericSmiles=False))
    able = [text for text in texts if text.startswith(begins) and text.endswith("I")]
    return min(able, key=lambda text: (len(text), text), default="")
