"""Rewards of molecules: golden values, what is no molecule, patterns, alerts, and objectives of them."""

import math
import pickle
import sys

import pytest

from svdd import Invalid, decode
from svdd.domains.molecule.rewards import properties as molecules
from svdd.registry import REWARDS, load_reward
from svdd.rewards import at_least, at_most, geometric_mean, must, ramp, thresholds
from svdd.scoring.identity import reward_identity

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
OLAPARIB = "O=C(c1cc(Cc2n[nH]c(=O)c3ccccc23)ccc1F)N1CCN(C(=O)C2CC2)CC1"
CROWN = "C1COCCOCCOCCOCCOCCO1"  # 18-crown-6, a ring of 18
DRUGS = [ASPIRIN, OLAPARIB, CROWN]
BENZYLIDENE_RHODANINE, QUINONE = "O=C1NC(=S)SC1=Cc1ccccc1", "O=C1C=CC(=O)C=C1"
OPTIONS = {
    "similarity": {"to": ASPIRIN},
    "has-substructure": {"smarts": "c"},
    "lacks-substructure": {"smarts": "c"},
}
NAMES = [name for name, card in REWARDS.items() if card.target.startswith("svdd.domains.molecule")]

NO_MOLECULES = {
    "": "an empty design",
    "C1CC": "not a SMILES",
    "CCO ethanol": "not a SMILES",
    " ": "an empty design",
    "CN(C)(C)C": "an atom with too many bonds",
    "c1cccc1": "aromatic rings without a Kekule structure",
    "cc": "an aromatic atom outside a ring",
    "C.C": "several molecules in one",
    "[Na+].[Cl-]": "several molecules in one",
    "*C": "an open end (*)",
    "[H][H]": "no heavy atom",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "golden"),
    [
        ("qed", [0.5501, 0.6831, 0.6183]),
        ("sa", [(10 - 1.5800) / 9, (10 - 2.3692) / 9, (10 - 2.1754) / 9]),
        ("logp", [1.3101, 2.3474, 0.0996]),
        ("molecular-weight", [180.159, 434.471, 264.318]),  # of the literature, too
        ("tpsa", [63.60, 86.37, 55.38]),  # six ether oxygens of 9.23 in the last
        ("rings", [1, 5, 1]),
        ("penalised-logp", [1.3101 - 1.5800, 2.3474 - 2.3692, 0.0996 - 2.1754 - 12]),
        (
            "penalised-logp-zinc",
            [
                (logp - 2.4571) / 1.4343 - (sa - 3.0526) / 0.8335 - (penalty - 0.0486) / 0.2860
                for logp, sa, penalty in ((1.3101, 1.5800, 0), (2.3474, 2.3692, 0), (0.0996, 2.1754, 12))
            ],
        ),
    ],
)
def test_golden_values(name, golden):
    tolerance = 0.01 if name == "penalised-logp-zinc" else 1e-3
    assert load_reward(name)(DRUGS) == pytest.approx(golden, abs=tolerance)


def test_aromatic_rings_are_some_of_the_rings():
    assert molecules.rings(aromatic=True)([*DRUGS, "C1CCCCC1c1ccncc1"]) == [1, 3, 0, 1]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_molecule_is_invalid_with_the_reason_and_nothing_is_printed(name, capfd):
    molecule, *others = load_reward(name, **OPTIONS.get(name, {}))([ASPIRIN, *NO_MOLECULES])
    assert math.isfinite(molecule)
    assert all(isinstance(other, Invalid) and other == -math.inf for other in others)
    assert [other.why for other in others] == list(NO_MOLECULES.values())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_ranges_of_odd_molecules(name):
    """Charges, isotopes, metals and a single atom are molecules like any other."""
    odd = ["[NH4+]", "C", "[13CH3]O", "C[Si](C)(C)C", "[O-][N+](=O)c1ccccc1", "N#N", "[Fe]"]
    answers = load_reward(name, **OPTIONS.get(name, {}))(odd)
    assert all(type(one) is float and math.isfinite(one) for one in answers)
    if name in ("qed", "sa", "similarity", "has-substructure", "lacks-substructure", "passes-filters"):
        assert all(0 <= one <= 1 for one in answers)


@pytest.mark.parametrize("name", NAMES)
def test_a_number_does_not_depend_on_its_company_or_on_how_a_molecule_is_written(name):
    reward = load_reward(name, **OPTIONS.get(name, {}))
    other = "OC(=O)c1c(OC(C)=O)cccc1"
    assert reward([other, CROWN, ASPIRIN])[2] == reward([ASPIRIN])[0] == pytest.approx(reward([other])[0], abs=1e-9)
    assert reward([]) == []


@pytest.mark.parametrize("name", NAMES)
def test_they_travel_to_other_processes_and_are_told_apart(name):
    reward = load_reward(name, **OPTIONS.get(name, {}))
    copy = pickle.loads(pickle.dumps(reward))
    assert copy(DRUGS) == reward(DRUGS)
    assert reward_identity(copy) == reward_identity(reward)
    assert repr(reward)


def test_identities_cover_the_options(tmp_path):
    (tmp_path / "known.smi").write_text(f"{ASPIRIN} aspirin\n\n{CROWN}\n")
    made = [
        molecules.rings(),
        molecules.rings(aromatic=True),
        molecules.has_substructure("c"),
        molecules.lacks_substructure("c"),
        molecules.has_substructure("C"),
        molecules.passes_filters("PAINS"),
        molecules.passes_filters("PAINS", "NIH"),
        molecules.similarity(ASPIRIN),
        molecules.similarity(ASPIRIN, direction="down"),
        molecules.similarity(tmp_path / "known.smi"),
    ]
    assert len({reward_identity(one) for one in made}) == len(made)
    listed = molecules.similarity([ASPIRIN, CROWN])
    assert reward_identity(made[-1]) == reward_identity(listed)


def test_patterns():
    acid = molecules.has_substructure("C(=O)[OX2H1]")
    assert acid(DRUGS) == [1, 0, 0]
    assert molecules.lacks_substructure("[F,Cl,Br,I]")(DRUGS) == [1, 0, 1]


def test_alerts_of_catalogues():
    pains, brenk = molecules.passes_filters("PAINS"), molecules.passes_filters(["BRENK"])
    assert pains([BENZYLIDENE_RHODANINE, QUINONE, ASPIRIN]) == [0, 0, 1]
    assert brenk([ASPIRIN, OLAPARIB]) == [0, 1]  # the phenol ester
    both = load_reward("passes-filters", catalogs="PAINS, BRENK")
    assert both([BENZYLIDENE_RHODANINE, ASPIRIN, OLAPARIB]) == [0, 0, 1]
    assert both(DRUGS) == molecules.passes_filters("PAINS", "BRENK")(DRUGS) == molecules.passes_filters()(DRUGS)


def test_similarity_is_to_the_nearest(tmp_path):
    salicylic = "OC(=O)c1ccccc1O"
    alone, near = molecules.similarity(CROWN), molecules.similarity([CROWN, ASPIRIN])
    assert near([ASPIRIN, CROWN]) == [1, 1]
    assert alone([ASPIRIN]) == [0]
    assert 0.3 < near([salicylic])[0] < 1
    assert molecules.similarity([CROWN, ASPIRIN], "down")([salicylic])[0] == 1 - near([salicylic])[0]
    (tmp_path / "known.smi").write_text(f"{CROWN} crown\n{ASPIRIN}\taspirin\n")
    assert load_reward("similarity", to=str(tmp_path / "known.smi"))([salicylic]) == near([salicylic])


def test_similarity_agrees_with_the_metric():
    from svdd.domains.molecule.chemistry import nearest_similarity

    ours = molecules.similarity([ASPIRIN, CROWN])([OLAPARIB, QUINONE])
    assert ours == pytest.approx(nearest_similarity([OLAPARIB, QUINONE], [ASPIRIN, CROWN]).tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("passes-filters", {"catalogs": "PAIN"}, "unknown catalogue of alerts 'PAIN'; did you mean PAINS"),
        ("passes-filters", {"catalogs": []}, "give at least 1 catalogue of alerts"),
        ("has-substructure", {"smarts": "xx("}, "'xx.' is no SMARTS"),
        ("lacks-substructure", {"smarts": ""}, "smarts is text, got ''"),
        ("similarity", {"to": []}, "needs at least 1 molecule to compare with"),
        ("similarity", {"to": "C1"}, "cannot compare with 'C1', neither a molecule .not a SMILES. nor a file"),
        ("similarity", {"to": "C", "direction": "left"}, "direction is up .be like them. or down .be different., got"),
        ("similarity", {}, "similarity cannot be made with no options: missing a required argument: 'to'"),
        ("rings", {"aromatics": True}, "unknown option of rings 'aromatics'; did you mean aromatic"),
    ],
)
def test_what_makes_no_sense(name, options, said):
    with pytest.raises(ValueError, match=said):
        load_reward(name, **options)


def test_one_string_is_not_a_list():
    with pytest.raises(ValueError, match="takes a list of SMILES, got 'CCO'"):
        molecules.qed()("CCO")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_rdkit_is_one_sentence(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(ImportError, match=r"svdd\[molecules\]"):
        load_reward(name, **OPTIONS.get(name, {}))


# --- together ----------------------------------------------------------------------------------------------------


def test_hits_as_published_but_for_docking():
    """QED > 0.5, SA < 5, nearest similarity < 0.4, of an objective that can be searched."""
    hit = thresholds(
        {
            "qed": at_least(molecules.qed(), 0.5),
            "sa": at_least(molecules.sa(), 5 / 9),
            "new": at_least(molecules.similarity(ASPIRIN, "down"), 0.6),
        }
    )
    assert hit([OLAPARIB, ASPIRIN]) == [1, 0]
    assert hit([""])[0].why == "an empty design"


def spelled():
    """A toy that writes chains of C, N and O, some of which are no molecule."""
    from support.processes import masked

    return masked(4, decode=lambda x: ["".join("CNF-"[int(token)] for token in row).rstrip("-") for row in x])


@pytest.mark.filterwarnings("ignore::svdd.decoding.alarms.DegenerateProposalWarning")
def test_a_run_counts_reasons_and_has_a_column_for_every_property():
    objective = geometric_mean(
        {
            "small": must(at_most(molecules.weight(), 66)),
            "tpsa": ramp(molecules.tpsa(), 0, 60),
            "qed": (molecules.qed(), 2.0),
        }
    )
    result = decode(spelled(), objective, candidates=2, samples=24, seed=1)
    frame = result.to_frame()
    valid = frame[frame["valid"]]
    assert 0 < len(valid) < 24
    assert valid["qed"].tolist() == molecules.qed()(valid["sample"].tolist())
    assert set(result.breakdown.invalid) == {"an atom with too many bonds", "small is not met"}
    assert sum(result.breakdown.invalid.values()) == result.usage.outcomes.invalid
    heavy = frame[~frame["valid"] & frame["small"].gt(66)]
    assert heavy["qed"].isna().all()
    assert result.breakdown.components["qed"].rows < result.breakdown.components["small"].rows
