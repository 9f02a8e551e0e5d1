"""HER2 binding of trastuzumab's CDR-H3: where the ten residues stand, and what the networks say of known ones."""

import pytest
import torch

import svdd
from svdd.domains.protein.rewards.her2 import NATIVE, varied
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.masked import infill, masked_sequences
from svdd.registry import REWARDS, bundled, held_out, load_reward
from svdd.scoring.reward import Invalid

NAMES = ("her2-binding", "her2-binding-judge")
VH = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC"
    "SRWGGDGFYAMDYWGQGTLVTVSS"
)
DEAD = ["PPPPPPPPPP", "DDDDDDDDDD", "KKKKKKKKKK"]


def test_the_ten_residues_are_found_by_their_flanks():
    assert varied(VH) == varied(VH.lower()) == NATIVE
    assert varied(NATIVE) == NATIVE
    assert varied("CSR" + "A" * 10 + "YWG") == "A" * 10


@pytest.mark.parametrize(
    ("sequence", "why"),
    [
        (VH.replace("YWG", "YWA"), "no 10 residues between CSR and YWG"),
        (VH.replace("WGGDGFYAMD", "WGGDGFYAM"), "no 10 residues between CSR and YWG"),
        ("CSR" + "A" * 10 + "YWG" + "CSR" + "A" * 10 + "YWG", "several places between CSR and YWG"),
        ("CSRAACSRAAAAAYWGAAYWG", "several places between CSR and YWG"),
    ],
)
def test_a_sequence_without_one_place_is_invalid_and_says_why(sequence, why):
    found = load_reward("her2-binding")([sequence])[0]
    assert isinstance(found, Invalid)
    assert found.why == why


def test_places_that_overlap_are_several():
    assert isinstance(varied("CSRCSRAAAAAAAYWGYWG"), Invalid)


@pytest.mark.parametrize("name", NAMES)
def test_scores_do_not_depend_on_company_order_or_the_scaffold(name):
    reward = load_reward(name)
    designs = [VH, NATIVE, "AAA", *DEAD, VH.replace("EVQ", "QVQ")]
    together = reward(designs)
    assert together == [reward([text.lower()])[0] for text in designs]
    assert together[0] == together[1] == together[-1]
    assert together[2] == -float("inf")
    assert reward(["AAA"]) == [-float("inf")]


@pytest.mark.parametrize("name", NAMES)
def test_trastuzumab_binds_and_what_cannot_does_not(name):
    reward = load_reward(name)
    assert reward([NATIVE])[0] > 2
    assert max(reward(DEAD)) < 0


def test_a_judge_of_other_variants_is_held_out_and_small():
    assert held_out("her2-binding") == "her2-binding-judge"
    for name in NAMES:
        (file,) = REWARDS[name].weights
        assert bundled(*file.split("/")).stat().st_size < 300_000
    assert load_reward(NAMES[0])([NATIVE]) != load_reward(NAMES[1])([NATIVE])


def test_a_scaffold_that_stays_is_guided_in_its_ten_residues():
    uniform = masked_sequences(lambda x, t, cond: torch.zeros(*x.shape, 20), PROTEIN, length=len(VH), steps=5)
    template = VH.replace(NATIVE, "X" * 10)
    process, reward = infill(uniform, [template]), load_reward("her2-binding")
    plain = svdd.decode(process, reward, method="pretrained", samples=16, progress=False)
    guided = svdd.decode(process, reward, candidates=8, samples=16, progress=False)
    assert all(len(varied(text)) == 10 and text.replace(varied(text), "X" * 10) == template for text in guided.samples)
    assert guided.rewards.mean() > plain.rewards.mean() + 1
    judge = load_reward("her2-binding-judge")
    assert sum(judge(guided.samples)) > sum(judge(plain.samples))


@pytest.mark.parametrize("name", NAMES)
def test_letters_outside_the_twenty_and_empty_sequences_are_named(name):
    with pytest.raises(ValueError, match="sequence 1 has 'X' at position 10"):
        load_reward(name)([NATIVE, "WGGDGFYAMX"])
    with pytest.raises(ValueError, match="sequence 0 is an empty sequence"):
        load_reward(name)([""])
