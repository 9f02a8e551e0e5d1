"""DNA rewards: encoding, oracles and the simple rewards."""

import pytest
import torch

from svdd.domains.dna import rewards as dna
from svdd.domains.sequence import rewards as shared
from svdd.networks.sequences import SequenceClassifier
from svdd.networks.training import isolated_randomness


@pytest.fixture
def reward() -> shared.SequenceReward:
    with isolated_randomness(0):
        network = SequenceClassifier(outputs=2, channels=16, stages=2, both_strands=True).eval()
    return shared.SequenceReward(network, 1, name="tiny", sites=20)


def test_case_does_not_matter(reward):
    for function in (reward, shared.gc_content(0.25), dna.motif_count("ACG")):
        assert torch.equal(function(["acgtTACG"]), function(["ACGTTACG"]))


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        (["ACGT", "ACNT"], "sequence 1 has 'N' at position 3"),
        (["AC", "GTA", "AC\N{SNOWMAN}"], "sequence 2 has .* at position 3"),
        (["ACGT", ""], "sequence 1 is an empty sequence"),
        ("ACGT", "list"),
    ],
)
def test_bad_sequences_are_named(reward, sequences, message):
    for function in (reward, shared.gc_content(), dna.motif_count("ACG")):
        with pytest.raises(ValueError, match=message):
            function(sequences)


def test_mixed_lengths_and_batches_keep_the_order(reward):
    sequences = ["ACGTACGTAA", "ACG", "TTTTTTTTTT", "GCG", "CCCCCCCCCC", "A"]
    together = reward(sequences)
    alone = torch.cat([reward([sequence]) for sequence in sequences])
    assert together.shape == (6,)
    assert together.dtype == torch.float32
    assert not together.requires_grad
    assert torch.equal(together, alone)
    assert reward([]).shape == (0,)


def test_output_and_sites_are_checked(reward):
    with pytest.raises(ValueError, match="output 2"):
        shared.SequenceReward(reward.network, 2)
    with pytest.raises(ValueError, match="sites"):
        shared.SequenceReward(reward.network, sites=0)


@pytest.mark.parametrize("factory", [dna.hepg2, dna.hepg2_judge])
def test_bundled_oracles_are_strand_symmetric_and_vary(factory):
    letters = torch.randint(4, (8, 200), generator=torch.Generator().manual_seed(0))
    sequences = ["".join("ACGT"[token] for token in row) for row in letters.tolist()]
    other = [text.translate(str.maketrans("ACGT", "TGCA"))[::-1] for text in sequences]
    scores = factory()(sequences)
    torch.testing.assert_close(scores, factory()(other), rtol=1e-3, atol=1e-3)
    assert scores.std() > 0


def test_bundled_guide_knows_liver_and_blood_motifs():
    background = "ACTGACCATTGACCTAGGCATTACCAGTCA" * 6
    liver = background[:80] + "GTTAATGATTAAC" + "GGGGTCAAAGGTCA" + background[107:]
    blood = background[:80] + "CTTATCTGGTTATC" + "TGCTGAGTCAGCA" + background[107:]
    liver_score, blood_score = dna.hepg2()([liver[:200], blood[:200]]).tolist()
    assert liver_score > blood_score
    liver_score, blood_score = dna.hepg2_judge()([liver[:200], blood[:200]]).tolist()
    assert liver_score > blood_score


def test_gc_content():
    assert shared.gc_content(0.5)(["ACGT", "GGGG", "AAAC"]).tolist() == [0.0, -0.5, -0.25]
    with pytest.raises(ValueError, match="target"):
        shared.gc_content(1.5)


def test_motif_count_reads_both_strands_and_ambiguity():
    assert dna.motif_count("WGATAR")(["AGATAA", "TTATCT", "AGATACC"]).tolist() == [1, 1, 0]
    assert dna.motif_count("AAA")(["AAAAA", "TTTT"]).tolist() == [3, 2]
    for motif in ("", "AXA"):
        with pytest.raises(ValueError, match="IUPAC"):
            dna.motif_count(motif)
