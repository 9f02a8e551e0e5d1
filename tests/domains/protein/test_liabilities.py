"""Liability motifs: what is counted, as a reward and as columns."""

import random
from itertools import pairwise

import pytest

import svdd
from svdd.domains.protein.rewards.liabilities import LIABILITIES, count
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.registry import load_reward


def by_hand(name, text):
    """The motifs again, place by place."""
    pairs = list(pairwise(text))
    triples = zip(text, text[1:], text[2:], strict=False)
    runs = [at for at in range(len(text)) if text[at : at + 4] == text[at] * 4 and text[at - 1 : at] != text[at]]
    return {
        "n_glycosylation": sum(a == "N" and b != "P" and c in "ST" for a, b, c in triples),
        "deamidation": sum(a == "N" and b in "GS" for a, b in pairs),
        "isomerisation": sum(a == "D" and b in "GS" for a, b in pairs),
        "fragmentation": pairs.count(("D", "P")),
        "oxidation": text.count("M") + text.count("W"),
        "unpaired_cysteine": text.count("C") % 2,
        "repeats": len(runs),
    }[name]


@pytest.mark.parametrize("name", LIABILITIES)
def test_every_place_counts_overlaps_included(name):
    draw = random.Random(0)
    few = ["NSTGDPMWCA", "NNSS", "CC", "DGDSDP", "NPSA"]
    texts = ["".join(draw.choices(letters, k=draw.randint(1, 40))) for letters in few for _ in range(60)]
    found = [count(name, text) for text in texts]
    assert found == [by_hand(name, text) for text in texts]
    assert max(found) > 0


def test_known_motifs():
    assert count("n_glycosylation", "NNSTANPSNATP") == 3  # NNS, NST and NAT, and not NPS
    assert count("unpaired_cysteine", "ACDC") == 0
    assert count("unpaired_cysteine", "ACDCC") == 1
    assert count("repeats", "AAAAAGGGGA") == 2
    assert count("deamidation", "ang") == 1


def test_the_reward_is_minus_the_sum_of_its_columns():
    designs = ["NGSAAAACDGMWDPNNNNNN", "A", "MMMM"]
    reward = load_reward("liabilities")
    columns = {name: column(designs, {}) for name, column in reward.derived.items()}
    assert set(columns) == set(LIABILITIES)
    assert reward(designs).tolist() == [-sum(column[row] for column in columns.values()) for row in range(3)]
    assert reward(designs).tolist() == [-9, 0, -5]


def test_some_motifs_can_be_chosen():
    designs = ["NGSAAAACDGMWDPNNNNNN"]
    some = load_reward("liabilities", motifs="deamidation, oxidation")
    assert some(designs).tolist() == [-3]
    assert list(some.derived) == ["deamidation", "oxidation"]
    assert load_reward("liabilities", motifs=["oxidation"])(designs).tolist() == [-2]


def test_unknown_motifs_are_one_sentence():
    with pytest.raises(ValueError, match="unknown liability 'oxidisation'; did you mean oxidation"):
        load_reward("liabilities", motifs="oxidisation")


@pytest.mark.slow
def test_a_run_has_the_counts_as_columns():
    reward = load_reward("liabilities", motifs="deamidation,oxidation")
    result = svdd.decode("miniprotein", reward, samples=3, candidates=2, model_options={"steps": 3}, progress=False)
    table = result.to_frame()
    assert table["reward"].tolist() == (-table["deamidation"] - table["oxidation"]).tolist()
    assert all(set(text) <= set(PROTEIN.letters) for text in table["sample"])
