"""Measures of molecules against cases that can be worked out by hand, and against RDKit, scipy and fcd_torch."""

import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from rdkit import Chem, DataStructs
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from scipy.stats import wasserstein_distance

from svdd.decoding.result import Result
from svdd.domains.molecule import chemistry as measure
from svdd.domains.molecule.kit import KIT
from svdd.domains.molecule.measures import chemnet
from svdd.domains.molecule.measures.chemnet import Activations, fcd, floor, frechet
from svdd.domains.molecule.measures.measures import measured_molecules
from svdd.domains.molecule.measures.properties import (
    BINS,
    Histogram,
    hits,
    novel_hit_ratio,
    property_table,
    top_share,
)
from svdd.domains.molecule.measures.reference import MoleculeReference, of_molecule_model
from svdd.domains.toy.toy import masked_process
from svdd.metrics import moments
from svdd.metrics.measures import Designs
from svdd.metrics.moments import TooFewForFrechetError

ASPIRIN, OLAPARIB = "CC(=O)Oc1ccccc1C(=O)O", "O=C1NN=C(Cc2ccc(F)c(C(=O)N3CCN(CC3)C(=O)C3CC3)c2)c2ccccc12"
KNOWN = ["CCO", "CCN", "c1ccccc1", ASPIRIN, "CC(=O)Nc1ccc(O)cc1", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
         "c1ccc(-c2ccccc2)cc1", OLAPARIB, "c1ccc2ccccc2c1", "CCCCO", "OC(=O)c1ccccc1"]  # fmt: skip
RHODANINE = "O=C1NC(=S)SC1=Cc1ccccc1"


def similarities(ours, theirs):
    make = GetMorganGenerator(radius=2, fpSize=1024).GetFingerprint
    prints = [[make(Chem.MolFromSmiles(text)) for text in texts] for texts in (ours, theirs)]
    return np.array([DataStructs.BulkTanimotoSimilarity(one, prints[1]) for one in prints[0]])


def designs(texts, runs=None):
    n = len(texts)
    unknown = np.full(n, np.nan)
    return Designs(list(texts), runs or [0] * n, list(range(n)), np.arange(n, dtype=float), unknown, unknown)


@pytest.fixture(scope="module")
def reference():
    return MoleculeReference.of([*KNOWN, "", "C("], "known")


def test_validity_uniqueness_and_novelty_by_hand():
    given = ["CCO", "OCC", "CCC", "", "C(", "C(C)(C)(C)(C)C"]
    assert measure.validity(given) == 0.5
    assert measure.uniqueness(given) == pytest.approx(2 / 3)
    assert measure.novelty(given, ["C(O)C"]) == 0.5
    assert measure.novelty(given, []) == 1
    assert measure.novelty(["CC(N)C(=O)O", "FC=CF"], ["C[C@H](N)C(=O)O"]) == 0.5  # a stereoisomer is known
    assert measure.canonical(given) == ["CCO", "CCO", "CCC"]


@pytest.mark.parametrize("nothing", [[], ["", "C("]])
def test_without_valid_molecules_nothing_is_claimed(nothing):
    assert np.isnan(measure.uniqueness(nothing))
    assert np.isnan(measure.novelty(nothing, ["C"]))
    assert np.isnan(measure.internal_diversity(nothing))
    assert np.isnan(measure.fragment_similarity(nothing, ["C"]))
    assert property_table(nothing).isna().all(axis=None)


def test_tanimoto_by_hand():
    bits = np.zeros((3, 1024), dtype=np.uint8)
    bits[0, [1, 5]], bits[1, [1, 9]] = 1, 1
    packed = np.packbits(bits, axis=1)
    found = measure.tanimoto(packed, packed)
    assert found[0].tolist() == pytest.approx([1, 1 / 3, 0])
    assert found[2].tolist() == [0, 0, 0]


def test_similarities_are_those_of_rdkit(monkeypatch):
    ours = KNOWN[:5]
    expected = similarities(ours, KNOWN[4:])
    np.testing.assert_allclose(measure.nearest_similarity(ours, KNOWN[4:]), expected.max(1), atol=1e-6)
    all_pairs = similarities(KNOWN, KNOWN)
    n = len(KNOWN)
    assert measure.internal_diversity(KNOWN) == pytest.approx(1 - (all_pairs.sum() - n) / (n * (n - 1)), abs=1e-6)
    below = (expected.max(1) < 0.4).mean()
    assert measure.distant([*ours, ours[0]], KNOWN[4:]) == below
    before = measure.internal_diversity(KNOWN)
    monkeypatch.setattr(measure, "_BLOCK", 5)  # blocks change nothing
    np.testing.assert_allclose(measure.nearest_similarity(ours, KNOWN[4:]), expected.max(1), atol=1e-6)
    assert measure.internal_diversity(KNOWN) == pytest.approx(before)
    with pytest.raises(ValueError, match="at least 1 valid known molecule, got 0 of 1"):
        measure.nearest_similarity(ours, ["C("])


def test_fragments_and_scaffolds_are_counted():
    assert measure.fragments(["c1ccccc1", "", "c1ccccc1"]) == {"c1ccccc1": 2}
    acetanilide = measure.fragments(["CC(=O)Nc1ccccc1"])  # cut between C and N, and between N and the ring
    assert sum(acetanilide.values()) == 3
    assert any(piece.endswith("C(C)=O") for piece in acetanilide)
    assert measure.scaffolds(["Cc1ccc(-c2ccccc2)cc1", "Cc1ccccc1", "CCO"]) == {"c1ccc(-c2ccccc2)cc1": 1}


def test_cosine_by_hand():
    assert measure.cosine({"a": 2, "b": 1}, {"a": 1, "c": 3}) == pytest.approx(2 / np.sqrt(5 * 10))
    assert measure.fragment_similarity(KNOWN, KNOWN) == pytest.approx(1)
    assert measure.scaffold_similarity(["c1ccc2ccccc2c1"], ["c1ccc(-c2ccccc2)cc1"]) == 0


def test_alerts():
    assert measure.alerts([RHODANINE, "", "CCO"]).tolist() == [True, False]
    assert measure.alerts(["CCO"], "BRENK").tolist() == [False]
    with pytest.raises(ValueError, match=r"unknown catalogue 'PAIN'; RDKit has .*PAINS"):
        measure.alerts(["CCO"], "PAIN")


@pytest.mark.slow
def test_properties_are_the_published_ones():
    table = property_table(["CCO", "c1ccccc1", ASPIRIN, ""])
    assert table["weight"].tolist()[:3] == pytest.approx([46.069, 78.114, 180.159], abs=1e-3)
    assert table["qed"][2] == pytest.approx(0.550, abs=1e-3)
    assert table["sa"][1] == 1
    assert table[["rings", "donors", "acceptors", "atoms"]].loc[2].tolist() == [1, 1, 3, 13]
    assert table.loc[3].isna().all()
    assert list(table) == list(BINS)


def test_distances_of_histograms_by_hand_and_as_scipy_has_them():
    one, other = Histogram.of("rings", [1, 1, 2]), Histogram.of("rings", [2, 2, 3, np.nan])
    assert one.distance(other) == pytest.approx(1)
    shares = [(np.array(counts) + 0.5) / 9 for counts in ([0, 2, 1, *[0] * 9], [0, 0, 2, 1, *[0] * 8])]
    assert one.divergence(other) == pytest.approx((shares[0] * np.log(shares[0] / shares[1])).sum())
    assert one.divergence(one) == 0
    drawn = [np.random.default_rng(seed).normal(300 + 20 * seed, 40, 500) for seed in range(2)]
    found = Histogram.of("weight", drawn[0]).distance(Histogram.of("weight", drawn[1]))
    assert found == pytest.approx(wasserstein_distance(*drawn), abs=BINS["weight"][1] / BINS["weight"][2])
    assert np.isnan(one.distance(Histogram.of("rings", [])))
    beyond = Histogram.of("logp", [-50.0, 50.0])
    assert (beyond.counts[0], beyond.counts[-1]) == (1, 1)
    with pytest.raises(ValueError, match=r"unknown property 'ring'.*rings"):
        Histogram.of("ring", [])


def test_hits_are_those_that_pass_everything():
    good = {"docking": 10.5, "qed": 0.6, "sa": 3.0, "similarity": 0.3}
    worse = [{}, {"docking": 10.0}, {"qed": 0.5}, {"sa": 5.0}, {"similarity": 0.4}, {"docking": np.nan}]
    rows = [good | change for change in worse]
    found = hits(*([row[name] for row in rows] for name in good), threshold=10.0)
    assert found.tolist() == [True, False, False, False, False, False]
    assert novel_hit_ratio(["a", "a", "b", ""], np.array([True, True, False, False])) == 0.25
    passes = np.array([True, True, True, False])
    assert top_share(["a", "b", "a", "c"], [1.0, 9.0, 3.0, 99.0], passes, share=0.5) == (6, 3)
    assert np.isnan(top_share(["a"], [np.nan], np.array([True]))[0])


def statistics(mean, variances, count=100):
    return Activations(np.array(mean, float), np.diag(np.array(variances, float)), count)


def test_the_frechet_distance_by_hand():
    one, other = statistics([0, 3], [4, 9]), statistics([1, 3], [1, 0])
    assert frechet(one, other) == pytest.approx(1 + (2 - 1) ** 2 + 3**2)
    assert frechet(one, one) == pytest.approx(0, abs=1e-9)
    turned = Activations(one.mean, np.array([[4.0, 1.0], [1.0, 9.0]]), 100)
    root = np.linalg.eigvals(turned.covariance @ other.covariance)
    expected = 1 + 13 + 1 - 2 * np.sqrt(root.clip(0)).sum()
    assert frechet(turned, other) == pytest.approx(expected)


@pytest.mark.slow
def test_the_floor_is_the_distance_of_that_many_draws():
    given = statistics([1, 2, 3], [4, 9, 1])
    drawn = np.random.default_rng(5).multivariate_normal(given.mean, given.covariance, size=(600, 20))
    apart = [frechet(Activations(one.mean(0), np.cov(one.T), 20), given) for one in drawn]
    found = [floor(given, 20, seed=seed) for seed in range(600)]
    assert np.mean(found) == pytest.approx(np.mean(apart), rel=0.12)
    assert floor(given, 2000) < 0.1 < np.mean(found)


@pytest.mark.slow
def test_the_chemnet_distance_is_that_of_fcd_torch(monkeypatch):
    from fcd_torch import FCD

    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")  # of numpy and scipy, about what fcd_torch still calls
        theirs = FCD()(KNOWN[:6], KNOWN[6:])
    with pytest.raises(TooFewForFrechetError, match="at least 500 designs and as many to compare with, got 6"):
        fcd(["C(", *KNOWN[:6]], KNOWN[6:])
    monkeypatch.setattr(moments, "FEWEST", 2)
    assert fcd(["C(", *KNOWN[:6]], KNOWN[6:]) == pytest.approx(theirs, abs=0.05)
    assert fcd(KNOWN[:6], KNOWN[:6]) == pytest.approx(0, abs=1e-3)
    with pytest.raises(ValueError, match="at least 2 valid molecules, got 1"):
        Activations.of(["CCO", "C("])


def test_a_reference_survives_its_file(reference, tmp_path):
    read = MoleculeReference.load(reference.save(tmp_path / "reference.npz"))
    assert (read.name, read.count, read.known) == ("known", 12, None)
    np.testing.assert_array_equal(read.neighbours, reference.neighbours)
    assert read.fragments == reference.fragments
    assert read.scaffolds == reference.scaffolds
    assert read.histograms["qed"].counts.tolist() == reference.histograms["qed"].counts.tolist()
    assert frechet(read.activations, reference.activations) == pytest.approx(0, abs=1e-3)
    (tmp_path / "other.npz").write_bytes(b"no table")
    with pytest.raises(ValueError, match="is not a reference of molecules"):
        MoleculeReference.load(tmp_path / "other.npz")


def test_a_small_reference_says_what_it_left_out(reference):
    small = reference.brief(kept=3, neighbours=4)
    assert len(small.neighbours) == 4
    assert list(small.fragments.counts) == list(reference.fragments.counts)[:3]
    assert small.fragments.length == reference.fragments.length  # so that a cosine is missing only its small terms
    assert "4 of its 12 molecules" in small.note
    assert reference.note == ""
    assert "is of 6 of its 12" in MoleculeReference.of(KNOWN, "known", sample=6).note
    with pytest.raises(ValueError, match="at least 2 valid molecules, got 1 of 2"):
        MoleculeReference.of(["C", "C("], "one")
    assert of_molecule_model("toy-masked") is None
    assert of_molecule_model("../molecule") is None


def test_there_is_no_chemnet_distance_of_fewer_than_500(reference):
    made = KIT.record(designs(KNOWN), reference, draws=5)
    assert np.isnan([made.row["fcd"], made.row["fcd_floor"]]).all()
    assert any("no fcd: a Fréchet distance needs at least 500 designs" in note for note in made.notes)


@pytest.mark.slow
def test_every_measure_of_a_row_is_the_one_it_is_named_after(reference, monkeypatch):
    monkeypatch.setattr(moments, "FEWEST", 2)
    given = ["OCC", "CCO", "CCCl", RHODANINE, "", OLAPARIB, "CC(C)c1ccccc1"]
    row = KIT.record(designs(given), reference, draws=50).row
    assert row["validity"] == pytest.approx(measure.validity(given))
    assert row["unique"] == pytest.approx(measure.uniqueness(given))
    assert row["novel"] == pytest.approx(measure.novelty(given, KNOWN))
    assert row["distant"] == pytest.approx(measure.distant(given, KNOWN))
    assert row["diversity"] == pytest.approx(measure.internal_diversity(given))
    assert row["nearest_similarity"] == pytest.approx(measure.nearest_similarity(given, KNOWN).mean())
    assert row["fragment_similarity"] == pytest.approx(measure.fragment_similarity(given, KNOWN))
    assert row["scaffold_similarity"] == pytest.approx(measure.scaffold_similarity(given, KNOWN))
    assert row["pains"] == pytest.approx(1 / 6)
    assert row["weight"] == pytest.approx(property_table(given)["weight"].mean())
    assert row["fcd"] == pytest.approx(fcd(given, KNOWN), abs=0.05)
    assert row["fcd_floor"] > 0
    bounded = [name for name in row if f"{name}_low" in row and not name.endswith("_similarity")]
    assert {"validity", "novel", "pains", "qed"} <= set(bounded)
    for name in bounded:
        if np.isfinite(row[f"{name}_low"]):
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"], name


def test_without_a_reference_or_a_valid_design_there_is_still_a_row(reference):
    alone = KIT.record(designs(["CCO", "CCN"]), draws=10)
    assert {"fcd", "novel", "distant"}.isdisjoint(alone.row)
    assert alone.row["diversity"] > 0
    nothing = KIT.record(designs(["", "C("]), reference, draws=10).row
    assert nothing["validity"] == 0
    assert all(np.isnan(nothing[name]) for name in ("unique", "diversity", "fcd", "qed", "pains", "novel"))


def test_runs_are_resampled_as_runs(reference):
    pooled = Designs.pooled([designs(["CCO", "CCN"] * 2), designs(["c1ccccc1", "Cc1ccccc1"] * 2)])
    row = KIT.record(pooled, reference, draws=200).row
    assert row["runs"] == 2
    assert row["weight_low"] < 46 < 85 < row["weight_high"]


def test_a_missing_chemnet_is_a_note(reference, monkeypatch):
    chemnet._chemnet.cache_clear()
    monkeypatch.setitem(sys.modules, "fcd_torch", None)
    monkeypatch.setattr(moments, "FEWEST", 2)
    found = KIT.record(designs(KNOWN), reference, draws=5)
    assert np.isnan(found.row["fcd"])
    assert any("fcd_torch" in note and "svdd[molecules]" in note for note in found.notes)


def test_a_missing_rdkit_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(ImportError, match=r"molecules need rdkit: pip install 'svdd\[molecules\]'"):
        measure.validity(["C1CCCCCCCC1"])


def test_only_the_bundled_model_has_a_likelihood():
    result = Result(["CCO", "CCN"], torch.zeros(2, dtype=torch.float64), [0, 1])
    toy = masked_process()
    found = measured_molecules(result, toy, lambda texts: [float(len(text)) for text in texts], "length")
    assert np.isnan(found.elbo).all()
    assert found.judge.tolist() == [3, 3]
    assert found.judge_rows == 2
    assert "no likelihood bound" in found.notes[0]
    known = replace(result, scores={"length": torch.tensor([7.0, 8.0])})
    assert measured_molecules(known, toy, None, "length").judge.tolist() == [7, 8]
