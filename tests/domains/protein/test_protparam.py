"""Numbers of proteins by ProtParam, against their definitions."""

import math
import pickle
import re

import pytest
import torch

from svdd.domains.protein.measures import mean_hydropathy
from svdd.registry import load_reward

DESIGNS = ["DEEKLRELAKRAGLPEEVVRRAEELLRRGLDPEEVLRRLKEEA", "MKTAYIAKQRQISFVKSHFSRQ", "WWYF", "A"]
NAMES = ["isoelectric-point", "net-charge", "gravy", "aromaticity", "instability"]
PK = {"K": 10.0, "R": 12.0, "H": 5.98, "D": 4.05, "E": 4.45, "C": 9.0, "Y": 10.0}


def charge(text, ph, start=7.5, end=3.55):
    """Henderson and Hasselbalch, residue by residue."""
    positive = sum(1 / (1 + 10 ** (ph - pk)) for pk in [start, *(PK[a] for a in text if a in "KRH")])
    return positive - sum(1 / (1 + 10 ** (pk - ph)) for pk in [end, *(PK[a] for a in text if a in "DECY")])


@pytest.mark.parametrize("ph", [2.0, 7.0, 11.5])
def test_the_net_charge_is_that_of_all_groups(ph):
    text = "GKRHDECYG"  # glycine at both ends has no pK of its own
    assert float(load_reward("net-charge", ph=ph)([text])) == pytest.approx(charge(text, ph), abs=1e-4)


def test_the_isoelectric_point_is_where_the_net_charge_is_zero():
    for text in DESIGNS[:2]:
        point = float(load_reward("isoelectric-point")([text]))
        assert float(load_reward("net-charge", ph=point)([text])) == pytest.approx(0, abs=2e-2)


def test_hydropathy_and_aromatic_residues_are_shares_of_all():
    assert load_reward("gravy")(DESIGNS).tolist() == pytest.approx(mean_hydropathy(DESIGNS).tolist(), abs=1e-5)
    assert load_reward("aromaticity")(DESIGNS).tolist() == pytest.approx([0, 3 / 22, 1, 0])


def test_instability_is_turned_so_that_higher_is_better():
    """The published weights of WW, WY and YF are 1, 1 and 1; of PP 20.26."""
    found = load_reward("instability")(["WWYF", "PPPP", "A"]).tolist()
    assert found[1] == pytest.approx(-10 / 4 * 3 * 20.26, abs=1e-3)
    assert found[1] < found[0] < found[2] == 0


@pytest.mark.parametrize("name", NAMES)
def test_numbers_do_not_depend_on_company_or_case(name):
    reward = load_reward(name)
    together = reward(DESIGNS)
    assert together.dtype == torch.float32
    assert torch.equal(together, torch.cat([reward([text.lower()]) for text in DESIGNS]))
    assert torch.equal(pickle.loads(pickle.dumps(reward))(DESIGNS), together)


@pytest.mark.parametrize("name", NAMES[:-1])
def test_a_target_turns_a_number_into_closeness(name):
    plain, close = load_reward(name)(DESIGNS), load_reward(name, target=0.5)(DESIGNS)
    assert torch.allclose(close, -(plain - 0.5).abs())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("net-charge", {"ph": 15}, "ph must lie between 0 and 14, got 15"),
        ("gravy", {"target": math.inf}, "target is a finite number, got inf"),
        ("instability", {"target": 40}, "unknown option of instability 'target'"),
    ],
)
def test_wrong_options_are_one_sentence(name, options, message):
    with pytest.raises(ValueError, match=message):
        load_reward(name, **options)


@pytest.mark.parametrize("name", [*NAMES, "liabilities"])
@pytest.mark.parametrize("letter", [*"BZXUO", "-", "*"])
def test_letters_outside_the_twenty_are_named(name, letter):
    with pytest.raises(ValueError, match=re.escape(f"sequence 1 has '{letter}' at position 2; allowed letters are")):
        load_reward(name)(["AAA", f"A{letter}A"])
