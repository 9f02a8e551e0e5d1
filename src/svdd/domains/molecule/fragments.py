"""Fragments that designs must hold: SELFIES with slots, whose other symbols are given.

A fragment is written as SELFIES with a slot of free sites in place of each attachment point `*`. The network reads the whole
string, so that it designs what fits. What is decoded is each slot by itself, bound to the fragment by a single bond: nothing
that is written into a slot can reach out of it and change the fragment.

A slot has as many sites as its longest filling, padded where it is shorter, so that every symbol has its place; the network
is given the string without the padding. Branches around a slot are as long as it makes them. Rings count atoms, so the
fragment is written in an order in which none is closed behind a slot.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from svdd.domains.molecule.fragment_text import MARKER, read_fragment
from svdd.domains.molecule.selfies import LONGEST, MASK, PAD, molecule_of, symbols_of, tokens_of, written
from svdd.messages import check

_END = "[I]"  # ends a slot's chain while it is decoded; no symbol of the vocabulary
_ORDERS = 400  # random orders of a fragment's atoms, of which the simplest to write is taken
_BASE = 16  # of index symbols
_SIZED = re.compile(r"\[([=#]?)(Ring|Branch)(\d)\]")
_POINT = re.compile(rf"\[(\d+){MARKER}\]")


@dataclass(frozen=True)
class Slot:
    """Free sites."""

    number: int


@dataclass(frozen=True)
class Branch:
    """What hangs on the atom before, a slot among it."""

    prefix: str
    items: tuple[Any, ...]


Item: TypeAlias = str | Slot | Branch
"""Part of a SELFIES string; text is a symbol."""
Site: TypeAlias = tuple[int, int]
"""A token and the slot it is in, -1 outside of slots."""


@dataclass(frozen=True)
class Template:
    """A fragment as a string with slots.

    Args:
        items: the string.
        slots: how many.
        linker: whether the one slot joins two fragments.
        smiles: the fragment, slot k at the dummy atom [*:k+1], a linker between [*:1] and [*:2].
        lost: what was written of the fragment and designs cannot have, in words.
    """

    items: tuple[Item, ...]
    slots: int
    linker: bool
    smiles: str
    lost: tuple[str, ...] = ()

    def tokens(self, free: tuple[int, ...], width: int) -> list[int]:
        """The string with `free` masks in the slots, each padded to `width` sites."""
        return [token for token, _ in _sites(self.items, free, width)]

    def symbols(self, free: tuple[int, ...]) -> int:
        """How many symbols that string has, padding not counted."""
        return sum(token != PAD for token in self.tokens(free, max(free)))

    def places(self, width: int) -> list[int]:
        """The slot of every site, -1 outside of slots."""
        return [slot for _, slot in _sites(self.items, (1,) * self.slots, width)]

    def filled(self, slots: Sequence[Sequence[str]]) -> str:
        """Canonical SMILES of the fragment with symbols in its slots, of which only what is part of a molecule counts."""
        from rdkit import Chem, rdBase

        pieces = [_piece(symbols, *self.labels(slot)) for slot, symbols in enumerate(slots)]
        with rdBase.BlockLogs():
            whole = Chem.RWMol(Chem.MolFromSmiles(".".join([self.smiles, *pieces])))
            for label in range(1, (2 if self.linker else self.slots) + 1):
                _bind(whole, label)
            return written(Chem.RemoveHs(whole))

    def labels(self, slot: int) -> tuple[int, int]:
        """The numbers of the dummy atoms that its first and its last symbol are bound to, 0 for none."""
        if self.linker:
            return 1, 2
        return (0, slot + 1) if self.items[0] == Slot(slot) else (slot + 1, 0)


def _sites(items: Sequence[Item], free: tuple[int, ...], width: int) -> Iterator[Site]:
    for item in items:
        match item:
            case Slot(number):
                yield from ((MASK if place < free[number] else PAD, number) for place in range(width))
            case Branch(prefix, inner):
                content = list(_sites(inner, free, width))
                size = sum(token != PAD for token, _ in content)
                yield from ((token, -1) for token in _opened(prefix, size))
                yield from content
            case str():
                yield tokens_of([item])[0], -1


def _opened(prefix: str, size: int) -> list[int]:
    """A branch's symbol and those of its size, on as many sites whatever the size."""
    from selfies.constants import INDEX_ALPHABET

    digits = [size - 1] if size <= _BASE else [(size - 1) // _BASE, (size - 1) % _BASE]
    tokens = tokens_of([f"[{prefix}Branch{len(digits)}]", *(INDEX_ALPHABET[digit] for digit in digits)])
    return tokens + [PAD] * (2 - len(digits))


def _piece(symbols: Sequence[str], before: int, after: int) -> str:
    """SMILES of a slot's symbols with numbered dummy atoms at its ends.

    Where something comes after, symbols are left out from the end of the slot until its chain goes on to there. A hydrogen
    is in the place of no atoms.
    """
    start, end = [_END] * bool(before), [_END] * bool(after)
    labels = [label for label in (before, after) if label]
    for stop in range(len(symbols), -1, -1):
        molecule = molecule_of([*start, *symbols[:stop], *end])
        ends = [atom for atom in molecule.GetAtoms() if atom.GetSymbol() == "I"]
        if len(ends) == len(labels) or not after:
            break
    if molecule.GetNumAtoms() == 1:
        return f"[*:{labels[0]}][H]"
    for atom, label in zip(ends, labels, strict=True):
        atom.SetAtomicNum(0)
        atom.SetNoImplicit(True)
        atom.SetAtomMapNum(label)
    return written(molecule)


def _bind(whole: Any, label: int) -> None:
    """Puts a single bond in place of the two dummy atoms of a label."""
    from rdkit import Chem

    ends = [atom for atom in whole.GetAtoms() if atom.GetAtomicNum() == 0 and atom.GetAtomMapNum() == label]
    whole.AddBond(*(atom.GetNeighbors()[0].GetIdx() for atom in ends), Chem.BondType.SINGLE)
    for place in sorted((atom.GetIdx() for atom in ends), reverse=True):
        whole.RemoveAtom(place)


@lru_cache(maxsize=16)
def template(fragment: str) -> Template:
    """The template of a fragment.

    Args:
        fragment: SMILES with `*` where designs go on: one for a motif, several for a scaffold to decorate, or two fragments
            with one each, `A*.B*`, to link.

    Raises:
        ValueError: for text that is no molecule, has no `*` or no free valence there, symbols that the model does not know,
            and a fragment that is too long.
    """
    smiles, parts, lost = read_fragment(fragment)
    strings = [list(_strings(part)) for part in parts]
    if len(parts) == 2:
        strings[0] = [items for items in strings[0] if isinstance(items[-1], Slot)]
        strings[1] = [items[1:] for items in strings[1] if isinstance(items[0], Slot)]
    check(all(strings), f"{fragment} cannot be written with its rings closed before its *; leave a * out")
    items = tuple(item for some in strings for item in min(some, key=_complexity))
    found = Template(items, sum(isinstance(item, Slot) for item in _all(items)), len(parts) == 2, smiles, lost)
    needed = found.symbols((1,) * found.slots)
    check(needed <= LONGEST, f"{fragment} needs {needed} symbols, and the model's longest molecules have {LONGEST}")
    return found


@lru_cache(maxsize=1 << 16)
def filled(fragment: str, slots: tuple[tuple[str, ...], ...]) -> str:
    """`Template.filled` of a fragment's template."""
    return template(fragment).filled(slots)


def _strings(part: Any) -> Iterator[tuple[Item, ...]]:
    """A fragment with its atoms in many orders, from every attachment point among them."""
    from rdkit import Chem

    points = [atom.GetIdx() for atom in part.GetAtoms() if atom.GetSymbol() == MARKER]
    from_points = [Chem.MolToSmiles(part, rootedAtAtom=place) for place in points]
    orders = [*from_points, *Chem.MolToRandomSmilesVect(part, _ORDERS, randomSeed=1)]
    for smiles in dict.fromkeys(orders):
        items = _items(symbols_of(smiles), [], -1)
        if items is not None:
            yield items


def _items(symbols: Sequence[str], atoms: list[bool], last: int) -> tuple[Item, ...] | None:
    """The parts of a string, None if a ring is closed behind a slot.

    Args:
        symbols: of it.
        atoms: whether each atom so far is a slot, to which those of the string are added.
        last: the atom before.
    """
    from selfies.constants import INDEX_ALPHABET

    found, place = list[Item](), 0
    while place < len(symbols):
        sized, marker = _SIZED.fullmatch(symbols[place]), _POINT.fullmatch(symbols[place])
        end = place + 1 + (int(sized[3]) if sized else 0)
        number = 0
        for digit in symbols[place + 1 : end]:
            number = number * _BASE + INDEX_ALPHABET.index(digit)
        if sized is None:
            last = len(atoms)
            atoms.append(marker is not None)
            found.append(Slot(int(marker[1]) - 1) if marker else symbols[place])
        elif sized[2] == "Ring":
            if any(atoms[last - number : last]):
                return None
            found += symbols[place:end]
        else:
            inner = _items(symbols[end : end + number + 1], atoms, last)
            if inner is None:
                return None
            slotted = any(isinstance(item, Slot) for item in _all(inner))
            found += [Branch(sized[1], inner)] if slotted else symbols[place : end + number + 1]
            end += number + 1
        place = end
    return tuple(found)


def _all(items: Sequence[Item]) -> Iterator[Item]:
    """Items with those in branches."""
    for item in items:
        yield item
        if isinstance(item, Branch):
            yield from _all(item.items)


def _complexity(items: Sequence[Item]) -> tuple[int, int]:
    """Branches that hold slots, and symbols: the network knows strings with few of them best."""
    return sum(isinstance(item, Branch) for item in _all(items)), sum(1 for _ in _all(items))
