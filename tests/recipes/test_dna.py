"""The DNA recipe, on data that the tests make: seconds, no quality asked for."""

import json
import math

import numpy
import pytest
import torch
from torch import nn

from recipes import baselines
from recipes import sequence_denoiser as denoiser
from recipes.cards import render_card, training_curves
from recipes.dna import card as cards
from recipes.dna import data, oracles
from recipes.dna.recipe import RECIPE
from recipes.trainer import main
from svdd.networks.sequences import SequenceClassifier, SequenceDenoiser
from svdd.networks.training import TrainingSettings, isolated_randomness, train
from svdd.networks.weight_files import load_network

pytestmark = pytest.mark.slow

CHROMOSOMES = [f"chr{name}" for name in (1, 2, 8, 9, 10, 11, 18, 21, 22)]
SHAPE = {"channels": 16, "stages": 1, "kernel": 3, "stem_kernel": 5}


def made_up_sites(rows: int) -> list[str]:
    """Write sites that repeat ACGT after a random start, so that there is much to learn."""
    generator = numpy.random.default_rng(0)
    text = ["".join("ACGT"[(start + site) % 4] for site in range(40)) for start in range(4)]
    flanks = generator.integers(4, size=(rows, 8))
    return [text[row % 4] + "".join("ACGT"[letter] for letter in flanks[row]) for row in range(rows)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sites")
    lines = ["chr,sequence,label,total_signal"]
    for row, sequence in enumerate(made_up_sites(180)):
        chromosome = CHROMOSOMES[row % len(CHROMOSOMES)]
        lines.append(f"{chromosome},{sequence},{row // 9 % 2},{1 + row}")
    (path / "sites.csv").write_text("\n".join(lines) + "\n")
    (path / "other.csv").write_text("a,b\n1,2\n")
    return path


@pytest.fixture(scope="module")
def parts(folder):
    return data.read_enhancers(folder)


def test_split_is_by_chromosome_and_complete(parts):
    assert {name: len(part) for name, part in parts.items()} == {
        "guide_train": 40,
        "guide_validation": 20,
        "judge_train": 40,
        "judge_validation": 20,
        "denoiser_train": 80,
        "denoiser_validation": 40,
        "test": 60,
    }
    rows = [set(parts[name].sequences) for name in ("guide_train", "judge_train", "test")]
    assert not rows[0] & rows[1] | rows[0] & rows[2] | rows[1] & rows[2]
    assert not set(data.GUIDE) & set(data.JUDGE)
    assert not (set(data.GUIDE) | set(data.JUDGE)) & set(data.TEST)


def test_index_columns_make_labels(tmp_path):
    header = "chr\tsequence\tHepG2_ENCLB029COU\tK562_ENCLB843GMH"
    rows = [
        f"{name}\t{'ACGT' * 3}{'ACGT'[number]}{'ACGT'[kind]}\t{kind % 2}\t{kind // 2}"
        for number, name in enumerate(CHROMOSOMES[:4])
        for kind in range(4)
    ]
    (tmp_path / "index.tsv").write_text("\n".join([header, *rows]) + "\n")
    table = data._read_tables(tmp_path)
    assert table["label"].tolist() == [1, 0] * 4
    with pytest.raises(ValueError, match="denoiser_validation"):
        data.read_enhancers(tmp_path)


def test_a_folder_without_sites_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="sequence, chr and label"):
        data.read_enhancers(tmp_path)


class Oracle(nn.Module):
    """Gives every base the same logits, whatever is masked."""

    vocabulary = 4

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        chances = torch.tensor([0.7, 0.1, 0.1, 0.1])
        return chances.log().expand(*tokens.shape, 4)


def test_bound_of_an_independent_model_is_its_cross_entropy():
    tokens = torch.zeros(400, 30, dtype=torch.long)
    bits, error = denoiser.bits_per_base(Oracle(), tokens)
    assert bits == pytest.approx(-math.log2(0.7), abs=1e-5)
    assert error == pytest.approx(0, abs=1e-5)


def test_bound_is_unbiased_over_the_number_of_masks():
    # With p(A) = 0.7 and the rest 0.1, a row of half A and half C has a known mean.
    tokens = torch.arange(2).repeat(2000, 15)
    bits, error = denoiser.bits_per_base(Oracle(), tokens, draws=4)
    assert bits == pytest.approx(-math.log2(0.7 * 0.1) / 2, abs=5 * error + 1e-6)


def test_sampling_follows_the_logits_and_leaves_no_mask():
    tokens = denoiser.sample_unguided(Oracle(), 500, length=40, steps=10, seed=1)
    shares = torch.bincount(tokens.flatten(), minlength=5) / tokens.numel()
    torch.testing.assert_close(shares, torch.tensor([0.7, 0.1, 0.1, 0.1, 0.0]), atol=0.015, rtol=0)


def test_training_learns_and_resumes_exactly(parts, tmp_path):
    def run(steps: int, name: str) -> tuple[nn.Module, list[dict]]:
        settings = TrainingSettings(steps, warm_up=5, evaluate_every=10, average_decay=0.8)
        with isolated_randomness(0):
            network = SequenceDenoiser(channels=16, blocks=2, dropout=0.1)
        network, result = denoiser.train_denoiser(
            parts["denoiser_train"].tokens,
            parts["denoiser_validation"].tokens,
            settings,
            batch_size=32,
            network=network,
            checkpoint=tmp_path / name,
        )
        return network, result.history

    _, history = run(40, "whole")
    assert history[-1]["value"] < history[0]["value"] < 2.2
    again, resumed = run(40, "whole")
    assert [row["value"] for row in resumed] == [row["value"] for row in history]
    assert not again.training


def test_interrupted_training_goes_on_as_if_it_had_not_been(tmp_path):
    class Interrupted(Exception):
        pass

    def run(name: str, stop_after: int | None) -> torch.Tensor:
        calls = []

        def loss_of(module: nn.Module, generator: torch.Generator) -> torch.Tensor:
            calls.append(1)
            if stop_after is not None and len(calls) > stop_after:
                raise Interrupted
            return (module(torch.randn(8, 3, generator=generator)) - 1).square().mean()

        def value_of(module: nn.Module) -> float:
            return float(module(torch.ones(1, 3)).square().sum())

        with isolated_randomness(0):
            network = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        settings = TrainingSettings(12, warm_up=2, evaluate_every=4, bfloat16=False)
        train(network, loss_of, value_of, settings, tmp_path / name)
        return nn.utils.parameters_to_vector(network.parameters())

    whole = run("whole", None)
    with pytest.raises(Interrupted):
        run("halted", 6)
    assert torch.equal(run("halted", None), whole)


def test_oracle_training_calibrates(parts):
    settings = TrainingSettings(10, warm_up=2, evaluate_every=5, bfloat16=False)
    oracle, _ = oracles.train_oracle(
        parts["guide_train"], parts["guide_validation"], settings, shape=SHAPE, batch_size=16
    )
    assert not torch.equal(oracle.scale, torch.ones(2))
    quality = oracles.oracle_quality(oracle, parts["test"])
    assert sum(row["n"] for row in quality["reliability"]) == quality["n"] == 60
    assert 0 <= quality["calibration_error"] <= 1


def test_calibration_recovers_a_distorted_logit():
    class Distorted(SequenceClassifier):
        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            raw = (tokens == 0).sum(dim=1).float()
            return torch.stack([raw, 3 * raw], dim=1) * self.scale + self.shift

    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(4, (20_000, 8), generator=generator)
    count = (tokens == 0).sum(dim=1).float()
    label = (torch.rand(len(tokens), generator=generator) < torch.sigmoid(0.5 * count - 1)).float()
    sites = data.EnhancerData(tokens, label, count + 2, [""] * len(tokens))
    with isolated_randomness(0):
        network = Distorted(outputs=2, **SHAPE)
    oracles.calibrate(network, sites)
    torch.testing.assert_close(network.scale, torch.tensor([0.5, 1 / 3]), atol=0.05, rtol=0)
    torch.testing.assert_close(network.shift, torch.tensor([-1.0, 2.0]), atol=0.08, rtol=0)


def test_markov_baselines():
    generator = torch.Generator().manual_seed(0)
    even = torch.randint(4, (300, 50), generator=generator)
    assert baselines.markov_bits(even[:150], even[150:], 0) == pytest.approx(2, abs=0.01)
    periodic = (torch.arange(50) + torch.arange(300)[:, None]) % 4
    assert baselines.markov_bits(periodic[:150], periodic[150:], 1) < 0.1


def test_detection_of_the_same_and_of_other_sequences():
    generator = numpy.random.default_rng(0)
    rows = ["".join("ACGT"[letter] for letter in generator.integers(4, size=40)) for _ in range(200)]
    assert 0.3 < baselines.kmer_detection(rows[:100], rows[100:], k=2) < 0.7
    spoiled = [f"AAAAAAAAAA{row[10:]}" for row in rows[:100]]
    assert baselines.kmer_detection(spoiled, rows[100:], k=2) > 0.9


def test_command_line_writes_loadable_networks(folder, tmp_path):
    for stage in ("denoiser", "oracles"):
        arguments = ["--data", str(folder), "--out", str(tmp_path), "--stage", stage]
        arguments += ["--steps", "2", "--oracle-steps", "2"]
        main("dna", {"enhancer": RECIPE}, arguments)
    for name in ("denoiser", "hepg2-guide", "hepg2-judge"):
        load_network(tmp_path / f"{name}.safetensors")
        assert json.loads((tmp_path / f"{name}.history.json").read_text())["best_step"] == 2


def test_card_has_all_its_numbers(parts):
    with isolated_randomness(0):
        denoiser = SequenceDenoiser(channels=8, blocks=1).eval()
        guide, judge = (SequenceClassifier(outputs=2, **SHAPE).eval() for _ in range(2))
    oracles = {"guide": guide, "judge": judge}
    run = {
        "settings": {"steps": 4},
        "best_step": 4,
        "history": [
            {"step": 2, "loss": 2.0, "value": 2.0},
            {"step": 4, "loss": 1.9, "value": 1.9},
        ],
    }
    histories = dict.fromkeys(("denoiser", "hepg2-guide", "hepg2-judge"), run)
    card = cards.measure_card(parts, denoiser, oracles, histories, samples=40, steps=3, detection_steps=2)
    reference = cards.measure_reference(parts, oracles)
    assert json.loads(json.dumps(card))["samples"]["n"] == 40
    assert len(reference["groups"]["active_hepg2"]["kmer6"]) == 4096
    assert "ACGTACGT" not in json.dumps(reference)
    text = render_card(RECIPE.card.template, json.loads(json.dumps(card)))
    assert "classifiers of accessibility" in text
    assert "not\noffered as a reward" in text or "of use as a reward" in text
    picture = training_curves(card, RECIPE.card.panels)
    assert "hepg2-judge, validation" in picture
    assert "denoiser, training" in picture
