"""The recipe of the ddG oracles, on data that the tests make: seconds, no quality asked for."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch

from recipes.cards import render_card, training_curves
from recipes.protein import ddg
from recipes.protein.ddg_card import by_domain, predicted
from recipes.protein.ddg_data import alone, read_ddg
from recipes.trainer import main
from svdd.domains.protein.inverse_folding.structure_files import read_backbone
from svdd.domains.protein.measures import HYDROPATHY
from svdd.domains.protein.pdb_text import pdb_text
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.networks.training import TrainingSettings
from svdd.networks.weight_files import load_network
from svdd.registry import bundled, load_reward

pytestmark = pytest.mark.slow

PARTS = ("guide", "judge", "test")
PIECE = 14


@pytest.fixture(scope="module")
def pieces():
    """Twelve pieces of a real backbone, four in each part, each a cluster of its own."""
    whole = read_backbone(bundled("proteinmpnn", "1yu5.pdb"))
    starts = range(0, 48, 4)
    return {
        f"piece-{start}": (whole.atoms[start : start + PIECE], whole.native[start : start + PIECE]) for start in starts
    }


@pytest.fixture(scope="module")
def tables(pieces):
    """ddG is the loss of hydropathy."""
    domains = pd.DataFrame(
        {"protein_id": list(pieces), "part": [PARTS[i // 4] for i in range(12)], "cluster": range(12),
         "sequence": [sequence for _, sequence in pieces.values()]}
    )  # fmt: skip
    rows = [
        (name, place + 1, wt, mut, (HYDROPATHY[wt] - HYDROPATHY[mut]) / 3)
        for name, (_, sequence) in pieces.items() for place, wt in enumerate(sequence) for mut in PROTEIN.letters if mut != wt
    ]  # fmt: skip
    return domains, pd.DataFrame(rows, columns=["protein_id", "pos", "wt", "mut", "ddg"])


@pytest.fixture
def folder(pieces, tables, tmp_path):
    domains, measured = tables
    domains.assign(length=PIECE).to_csv(tmp_path / "domains.csv.gz")
    measured.assign(rsa=1.0).to_csv(tmp_path / "ddg.csv")
    np.savez(tmp_path / "backbones.npz", **{name: atoms.numpy() for name, (atoms, _) in pieces.items()})
    return tmp_path


def test_parts_are_whole_and_clusters_are_held_back(folder):
    parts = read_ddg(folder)
    assert {name: len(part) for name, part in parts.items()} == dict.fromkeys(PARTS, 4)
    assert all(len(measured) == PIECE * 19 for part in parts.values() for measured in part.ddg())
    training, validation = parts["judge"].split()
    assert (training.clusters, validation.clusters) == ([4, 5, 7], [6])
    with pytest.raises(ValueError, match="needs 3 clusters or more, got 1"):
        validation.split()


def test_structures_may_be_files(folder, pieces):
    arrays = read_ddg(folder)
    (folder / "backbones.npz").unlink()
    for name, (atoms, sequence) in pieces.items():
        (folder / f"{name}.pdb").write_text(pdb_text(alone(name, atoms, sequence), sequence, [0.0] * PIECE))
    files = read_ddg(folder)
    for part in PARTS:
        for one, other in zip(arrays[part].backbones, files[part].backbones, strict=True):
            assert one.native == other.native
            assert torch.allclose(one.atoms, other.atoms, atol=1e-3)


def test_rows_are_the_measured_substitutions(folder):
    domains = read_ddg(folder)["test"]
    rows = domains.as_rows(ddg.ROLES["judge"])
    assert rows.sizes == [PIECE * 19] * 4
    natives = PROTEIN.decode(rows.numbers.native[None])[0]
    row = 2 * PIECE * 19 + 5 * 19 + 3  # of the third domain, its sixth residue
    assert rows.residue[row] == 2 * PIECE + 5
    wt, mut = natives[rows.residue[row]], PROTEIN.letters[rows.letter[row]]
    assert wt == domains.backbones[2].native[5]
    assert float(rows.ddg[row]) == pytest.approx((HYDROPATHY[wt] - HYDROPATHY[mut]) / 3)


def test_an_oracle_learns_and_is_in_kcal(folder):
    training, validation = (one.as_rows(ddg.ROLES["judge"]) for one in read_ddg(folder)["judge"].split())
    settings = TrainingSettings(
        steps=60, warm_up=5, learning_rate=5e-3, evaluate_every=20, average_decay=0.9, bfloat16=False
    )
    network, result = ddg.train_oracle(training, validation, settings, shape={"width": 16}, members=2)
    guess = predicted(network, validation)
    assert guess.shape == (PIECE * 19, 2)
    assert by_domain(guess.mean(1), validation)["mean"] == pytest.approx(1 - result.best_value, abs=0.02)
    assert result.best_value < 0.3
    assert (guess.mean(1) - validation.ddg).square().mean().sqrt() < 0.7 * validation.ddg.std()
    order = torch.randperm(len(guess), generator=torch.Generator().manual_seed(0))
    shuffled = by_domain(guess.mean(1)[order], validation)["mean"]
    assert abs(shuffled) < 0.3


def test_the_whole_recipe_writes_oracles_and_a_card(folder):
    out = folder / "out"
    main("protein", {"ddg": ddg.RECIPE}, ["--data", str(folder), "--out", str(out), "--steps", "20"])
    numbers = json.loads((out / "card.json").read_text())
    assert render_card(ddg.RECIPE.card.template, numbers) == (out / "card.md").read_text()
    assert "guide, validation" in training_curves(numbers, ddg.RECIPE.card.panels)
    assert numbers["split"]["parts"]["test"]["substitutions"] == 4 * PIECE * 19
    network = load_network(out / "guide.safetensors")
    assert network.config["residues"] == load_network(out / "judge.safetensors").config["residues"] + 40
    reward = load_reward("ddg:2ysh", weights=str(out / "guide.safetensors"))
    assert float(reward([reward.structure.native])) == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d, m: (d.assign(cluster=1), m), "has the cluster 1 in 3 parts; a cluster must lie in one"),
        (lambda d, m: (d, m.assign(pos=m["pos"] + 1)), "at position"),
        (lambda d, m: (d[d["part"] != "test"], m), "has no measured domain whose part is 'test'"),
        (lambda d, m: (d.assign(sequence=d["sequence"].str[:-1]), m), "is (14, 4, 3), but its sequence has 13 letters"),
    ],
)
def test_data_that_do_not_fit_are_one_sentence(folder, tables, change, sentence):
    domains, measured = change(*tables)
    domains.to_csv(folder / "domains.csv.gz")
    measured.to_csv(folder / "ddg.csv")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_ddg(folder)


def test_missing_backbones_and_tables_are_said(folder):
    (folder / "backbones.npz").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"has no backbone of piece-0: neither an array in an \.npz nor piece-0"
    ):
        read_ddg(folder)
    (folder / "ddg.csv").unlink()
    with pytest.raises(FileNotFoundError, match="has no table with columns protein_id, pos, wt, mut, ddg"):
        read_ddg(folder)
