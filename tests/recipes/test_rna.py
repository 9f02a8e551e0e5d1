"""The RNA recipes, on data that the tests make: seconds, no quality asked for."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from recipes import baselines
from recipes.cards import render_card, training_curves
from recipes.measures import regression_quality
from recipes.rna import data as utrs
from recipes.rna import oracles, stability, utr
from recipes.rna import utr_card as cards
from recipes.trainer import main
from svdd.networks.regressors import ConvolutionalRegressor
from svdd.networks.sequences import SequenceClassifier, SequenceDenoiser
from svdd.networks.training import TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network
from svdd.registry import bundled

pytestmark = pytest.mark.slow

ROWS, SHAPE = 280, {"channels": 8, "layers": 1, "kernel": 3, "hidden": 4}
RUN = {"settings": {"steps": 2}, "best_step": 2, "history": [{"step": n, "loss": 2.0, "value": 2.0} for n in (1, 2)]}


def letters(rows, length=50, seed=0):
    tokens = np.random.default_rng(seed).integers(4, size=(rows, length))
    return ["".join("ACGT"[token] for token in row) for row in tokens]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An npz of the library, natural 5'UTRs and a table of degradation."""
    path = tmp_path_factory.mktemp("utrs")
    x = np.random.default_rng(1).integers(4, size=(ROWS, 50)).astype(np.uint8)
    np.savez(path / "library.npz", x=x, y=(x[:, :10] == 0).sum(1).astype(np.float32))
    natural = letters(12, seed=2)
    human = pd.DataFrame({"utr": [*natural, "ACG"], "mother": [*natural[:6], *natural[:6], "ACG"], "hrl": range(13)})
    human.assign(old_pred=human.hrl + 1.0).to_csv(path / "human.csv", index=False)
    split = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    designs = pd.DataFrame({"Sequence": letters(60, 20, seed=3), "Value": np.linspace(-4, 4, 60), "Split": split})
    designs.to_csv(path / "degradation.csv", index=False)
    return path


@pytest.fixture(scope="module")
def parts(folder):
    return utrs.read_utrs(folder)


@pytest.fixture(scope="module")
def human(folder):
    return utrs.read_human(folder)


def test_split_is_disjoint_and_complete(parts, folder):
    sizes = {name: len(part) for name, part in parts.items()}
    assert sizes == {
        "test_deep": 20,
        "test_random": 20,
        "guide_train": 117,
        "guide_validation": 3,
        "judge_train": 117,
        "judge_validation": 3,
        "denoiser_train": 234,
        "denoiser_validation": 6,
    }
    separate = [name for name in sizes if not name.startswith("denoiser")]
    assert len({text for name in separate for text in parts[name].sequences}) == ROWS
    whole = np.load(folder / "library.npz")
    assert np.array_equal(parts["test_deep"].tokens.numpy(), whole["x"][:20])
    for part in parts.values():
        assert part.tokens.dtype == torch.long
        assert torch.equal(part.load, (part.tokens[:, :10] == 0).sum(1).float())
    assert set("".join(parts["test_deep"].sequences)) == set("ACGU")


@pytest.mark.parametrize("depth", ["total_reads", "total"])
def test_a_csv_is_put_in_order_of_depth(tmp_path, depth):
    table = pd.DataFrame({"utr": letters(140), "rl": np.arange(140.0), depth: np.arange(140)})
    extra = pd.DataFrame({"utr": ["ACG", "N" * 50, letters(140)[0]], "rl": 1.0, depth: 1})
    pd.concat([table, extra]).to_csv(tmp_path / "GSM3130435.csv.gz")
    parts = utrs.read_utrs(tmp_path / "GSM3130435.csv.gz")
    assert parts["test_deep"].load.tolist() == list(range(139, 129, -1))
    assert sum(len(part) for name, part in parts.items() if not name.startswith("denoiser")) == 140


def test_what_holds_no_library_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="a CSV with columns utr and rl"):
        utrs.read_utrs(tmp_path)
    pd.DataFrame({"utr": letters(50), "rl": 1.0}).to_csv(tmp_path / "few.csv")
    with pytest.raises(ValueError, match="50 usable rows, too few"):
        utrs.read_utrs(tmp_path)
    assert utrs.read_human(tmp_path) is None
    assert stability.read_degradation(tmp_path) is None


def test_natural_utrs_of_another_length_are_dropped(human):
    assert len(human) == 12
    assert len(cards._natural(human)) == 6


def test_oracle_training_ends_in_ribosomes(parts):
    settings = TrainingSettings(60, warm_up=5, evaluate_every=20, average_decay=0.9, bfloat16=False, learning_rate=3e-3)
    oracle, result = oracles.train_oracle(
        parts["guide_train"], parts["judge_train"], settings, shape=SHAPE | {"bins": 10}, batch_size=64
    )
    guess = oracles.predicted(oracle, parts["judge_train"].tokens)
    load = parts["judge_train"].load
    assert result.history[-1]["value"] < result.history[0]["value"]
    assert float((guess - load).mean()) == pytest.approx(0, abs=1e-3)  # a line was fitted on these rows
    quality = regression_quality(guess.numpy(), load.numpy())
    assert quality["r2"] == pytest.approx(quality["r2_of_line"], abs=1e-3)
    assert quality["pearson"] > 0.5


def test_quality_by_hand():
    measured = np.array([0.0, 1.0, 2.0, 3.0])
    quality = regression_quality(2 * measured, measured)
    assert quality["r2_of_line"] == pytest.approx(1)
    assert quality["spearman"] == pytest.approx(1)
    assert quality["r2"] == pytest.approx(1 - (14 / 4) / 1.25)
    assert quality["error"] == pytest.approx(3.5**0.5)


def test_stability_is_minus_degradation(folder):
    tables = stability.read_degradation(folder)
    assert {name: len(part) for name, part in tables.items()} == {"train": 40, "val": 10, "test": 10}
    for part in tables.values():  # degradation is the share of A
        part["Value"] = [8 * text.count("A") / len(text) - 2 for text in part["Sequence"]]
    settings = TrainingSettings(40, warm_up=5, evaluate_every=20, average_decay=0.9, learning_rate=3e-3, bfloat16=False)
    network, _ = stability.train_stability(tables, settings, batch_size=32)
    quality = stability.stability_quality(network, tables)
    assert quality["network"]["spearman"] > 0.3
    assert quality["others"]["ridge"]["spearman"] > 0.9
    assert quality["far"]["n"] >= 5


def test_positional_baselines_know_positions():
    tokens = (torch.arange(50) % 4).expand(400, 50)
    assert baselines.positional_row_bits(tokens[:200], tokens[200:], previous=False).mean() < 0.1
    even = torch.randint(4, (4000, 50), generator=torch.Generator().manual_seed(0))
    copied = even[:, ::2].repeat_interleave(2, 1)  # every other letter is the one before it
    alone, given = (
        baselines.positional_row_bits(copied[:2000], copied[2000:], previous=known) for known in (False, True)
    )
    assert alone.mean() == pytest.approx(2, abs=0.01)
    assert given.mean() == pytest.approx(1, abs=0.03)


def test_row_bits_average_to_the_bits_of_a_chain():
    tokens = torch.randint(4, (60, 50), generator=torch.Generator().manual_seed(0))
    rows = baselines.markov_row_bits(tokens[:40], tokens[40:], 1)
    assert rows.shape == (20,)
    assert baselines.markov_bits(tokens[:40], tokens[40:], 1) == pytest.approx(rows.mean())


def test_command_line_writes_loadable_networks(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(utr.ORACLES, "guide", SHAPE)
    monkeypatch.setitem(utr.ORACLES, "judge", SHAPE | {"channels": 4})
    for stage in ("denoiser", "guide", "judge"):
        arguments = ["--data", str(folder), "--out", str(tmp_path), "--stage", stage, "--steps", "2"]
        main("rna", {"utr": utr.RECIPE}, [*arguments, "--oracle-steps", "2"])
    for name in ("denoiser", "mrl-guide", "mrl-judge"):
        load_network(tmp_path / f"{name}.safetensors")
        assert json.loads((tmp_path / f"{name}.history.json").read_text())["best_step"] == 2


def test_card_has_all_its_numbers_and_no_sequence(parts, human, folder):
    with isolated_randomness(0):
        denoiser = SequenceDenoiser(channels=8, blocks=1).eval()
        oracles = {role: ConvolutionalRegressor(**SHAPE).eval() for role in ("guide", "judge")}
        stable = SequenceClassifier(**stability.SHAPE).eval()
    histories = dict.fromkeys(("denoiser", "mrl-guide", "mrl-judge", "stability"), RUN)
    card = cards.measure_card(parts, human, denoiser, oracles, histories, samples=20, steps=3, draws=1)
    card["stability"] = stability.stability_quality(stable, stability.read_degradation(folder))
    reference = cards.measure_reference(parts, human, oracles)
    assert set(reference["groups"]) == {"held_out", "most_active", "natural_human"}
    assert sum(reference["groups"]["held_out"]["kmer3"]) == 20 * 48
    texts = json.dumps([card, reference])
    assert not any(row in texts for row in parts["test_random"].sequences)
    assert card["published"]["old_pred"]["r2_of_line"] == pytest.approx(1)
    card = json.loads(json.dumps(card))
    page = render_card(utr.RECIPE.card.template, card)
    assert "not a model of natural 5'UTRs" in page
    assert "share of unpaired letters (Spearman" in page
    assert "stability, validation" in training_curves(card, utr.RECIPE.card.panels)
    del card["stability"], card["training"]["stability"]
    assert "no table of degradation, so there is none" in render_card(utr.RECIPE.card.template, card)
    assert "stability, validation" not in training_curves(card, utr.RECIPE.card.panels)


def test_the_card_says_whether_a_difference_is_significant():
    card = json.loads(bundled("rna-utr", "card.json").read_text())
    others = {
        "even": {"bits": 2.0, "gain": 0.02, "standard_error": 0.001},
        "close": {"bits": 1.981, "gain": 0.001, "standard_error": 0.001},
        "better": {"bits": 1.97, "gain": -0.01, "standard_error": 0.001},
    }
    card["bits_per_base"] = {"test_random": {"n": 9, "denoiser": 1.98, "standard_error": 0.001, "others": others}}
    text = render_card(utr.RECIPE.card.template, card | {"natural_bits": None})
    assert "- on `test_random`: even. Not: close; better." in text
    assert "0.0010 (s.e. 0.0010, not significant)" in text
    assert "-0.0100 (s.e. 0.0010) |" in text
    assert "Natural human 5'UTRs, under the denoiser" not in text
