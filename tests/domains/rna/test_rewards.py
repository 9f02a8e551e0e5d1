"""RNA rewards: golden values, ranges, and what is refused."""

import sys

import numpy as np
import pytest
import torch

from svdd.domains.rna import folding
from svdd.domains.rna import rewards as rna
from svdd.domains.sequence import rewards as shared
from svdd.networks.regressors import ConvolutionalRegressor
from svdd.networks.sequences import SequenceClassifier
from svdd.networks.training import isolated_randomness
from svdd.registry import load_reward

HAIRPIN, LOOSE, KOZAK = "GGGGAAAACCCC", "ACACACACACAC", "GGGGGGAAAACCCCCCAUGAUGCCACC"
UTRS = [
    "CCACUCGAUUAACAUGUUAACAACAUACUCGUCCGGCCGAUCAGCGGCUA",
    "ACAAACAAUCAAACUUCAAACACAACUUAAACACAAAUCCAACAACCACC",
    "GGGGCCCCGGGGAAAACCCCGGGGCCCCAAAAGGGGCCCCGGGGAAAACC",
]
FOLDED = ("free-energy", "ensemble-energy", "unpaired")
NAMES = (*FOLDED, "mrl", "mrl-judge", "stability", "no-uaug", "kozak")


@pytest.fixture
def vienna():
    import RNA

    return RNA


@pytest.mark.parametrize(
    ("name", "golden"),
    [
        ("free-energy", [-5.4, 0.0, -13.7]),
        ("ensemble-energy", [-5.5074, 0.0, -13.7573]),
        ("unpaired", [0.3605, 1.0, 0.5498]),
    ],
)
def test_golden_values_of_folds(vienna, name, golden):
    scores = load_reward(name)([HAIRPIN, LOOSE, KOZAK])
    assert scores.dtype == torch.float32
    assert scores.tolist() == pytest.approx(golden, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "golden"),
    [
        ("mrl", [3.5226, 8.1969, 5.5659]),
        ("mrl-judge", [3.2071, 8.0438, 5.4243]),
        ("stability", [-0.5634, -0.5474, -0.4903]),
    ],
)
def test_golden_values_of_oracles(name, golden):
    """The first has an upstream AUG out of frame, which costs load; the last is one long hairpin."""
    assert load_reward(name)(UTRS).tolist() == pytest.approx(golden, abs=0.01)


def test_golden_values_of_text():
    assert rna.no_uaug()([HAIRPIN, KOZAK, "AUGAUG"]).tolist() == [0, -2, -2]
    assert rna.kozak()([KOZAK, HAIRPIN, "UUUUUU"]).tolist() == [1.0, 0.375, 0.0]
    assert rna.kozak()(["AAGCCGCC", "AAGCCCCC", "AAUCCGCC"]).tolist() == [1.0, 5 / 8, 7 / 8]
    assert shared.gc_content(0.5)(["ACGU", "GGGG", "AAAC"]).tolist() == [0.0, -0.5, -0.25]


@pytest.mark.parametrize("name", NAMES)
def test_dna_letters_and_case_do_not_matter(name):
    reward = load_reward(name)
    assert torch.equal(reward([UTRS[0]]), reward([UTRS[0].replace("U", "T").lower()]))


@pytest.mark.parametrize("name", NAMES)
def test_bad_sequences_are_named(name):
    with pytest.raises(ValueError, match="sequence 1 has 'N' at position 50"):
        load_reward(name)([UTRS[0], UTRS[1][:-1] + "N"])
    with pytest.raises(ValueError, match="sequence 0 is an empty sequence"):
        load_reward(name)([""])


@pytest.mark.parametrize("name", FOLDED)
def test_a_missing_viennarna_is_one_sentence(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "RNA", None)
    with pytest.raises(ImportError, match=r'ViennaRNA, which is not installed: pip install "svdd\[rna\]"'):
        load_reward(name)


def test_folds_ignore_the_globals_of_viennarna(vienna, monkeypatch):
    before = rna.free_energy()([HAIRPIN]).tolist()
    monkeypatch.setattr(vienna.cvar, "temperature", 70.0)
    assert vienna.fold(HAIRPIN)[1] > before[0] + 1
    assert rna.free_energy()([HAIRPIN]).tolist() == before


def test_the_ensemble_lies_below_its_best_structure(vienna):
    best, all_ = rna.free_energy()(UTRS), rna.ensemble_energy()(UTRS)
    assert (all_ <= best).all()
    assert (best <= 0).all()


def test_unpaired_of_the_last_letters(vienna):
    text = "GGGGAAAACCCCAAAAAAAA"
    assert rna.unpaired(last=8)([text]).item() > 0.95
    assert rna.unpaired(last=20)([text]).item() == rna.unpaired()([text]).item()
    with pytest.raises(ValueError, match="at least 1, got 0"):
        rna.unpaired(last=0)


def test_structure_match_is_one_less_the_ensemble_defect(vienna):
    structure = "((((....))))"
    fold = vienna.fold_compound(HAIRPIN)
    fold.pf()
    defect = fold.ensemble_defect(structure)
    match = rna.structure_match(structure)
    assert match([HAIRPIN]).item() == pytest.approx(1 - defect, abs=1e-4)
    assert match([LOOSE]).item() == pytest.approx(4 / 12, abs=1e-3)
    with pytest.raises(ValueError, match="12 sites, but sequence 1 has 4 letters"):
        match([HAIRPIN, "ACGU"])


@pytest.mark.parametrize("structure", ["", "((..", "..)", "((x))"])
def test_a_structure_is_dots_and_matching_brackets(vienna, structure):
    with pytest.raises(ValueError, match="structure"):
        rna.structure_match(structure)


def test_pair_probabilities_are_symmetric_shares(vienna):
    (matrix,) = folding.pairing([HAIRPIN])
    assert matrix.shape == (12, 12)
    assert np.array_equal(matrix, matrix.T)
    assert (matrix.sum(1) <= 1 + 1e-9).all()
    assert matrix[0, 11] > 0.8


@pytest.fixture
def load():
    with isolated_randomness(0):
        network = ConvolutionalRegressor(length=6, channels=8, layers=1, hidden=4).eval()
    return rna.RibosomeLoad(network, name="tiny", rows=4)


def test_loads_do_not_depend_on_company_or_order(load):
    sequences = ["ACGUAC", "GGGGGG", "UUUUUU", "ACACAC", "GUGUGU", "AAAAAA"]
    together = load(sequences)
    assert torch.equal(together, torch.cat([load([text]) for text in sequences]))
    assert not together.requires_grad
    assert load([]).shape == (0,)
    assert repr(load) == "RibosomeLoad('tiny')"


def test_loads_are_of_one_length(load):
    with pytest.raises(ValueError, match="tiny reads 5'UTRs of 6 letters, but sequence 1 has 4"):
        load(["ACGUAC", "ACGU"])
    with pytest.raises(ValueError, match="rows must be at least 1"):
        rna.RibosomeLoad(load.network, rows=0)


def test_a_classifier_reads_the_letters_of_its_alphabet():
    with isolated_randomness(0):
        network = SequenceClassifier(channels=16, stages=1).eval()
    as_dna = shared.SequenceReward(network)(["ACGTTT"])
    assert torch.equal(shared.SequenceReward(network, alphabet=rna.RNA)(["ACGUUT"]), as_dna)
