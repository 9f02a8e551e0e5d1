"""Graphs and molecules: charges, correction of valences, fragments, and the way back."""

import pytest
import torch
from rdkit import Chem

from support.gdss_checkpoints import random_graphs
from svdd.domains.molecule.gdss.graphs import (
    ELEMENTS,
    decode_graphs,
    encode_graphs,
    graphs_as_bonded,
    smiles_of,
    valid_without_correction,
)


def graph(symbols, bonds, features=9, nodes=8):
    """One state from symbols, a dash for a node without an element, and {(i, j): real-valued order}."""
    state = {"x": torch.zeros(1, nodes, features), "adj": torch.zeros(1, nodes, nodes)}
    for i, symbol in enumerate(symbols):
        if symbol != "-":
            state["x"][0, i, ELEMENTS[features].index(symbol)] = 0.9
    for (i, j), order in bonds.items():
        state["adj"][0, i, j] = state["adj"][0, j, i] = order
    return state


def decoded(*args, correct=True, **kwargs):
    (design,) = decode_graphs(graph(*args, **kwargs), correct)
    return design


@pytest.mark.parametrize(
    ("order", "design"),
    [(-2.0, "C"), (0.49, "C"), (0.5, "CC"), (1.49, "CC"), (1.5, "C=C"), (2.49, "C=C"), (2.5, "C#C"), (9.0, "C#C")],
)
def test_bond_orders_are_rounded(order, design):
    assert decoded("CC", {(0, 1): order}) == design


def test_only_what_is_below_the_diagonal_is_read():
    state = graph("CC", {(0, 1): 1.0})
    state["adj"][0, 0, 1] = 3.0
    assert decode_graphs(state) == ["CC"]


def test_the_first_element_above_a_half_is_the_atom():
    state = graph("CCC", {(0, 1): 1.0, (1, 2): 1.0})
    state["x"][0, 0, :3] = torch.tensor([0.5, 0.6, 0.9])  # not above a half, first above, larger but later
    assert decode_graphs(state) == [Chem.CanonSmiles("NCC")]
    state["x"][0, 1] = 0.5
    assert decode_graphs(state) == ["C"]  # the node in the middle is deleted with its bonds: C.N, the first of equals


def test_charges_of_nitrogen_and_oxygen():
    nitro = graph("CNOO", {(0, 1): 1, (1, 2): 2, (1, 3): 1})
    assert decode_graphs(nitro, False) == [Chem.CanonSmiles("C[N+](=O)O")]
    assert valid_without_correction(nitro).tolist() == [True]
    assert decoded("COC", {(0, 1): 1, (1, 2): 2}, correct=False) == Chem.CanonSmiles("C[O+]=C")
    assert decoded("CNC", {(0, 1): 2, (1, 2): 3}, correct=False) == ""  # two too many are no charge


def test_a_charge_stays_when_the_valence_drops():
    made = graphs_as_bonded(graph("NCCCC", {(0, 1): 2, (0, 2): 1, (0, 3): 1, (0, 4): 1}))[0]
    assert made.charged == {0}
    assert not made.valid
    made.correct()
    assert made.valid
    assert made.charged == {0}
    assert made.bonds == {(2, 0): 1, (3, 0): 1, (4, 0): 1, (1, 0): 1}  # the lowered bond is the newest


def test_an_atom_of_lower_number_hides_a_charge():
    """C0 has too many bonds before N does, so N gets no charge and is corrected."""
    bonds = {(1, 0): 3, (2, 0): 2, (3, 2): 2}
    (made,) = graphs_as_bonded(graph("CCNC", bonds))
    assert made.charged == set()
    assert not made.valid


def test_the_highest_and_then_the_oldest_bond_is_lowered():
    (made,) = graphs_as_bonded(graph("CCCC", {(1, 0): 2, (2, 0): 2, (3, 0): 1}))
    made.correct()
    assert made.bonds == {(2, 0): 2, (3, 0): 1, (1, 0): 1}


def test_without_correction_an_invalid_graph_is_no_molecule():
    state = graph("FC", {(1, 0): 2})
    assert valid_without_correction(state).tolist() == [False]
    assert decode_graphs(state, valency_correction=False) == [""]
    assert decode_graphs(state) == ["CF"]


def test_the_fragment_with_the_longest_text_is_kept():
    state = graph("CCCBrCl".replace("BrCl", ""), {(0, 1): 1})
    state["x"][0, 3, ELEMENTS[9].index("Cl")] = state["x"][0, 4, ELEMENTS[9].index("Br")] = 1.0
    state["adj"][0, 3, 4] = state["adj"][0, 4, 3] = 1.0
    assert decode_graphs(state) == ["ClBr"]  # four letters, two atoms; CC and C are shorter
    assert smiles_of(graphs_as_bonded(state)[0], whole=True) == "C.CC.ClBr"
    assert valid_without_correction(state).tolist() == [True]


def test_nothing_is_an_empty_text():
    nothing = {"x": torch.zeros(2, 4, 4), "adj": torch.zeros(2, 4, 4)}
    assert decode_graphs(nothing) == ["", ""]
    assert valid_without_correction(nothing).tolist() == [True, True]


# --- against a decoder that leaves valences to RDKit -------------------------------------------------------------


def sanitised(molecule):
    try:
        Chem.SanitizeMol(molecule, sanitizeOps=Chem.SanitizeFlags.SANITIZE_PROPERTIES)
    except Chem.AtomValenceException as error:
        return error.cause.GetAtomIdx()
    return None


def by_rdkit(x, adj, elements):
    """Valid without correction, and the corrected molecule with all its fragments."""
    molecule, place = Chem.RWMol(), {}
    for i, row in enumerate(x.tolist()):
        found = [f for f, number in enumerate(row) if number > 0.5]
        if found:
            place[i] = molecule.AddAtom(Chem.Atom(elements[found[0]]))
    kinds = [None, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE]
    for i in range(len(x)):
        for j in range(i):
            order = sum(float(adj[i, j]) >= edge for edge in (0.5, 1.5, 2.5))
            if order and i in place and j in place:
                molecule.AddBond(place[i], place[j], kinds[order])
                atom = sanitised(Chem.Mol(molecule))
                if atom is not None:
                    one = molecule.GetAtomWithIdx(atom)
                    total = sum(int(bond.GetBondTypeAsDouble()) for bond in one.GetBonds())
                    if one.GetSymbol() in "NOS" and total - {"N": 3, "O": 2, "S": 2}[one.GetSymbol()] == 1:
                        one.SetFormalCharge(1)
    valid = sanitised(Chem.Mol(molecule)) is None
    while (atom := sanitised(Chem.Mol(molecule))) is not None:
        bonds = [(int(bond.GetBondTypeAsDouble()), bond) for bond in molecule.GetAtomWithIdx(atom).GetBonds()]
        order, bond = max(bonds, key=lambda one: one[0])
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        molecule.RemoveBond(*ends)
        if order > 1:
            molecule.AddBond(*ends, kinds[order - 1])
    return valid, Chem.MolToSmiles(molecule)


@pytest.mark.slow
@pytest.mark.parametrize("features", [4, 9])
def test_valences_are_those_of_rdkit(features):
    generator = torch.Generator().manual_seed(features)
    state = random_graphs([7] * 120, 8, features, seed=features, dtype=torch.float32)
    state["x"] = torch.rand(state["x"].shape, generator=generator) * 0.7 + 0.1
    state["adj"] = state["adj"].abs() * torch.linspace(0.3, 1.2, 120)[:, None, None]
    made, designs = graphs_as_bonded(state), decode_graphs(state)
    expected = [by_rdkit(x, adj, ELEMENTS[features]) for x, adj in zip(state["x"], state["adj"], strict=True)]
    assert [one.valid for one in made] == [valid for valid, _ in expected]
    assert 10 < sum(valid for valid, _ in expected) < 110
    assert designs == [Chem.CanonSmiles(max(text.split("."), key=len)) if text else "" for _, text in expected]


# --- and back ----------------------------------------------------------------------------------------------------


MOLECULES = ["c1ccccc1O", "CC(=O)Nc1ccc(Br)cc1", "FC(F)(F)C#N", "O=S(=O)(c1ccccc1)N1CCOCC1", "C[N+](=O)[O-]", "IC=CP"]


def test_molecules_come_back():
    state = encode_graphs(MOLECULES, 20, 9)
    assert state["flags"].sum(1).tolist() == [Chem.MolFromSmiles(text).GetNumAtoms() for text in MOLECULES]
    assert torch.equal(state["adj"], state["adj"].mT)
    expected = [Chem.CanonSmiles(text) for text in [*MOLECULES[:4], "C[N+](=O)O", MOLECULES[5]]]
    assert decode_graphs(state, valency_correction=False) == expected


def test_stereochemistry_is_dropped():
    assert decode_graphs(encode_graphs(["C[C@H](F)O", "F/C=C/F"], 5, 4)) == ["CC(O)F", "FC=CF"]


@pytest.mark.parametrize(
    ("smiles", "said"),
    [("C(", "is no molecule"), ("CCCCC", "at most 4 atoms"), ("CS", "all of C N O F")],
)
def test_molecules_that_do_not_fit(smiles, said):
    with pytest.raises(ValueError, match=said):
        encode_graphs([smiles], 4, 4)
