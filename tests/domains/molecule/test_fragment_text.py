"""What a design cannot have of a fragment is said, and everything else of it is in every design."""

import warnings

import pytest
from rdkit import Chem

import svdd
from svdd.domains.molecule.fragment_text import FragmentWarning
from svdd.domains.molecule.fragments import template
from svdd.domains.molecule.model import with_fragment
from svdd.domains.molecule.rewards.properties import qed

ATOMS, BONDS = r"stereochemistry at atoms \(@\)", r"stereochemistry at double bonds"
LOST = {
    "*C[C@H](N)C(=O)O": (ATOMS, r"designs hold NC\(C\*\)C\(=O\)O"),
    "*[C@@](F)(Cl)Br": (ATOMS, "designs hold"),
    "*[C@H]1CC[C@@H](O)CC1": (ATOMS, "designs hold"),
    "*C[C@H](*)C": (ATOMS, "designs hold"),
    "*[S@](=O)C": (ATOMS, "designs hold"),
    "*/C=C/c1ccccc1": (BONDS, r"designs hold C\(=C\*\)c1ccccc1"),
    "*/C=C\\C.*C1CC1": (BONDS, "designs hold"),
    "*[13CH3]": ("isotopes", r"designs hold C\*"),
    "*C([2H])C": ("isotopes", "designs hold"),
    "*[CH2:7]C": ("atom numbers", "designs hold"),
    "*[14CH2][C@H](F)Cl": (f"{ATOMS} and isotopes", "designs hold"),
}
KEPT = [
    "*c1ccc(F)cc1", "*c1cc[nH]c1", "*C([H])C", "*[CH2]C", "*[NH2]", "*n1cccc1", "*c1c[nH0]ccc1", "*C(F)(F)F", "*S(=O)(=O)N",
    "[1*]c1ccccc1.[2*]C1CC1", "[*:3]c1ccccc1", "*[C@H](C)C", "*/C=C", "*C#CC1CC1", "*CC ethyl",
]  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return svdd.load("molecule", steps=3)


@pytest.mark.parametrize("fragment", LOST)
def test_what_is_lost_is_said_with_what_is_held(model, fragment):
    what, held = LOST[fragment]
    with pytest.warns(FragmentWarning, match=f"loses its {what}.*which the model does not write: .*{held}"):
        with_fragment(model, fragment)


@pytest.mark.parametrize("fragment", KEPT)
def test_nothing_is_said_where_nothing_is_lost(model, fragment):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with_fragment(model, fragment)


@pytest.mark.parametrize("fragment", [*KEPT, *LOST])
def test_what_is_not_lost_is_in_the_molecule(fragment):
    """Atoms, bonds, charges and hydrogens of the fragment, whatever is bound to it."""
    made = template(fragment)
    flat = Chem.MolFromSmiles(made.smiles)
    whole = Chem.MolFromSmiles(made.filled([["[C]", "[O]", "[C]"], ["[N]", "[C]"]][: made.slots]))
    settings = Chem.AdjustQueryParameters.NoAdjustments()
    settings.makeDummiesQueries = True
    for atom in flat.GetAtoms():
        atom.SetAtomMapNum(0)
    for part in Chem.GetMolFrags(flat, asMols=True):
        assert whole.HasSubstructMatch(Chem.AdjustQueryProperties(part, settings))
    given = Chem.MolFromSmiles(fragment.split()[0])
    ours, theirs = (
        sorted(atom.GetSymbol() for atom in one.GetAtoms() if atom.GetSymbol() != "H") for one in (flat, given)
    )
    assert ours == theirs


@pytest.mark.parametrize(
    ("fragment", "said"),
    [
        ("*[CH]C", "has a radical at its C, which no design has: write the atom without brackets"),
        ("*[NH]", "has a radical at its N"),
        ("*[O]", "has a radical at its O"),
        ("*C->[Pt]", "a bond of the kind dative"),
        ("*C~C", "a bond of the kind unspecified"),
        ("*c1ccncc1 *C1CCCCO1", "has a blank within: link two with a dot"),
        ("*CC\u200bc1ccncc1", r"cannot be read as SMILES: it has .*ZERO WIDTH SPACE"),
        ("\u0421*C", "U\\+0421 CYRILLIC CAPITAL LETTER ES"),
        ("*[O-]", r"does not know the SELFIES symbol \[O-1\]"),
        ("*[N+](=O)[O-]", r"does not know the SELFIES symbol \[N\+1\]"),
        ("*[H]", "on a heavy atom|by a single bond"),
        ("[R1]C", "cannot be read as SMILES"),
        ("*C\0C", "cannot be read as SMILES"),
    ],
)
def test_what_no_design_has_is_refused(model, fragment, said):
    with pytest.raises(ValueError, match=said):
        with_fragment(model, fragment)


@pytest.mark.slow
def test_finished_designs_hold_what_the_warning_says(model):
    with pytest.warns(FragmentWarning) as told:
        made = with_fragment(model, "*C[C@H](N)C(=O)O")
    held = str(told[0].message).rpartition("designs hold ")[2]
    query = Chem.MolFromSmarts(held)
    samples = svdd.decode(made, qed(), samples=3, candidates=2, seed=1).samples
    assert all(Chem.MolFromSmiles(smiles).HasSubstructMatch(query) for smiles in samples)
