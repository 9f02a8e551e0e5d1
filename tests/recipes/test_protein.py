"""The recipe of miniproteins, on data that the tests make: seconds, no quality asked for."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from recipes import baselines
from recipes.cards import render_card, training_curves
from recipes.protein import card as cards
from recipes.protein import data, oracles
from recipes.protein import recipe as protein
from recipes.sequence_denoiser import masked_cross_entropy
from recipes.trainer import main
from support.stand_in_device import StandIn
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.ensembles import SequenceEnsemble
from svdd.networks.sequences import SequenceDenoiser
from svdd.networks.training import TrainingSettings, isolated_randomness
from svdd.networks.weight_files import load_network

pytestmark = pytest.mark.slow

SHAPE = {"vocabulary": 20, "channels": 16, "stages": 1, "kernel": 3, "stem_kernel": 3}
SMALL = {"vocabulary": 20, "channels": 8, "blocks": 1}
PARTS = ("guide", "judge", "test")


def letters(rows, length=43, seed=0):
    tokens = np.random.default_rng(seed).integers(20, size=(rows, length))
    return ["".join(PROTEIN.letters[token] for token in row) for row in tokens]


def share_of_leucine(texts):
    return [20 * text.count("L") / len(text) for text in texts]


@pytest.fixture(scope="module")
def table():
    """36 families of 10 designs, a third in each part, each with a measurement of a longer construct."""
    sequences = letters(360)
    family = np.repeat(np.arange(36), 10)
    part = [PARTS[number // 12] for number in family]
    made = pd.DataFrame(
        {"sequence": sequences, "stability": share_of_leucine(sequences), "part": part, "family": family}
    )
    longer = made[::10].assign(sequence=[text + "GGSGGSG" for text in made["sequence"][::10]])
    return pd.concat([made, longer, made[:1].assign(stability=9.0)], ignore_index=True)


@pytest.fixture(scope="module")
def file(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("miniproteins") / "stability.csv.gz"
    wrong = table[:2].assign(sequence=["ACX", None])
    pd.concat([table, wrong, table[2:3].assign(stability=None)]).assign(linker=0).to_csv(path)
    return path


@pytest.fixture(scope="module")
def parts(file):
    return data.read_stability(file)


def test_split_is_by_family_and_complete(parts):
    assert {name: len(part) for name, part in parts.items()} == {
        "test": 132,
        "guide_train": 122,
        "guide_validation": 11,
        "judge_train": 121,
        "judge_validation": 11,
        "denoiser_train": 220,
        "denoiser_validation": 20,
        "denoiser_test": 120,
    }
    families = {name: set(part.family.tolist()) for name, part in parts.items()}
    oracle_parts = ["test", "guide_train", "guide_validation", "judge_train", "judge_validation"]
    assert sorted(number for name in oracle_parts for number in families[name]) == list(range(36))
    assert not families["denoiser_train"] & (families["denoiser_validation"] | families["test"])
    assert families["guide_validation"] == {6}
    assert families["judge_validation"] == {18}


def test_a_generator_learns_each_sequence_of_its_length_once(parts):
    training = parts["denoiser_train"]
    assert training.lengths == [43]
    assert training.tokens.shape == (220, 43)
    assert len(set(training.sequences)) == 220
    assert parts["guide_train"].lengths == [43, 50]


def test_a_large_family_is_drawn_no_more_often_than_others_together(parts):
    one = parts["guide_train"].of_length(43)
    weights = data.family_weights(one, largest=4)
    sizes = torch.bincount(one.family)
    assert torch.allclose(weights, (4 / sizes[one.family]).clamp(max=1))
    assert data.family_weights(one, largest=20).tolist() == [1.0] * len(one)
    assert data.in_large_family(one, size=11).sum() == 11  # family 0, measured once more


def test_what_holds_no_library_is_refused(table, tmp_path):
    with pytest.raises(FileNotFoundError, match="no table with columns sequence, stability, part, family"):
        data.read_stability(tmp_path)
    table.assign(part="guide").to_csv(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="no rows for: test, judge_train"):
        data.read_stability(tmp_path)
    table.assign(family=3).to_csv(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="the family 3 in 3 parts"):
        data.read_stability(tmp_path)


def test_oracle_training_ends_in_units_of_the_score(parts):
    settings = TrainingSettings(60, warm_up=5, evaluate_every=20, average_decay=0.9, bfloat16=False, learning_rate=3e-3)
    network, result = oracles.train_oracle(
        parts["guide_train"], parts["judge_train"], settings, shape=SHAPE, members=2, batch_size=32
    )
    members = oracles.predicted(network, parts["judge_train"])
    assert members.shape == (121, 2)
    assert not torch.equal(members[:, 0], members[:, 1])
    assert result.history[-1]["value"] < result.history[0]["value"]
    measured = parts["judge_train"].stability
    assert float((members.mean(1) - measured).mean()) == pytest.approx(0, abs=1e-3)  # a line was fitted on these rows
    quality = oracles.oracle_quality(members.mean(1).double().numpy(), parts["judge_train"])
    assert quality["spearman"] > 0.5
    assert quality["auroc"] > 0.7


def test_predictions_keep_the_order_of_mixed_lengths(parts):
    with isolated_randomness(0):
        network = SequenceEnsemble(2, shape=SHAPE).eval()
    mixed = parts["guide_train"]
    together = oracles.predicted(network, mixed)
    for row in (0, 60, len(mixed) - 1):
        alone = network(PROTEIN.encode([mixed.sequences[row]]))[0]
        assert torch.allclose(together[row], alone, atol=1e-5)


def test_positional_baselines_know_positions_of_any_alphabet():
    tokens = (torch.arange(43) % 20).expand(4000, 43)
    assert baselines.positional_row_bits(tokens[:3000], tokens[3000:], letters=20).mean() < 0.1


def test_command_line_writes_loadable_networks(file, tmp_path, monkeypatch):
    monkeypatch.setitem(protein.DENOISER, "channels", 8)
    monkeypatch.setitem(protein.DENOISER, "blocks", 1)
    for role in ("guide", "judge"):
        monkeypatch.setitem(protein.ORACLES, role, SHAPE)
    for stage in ("denoiser", "guide", "judge"):
        arguments = ["--data", str(file), "--out", str(tmp_path), "--stage", stage, "--steps", "2"]
        main("protein", {"miniprotein": protein.RECIPE}, [*arguments, "--oracle-steps", "2"])
    for name in ("denoiser", "stability-guide", "stability-judge"):
        assert load_network(tmp_path / f"{name}.safetensors").config
        assert json.loads((tmp_path / f"{name}.history.json").read_text())["best_step"] == 2


def test_a_run_that_was_stopped_goes_on_from_its_checkpoint(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(protein, "DENOISER", SMALL)
    options = protein.MiniproteinOptions(data=tmp_path, out=tmp_path)

    def trained(file, steps):
        settings = TrainingSettings(6, warm_up=1, evaluate_every=2, seed=0)
        return protein._train_denoiser(parts, options, TrainingSettings(**vars(settings) | {"steps": steps}), file)

    whole, result = trained(tmp_path / "whole", 6)
    again, resumed = trained(tmp_path / "whole", 6)
    assert [row["step"] for row in resumed.history] == [row["step"] for row in result.history] == [2, 4, 6]
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), again.parameters(), strict=True))


def test_card_has_all_its_numbers_and_no_sequence_of_the_library(parts):
    with isolated_randomness(0):
        denoiser = SequenceDenoiser(**SMALL).eval()
        made = {role: SequenceEnsemble(2, shape=SHAPE).eval() for role in ("guide", "judge")}
    run = {
        "settings": {"steps": 2},
        "best_step": 2,
        "history": [{"step": n, "loss": 2.0, "value": 2.0} for n in (1, 2)],
    }
    histories = dict.fromkeys(("denoiser", "stability-guide", "stability-judge"), run)
    card = cards.measure_card(parts, denoiser, made, histories, samples=20, steps=3, draws=1)
    reference = cards.measure_reference(parts, made)
    assert set(reference["groups"]) == {"held_out", "stable"}
    assert sum(reference["groups"]["held_out"]["kmer3"]) == 120 * 41
    texts = json.dumps([card, reference])
    assert not any(row in texts for part in parts.values() for row in part.sequences)
    card = json.loads(json.dumps(card))
    page = render_card(protein.RECIPE.card.template, card)
    assert "Guide and judge share one assay" in page
    assert "not known, as there are none" in page
    assert "stability-judge, validation" in training_curves(card, protein.RECIPE.card.panels)


def test_a_scan_is_a_protein_with_its_single_mutants_each_ranked_alone():
    one, two = letters(2, seed=5)

    def mutants(text):
        return [text, *(text[:place] + "C" + text[place + 1 :] for place in range(9))]

    others = [one[::-1], one[:20] + two[20:]]
    rows = data.StabilityData(
        [*mutants(one), *others, *mutants(two), *letters(30, seed=6)],
        torch.cat([torch.arange(12.0), torch.arange(10.0), torch.zeros(30)]),
        torch.tensor([4] * 12 + [2] * 10 + [3] * 30),
    )
    assert data.scans(rows, size=10) == [list(range(12, 22)), list(range(10))]  # by family; the third holds no scan
    guess = np.concatenate([np.arange(12.0), -np.arange(10.0), np.zeros(30)])
    assert cards._within_scans(guess, rows) == []  # none is large
    assert data.scans(rows, size=13) == []


@torch.no_grad()
def test_what_training_computes_on_an_accelerator_mixes_no_devices(parts):
    with isolated_randomness(0):
        denoiser, network = SequenceDenoiser(**SMALL).eval(), SequenceEnsemble(2, shape=SHAPE).eval()
    tokens, part = parts["denoiser_validation"].tokens, parts["guide_validation"]
    loss = masked_cross_entropy(denoiser, tokens, torch.Generator().manual_seed(0))
    found = oracles.predicted(network, part)
    with StandIn():
        rows = torch.arange(len(tokens))
        far = masked_cross_entropy(denoiser.to("cuda:0"), tokens.to("cuda:0")[rows], torch.Generator().manual_seed(0))
        assert torch.equal(far.cpu(), loss)
        assert torch.equal(oracles.predicted(network.to("cuda:0"), part), found)
