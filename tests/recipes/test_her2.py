"""The recipe of HER2 binding, on data that the tests make: seconds, no quality asked for."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from recipes.cards import render_card, training_curves
from recipes.protein import her2, her2_card, her2_data, her2_oracles
from recipes.trainer import main
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.networks.regressors import ConvolutionalRegressor
from svdd.networks.training import TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network

pytestmark = pytest.mark.slow

SHAPE = {"vocabulary": 20, "length": 10, "bins": 10, "channels": 8, "layers": 1, "kernel": 3, "hidden": 8}
PARTS = ("guide", "judge", "test")


@pytest.fixture(scope="module")
def table():
    """1,200 variants; those with an aromatic fourth residue bind, and residue 2 tells the part."""
    tokens = np.random.default_rng(0).integers(20, size=(1200, 10))
    rows = ["".join(PROTEIN.letters[token] for token in row) for row in tokens]
    part = [PARTS[number % 3] for number in tokens[:, 1]]
    binds = [int(text[3] in "FWYHLIVM") for text in rows]
    return pd.DataFrame({"sequence": rows, "binds": binds, "part": part, "reads": 2})


@pytest.fixture(scope="module")
def file(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("her2") / "cdrh3.csv.gz"
    wrong = table[:3].assign(sequence=["ACDEFGHIKX", "ACD", None])
    pd.concat([table, wrong, table[3:4].assign(binds=None)]).to_csv(path)
    return path


@pytest.fixture(scope="module")
def parts(file):
    return her2_data.read_binding(file)


def test_split_is_by_groups_and_complete(parts, table):
    assert sum(map(len, parts.values())) == len(table)
    groups = {
        name: {"".join(text[place] for place in (1, 2, 5, 6)) for text in part.sequences}
        for name, part in parts.items()
    }
    assert not any(groups[one] & groups[other] for one in groups for other in groups if one < other)
    assert len(parts["guide_validation"]) / len(parts["guide_train"]) == pytest.approx(1 / 9, rel=0.5)
    assert parts["test"].tokens.shape == (len(parts["test"]), 10)


def test_what_holds_no_library_is_refused(table, tmp_path):
    with pytest.raises(FileNotFoundError, match="no table with columns sequence, binds, part"):
        her2_data.read_binding(tmp_path)
    table.assign(part="guide").to_csv(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="no binders, or nothing else, for: test, judge_train, judge_validation"):
        her2_data.read_binding(tmp_path)
    table.assign(part=[PARTS[row % 3] for row in range(len(table))], sequence="ACDEFGHIKL").to_csv(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="the group CDGH in 3 parts"):
        her2_data.read_binding(tmp_path)


def test_oracle_training_ends_in_calibrated_log_odds(parts):
    settings = TrainingSettings(
        150, warm_up=5, evaluate_every=50, average_decay=0.9, bfloat16=False, learning_rate=1e-2
    )
    training, validation = parts["guide_train"], parts["judge_train"]
    network, result = her2_oracles.train_oracle(training, validation, settings, shape=SHAPE, batch_size=64)
    assert result.history[-1]["value"] < result.history[0]["value"]
    guess = her2_oracles.predicted(network, validation).double()
    chance, binds = guess.sigmoid(), validation.binds.double()
    assert float((chance - binds).mean()) == pytest.approx(0, abs=1e-3)  # what a fitted line has on its own rows
    assert float(((chance - binds) * guess).mean()) == pytest.approx(0, abs=1e-2)
    assert her2_oracles.oracle_quality(guess.numpy(), validation)["auroc"] > 0.9


def test_quality_of_log_odds_that_are_known():
    data = her2_data.BindingData(["A" * 10] * 20, torch.tensor([0.0] * 10 + [1.0] * 10))
    right = her2_oracles.oracle_quality(np.array([-3.0] * 10 + [3.0] * 10), data)
    assert (right["auroc"], right["accuracy"], right["average_precision"]) == (1, 1, 1)
    assert right["cross_entropy"] == pytest.approx(np.log1p(np.exp(-3)))
    none = her2_oracles.oracle_quality(np.zeros(20), data)
    assert (none["auroc"], none["cross_entropy"]) == (0.5, pytest.approx(np.log(2)))
    assert [bin["n"] for bin in none["reliability"]] == [2] * 10


def test_changes_are_from_the_nearest_variant():
    test = her2_data.BindingData(["AAAAAAAAAA", "CCCCCCCCCC", "AAAAAAAACC"], torch.zeros(3))
    training = her2_data.BindingData(["AAAAAAAAAC", "CCCCCCCCCC"], torch.zeros(2))
    assert her2_card._changes(test, training).tolist() == [1, 0, 1]


def test_command_line_writes_networks_and_a_card_without_a_sequence_of_the_library(file, parts, tmp_path, monkeypatch):
    for role in ("guide", "judge"):
        monkeypatch.setitem(her2_oracles.ORACLES, role, SHAPE)
    models = {"her2": her2.RECIPE, "other": her2.RECIPE}
    main("protein", models, ["her2", "--data", str(file), "--out", str(tmp_path), "--oracle-steps", "3"])
    for role in ("guide", "judge"):
        assert isinstance(load_network(tmp_path / f"{role}.safetensors"), ConvolutionalRegressor)
    texts = (tmp_path / "card.json").read_text() + (tmp_path / "card.md").read_text()
    assert not any(row in texts for part in parts.values() for row in part.sequences)
    assert "nothing of how strongly" in texts


def test_card_has_all_its_numbers(parts):
    with isolated_randomness(0):
        made = {role: ConvolutionalRegressor(**SHAPE).eval() for role in ("guide", "judge")}
    run = {"settings": {"steps": 2}, "best_step": 2, "history": [{"step": 1, "loss": 2.0, "value": 2.0}]}
    card = json.loads(json.dumps(her2_card.measure_card(parts, made, dict.fromkeys(made, run))))
    assert set(card["agreement"]) == {"test", "binders", "others", "random"}
    assert card["oracles"]["guide"]["logistic_auroc"] > 0.9
    assert "Trastuzumab's own residues" in render_card(her2.RECIPE.card.template, card)
    assert "judge, validation" in training_curves(card, her2.RECIPE.card.panels)
