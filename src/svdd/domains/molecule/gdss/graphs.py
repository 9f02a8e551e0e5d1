"""Graphs and molecules: SMILES from real-valued atoms and bonds, with charges and a correction of valences, and back.

A bond order is an entry of `adj` rounded to 0, 1, 2 or 3; an atom is the first element whose feature exceeds 1/2, and a node
without one is left out. Hydrogens are implicit, rings are Kekulised, and there is no stereochemistry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from svdd.domains.molecule.chemistry import chem, read
from svdd.domains.molecule.gdss.steps import Graphs
from svdd.domains.molecule.selfies import canonical

ELEMENTS = {4: ["C", "N", "O", "F"], 9: ["C", "N", "O", "F", "P", "S", "Cl", "Br", "I"]}
"""By the number of node features, in their order."""
_VALENCE = {"C": 4, "N": 3, "O": 2, "F": 1, "P": 5, "S": 6, "Cl": 1, "Br": 1, "I": 5}
# Valences with charge +1, which an atom gets when it has one bond too many.
_CHARGED = {"N": 4, "O": 3}
_CHARGE_ABOVE = {"N": 3, "O": 2, "S": 2}


@dataclass
class Bonded:
    """A molecule while it is built; the order of its bonds is the order in which they were made.

    Args:
        elements: of every atom.
        bonds: order of each, by its atoms.
        charged: atoms of charge +1.
    """

    elements: list[str]
    bonds: dict[tuple[int, int], int] = field(default_factory=dict)
    charged: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._valence = [0] * len(self.elements)
        self._neighbours = [dict[int, int]() for _ in self.elements]
        self._over = set[int]()

    @property
    def valid(self) -> bool:
        """Whether no atom has more bonds than it may have."""
        return not self._over

    def bond(self, pair: tuple[int, int], order: int) -> None:
        """Sets the order of a bond, which counts as the newest; 0 removes it."""
        change = order - self.bonds.pop(pair, 0)
        for atom, other in (pair, pair[::-1]):
            self._neighbours[atom].pop(other, None)
            if order:
                self.bonds[pair] = self._neighbours[atom][other] = order
            self._valence[atom] += change
            self._check(atom)

    def charge(self) -> None:
        """Gives the first atom with too many bonds charge +1, if it is N, O or S with one too many."""
        atom = min(self._over, default=None)
        if atom is not None and self._valence[atom] - _CHARGE_ABOVE.get(self.elements[atom], 99) == 1:
            self.charged.add(atom)
            self._check(atom)

    def correct(self) -> None:
        """Lowers the highest bond, the oldest of equals, of the first atom with too many, until there is none."""
        while self._over:
            atom = min(self._over)
            own = self._neighbours[atom]
            other = max(own, key=own.__getitem__)
            self.bond((max(atom, other), min(atom, other)), own[other] - 1)

    def _check(self, atom: int) -> None:
        element = self.elements[atom]
        most = (_CHARGED if atom in self.charged else _VALENCE)[element]
        (self._over.add if self._valence[atom] > most else self._over.discard)(atom)


def bonded(x: Float[ndarray, "N F"], adj: Float[ndarray, "N N"], elements: Sequence[str]) -> Bonded:
    """A graph as atoms, bonds and charges, its valences as they are.

    Args:
        x: (N, F).
        adj: (N, N), read below the diagonal.
        elements: of the features.
    """
    exceeds = x > 0.5
    kept = np.flatnonzero(exceeds.any(1))
    made = Bonded([elements[feature] for feature in exceeds[kept].argmax(1)])
    below = np.tril(adj[np.ix_(kept, kept)], -1)
    orders = (below >= 0.5).astype(int) + (below >= 1.5) + (below >= 2.5)
    for i, j in zip(*orders.nonzero(), strict=True):
        made.bond((int(i), int(j)), int(orders[i, j]))
        made.charge()
    return made


def smiles_of(made: Bonded, whole: bool = False) -> str:
    """Canonical SMILES of the fragment with the longest SMILES, or of all fragments; empty if nothing is left.

    Args:
        made: a graph with charges, corrected or valid.
        whole: keep all fragments.
    """
    chemistry = chem()
    molecule = chemistry.RWMol()
    for atom, element in enumerate(made.elements):
        one = chemistry.Atom(element)
        one.SetFormalCharge(int(atom in made.charged))
        molecule.AddAtom(one)
    kinds = (None, chemistry.BondType.SINGLE, chemistry.BondType.DOUBLE, chemistry.BondType.TRIPLE)
    for (i, j), order in made.bonds.items():
        molecule.AddBond(i, j, kinds[order])
    text = chemistry.MolToSmiles(molecule)
    return canonical(text if whole else max(text.split("."), key=len))


def graphs_as_bonded(state: Graphs) -> list[Bonded]:
    """The graphs of a state, their valences as they are."""
    x, adj = (state[part].detach().cpu().float().numpy() for part in ("x", "adj"))
    elements = ELEMENTS[x.shape[-1]]
    return [bonded(nodes, bonds, elements) for nodes, bonds in zip(x, adj, strict=True)]


def decode_graphs(state: Graphs, valency_correction: bool = True) -> list[str]:
    """One SMILES a row, of its largest fragment; empty where nothing is left.

    Args:
        state: noisy or clean graphs.
        valency_correction: lower bonds of atoms that have too many; otherwise such a row is empty.
    """
    designs = []
    for made in graphs_as_bonded(state):
        if valency_correction:
            made.correct()
        designs.append(smiles_of(made) if made.valid else "")
    return designs


def valid_without_correction(state: Graphs) -> Bool[Tensor, " n"]:
    """Whether every atom has no more bonds than it may have, before any correction: the published validity.

    Several fragments, strained rings and even no atom at all count as valid.
    """
    return torch.tensor([made.valid for made in graphs_as_bonded(state)], dtype=torch.bool, device="cpu")


def encode_graphs(smiles: Sequence[str], nodes: int, features: int, dtype: torch.dtype = torch.float32) -> Graphs:
    """Molecules as clean states; charges, explicit hydrogens and stereochemistry are dropped.

    Args:
        smiles: one molecule each.
        nodes: N, of the largest.
        features: F, 4 or 9 elements.
        dtype: of the state.

    Raises:
        ValueError: for text that is no molecule, or a molecule with too many atoms or other elements.
    """
    chemistry, elements = chem(), ELEMENTS[features]
    state = {
        "x": torch.zeros(len(smiles), nodes, features, dtype=dtype, device="cpu"),
        "adj": torch.zeros(len(smiles), nodes, nodes, dtype=dtype, device="cpu"),
        "flags": torch.zeros(len(smiles), nodes, dtype=dtype, device="cpu"),
    }
    for row, text in enumerate(smiles):
        molecule = read(text)
        if molecule is None:
            raise ValueError(f"{text!r} is no molecule that RDKit reads")
        molecule = chemistry.MolFromSmiles(chemistry.MolToSmiles(molecule, isomericSmiles=False))
        chemistry.Kekulize(molecule, clearAromaticFlags=True)
        symbols = [atom.GetSymbol() for atom in molecule.GetAtoms()]
        if len(symbols) > nodes or not {*symbols} <= {*elements}:
            raise ValueError(f"{text!r} must have at most {nodes} atoms, all of {' '.join(elements)}")
        for atom, symbol in enumerate(symbols):
            state["x"][row, atom, elements.index(symbol)] = 1
        for bond in molecule.GetBonds():
            i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            state["adj"][row, i, j] = state["adj"][row, j, i] = bond.GetBondTypeAsDouble()
        state["flags"][row] = (state["adj"][row].abs().sum(0) > 1e-5).to(dtype)
    return state
