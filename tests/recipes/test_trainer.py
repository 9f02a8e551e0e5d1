"""The trainer of all recipes: stages, options, checkpoints, and what is written."""

import json
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from recipes.cards import Card, Panel
from recipes.rna import uniform, utr
from recipes.trainer import Options, Recipe, Step, main, option
from svdd.networks.training import TrainingSettings, isolated_randomness, train


class Interrupted(Exception):
    """A kill in the middle of a training run."""


@dataclass(frozen=True)
class LineOptions(Options):
    steps: int = option(8, "Training steps.")
    learning_rate: float = option(0.1, "Of the optimiser.")
    stop_after: int = option(-1, "Losses until the process dies.")


def settings_of(options):
    return TrainingSettings(
        options.steps,
        learning_rate=options.learning_rate,
        warm_up=2,
        evaluate_every=2,
        bfloat16=False,
        seed=options.seed,
    )


def train_line(data, options, settings, checkpoint):
    calls = []

    def loss_of(network, generator):
        calls.append(1)
        if len(calls) > options.stop_after >= 0:
            raise Interrupted
        x = torch.randn(8, 1, generator=generator)
        return (network(x) - 3 * x).square().mean()

    with isolated_randomness(settings.seed):
        network = nn.Sequential(nn.Linear(1, 4), nn.Dropout(0.2), nn.Linear(4, 1))
    result = train(
        network, loss_of, lambda module: float((module(torch.ones(1, 1)) - 3).abs().sum()), settings, checkpoint
    )
    return network, result


def write_tensors(network, out, name):
    torch.save(network.state_dict(), out / f"{name}.pt")


def measured(data, options, histories):
    return {"data": data, "training": histories, "weights": sorted(file.name for file in options.out.glob("*.pt"))}


@pytest.fixture
def line(tmp_path):
    """A recipe of three small networks, one of which the data are not enough for."""
    (tmp_path / "card.md.j2").write_text("{{ data }}: {{ weights|join(' ') }}\n")
    steps = {name: Step(name, settings_of, train_line, write_tensors) for name in ("first", "second")}
    never = Step("never", settings_of, train_line, write_tensors, possible=lambda data: data == "enough")
    return Recipe(
        about="Lines.",
        options=LineOptions,
        read=lambda options: options.data.read_text(),
        stages={"one": [steps["first"]], "others": [steps["second"], never]},
        measure=measured,
        card=Card(tmp_path / "card.md.j2", [Panel("error", ["first", "second"])]),
    )


@pytest.fixture
def places(tmp_path):
    (tmp_path / "data").write_text("some")
    return ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]


def names(folder):
    return {file.name for file in folder.iterdir()}


def test_a_stage_does_its_part_alone(line, places, tmp_path):
    main("lines", {"line": line}, [*places, "--stage", "one", "--steps", "3"])
    assert names(tmp_path / "out") == {"first.pt", "first.checkpoint", "first.history.json"}
    history = json.loads((tmp_path / "out" / "first.history.json").read_text())
    assert history["settings"]["steps"] == 3
    assert [row["step"] for row in history["history"]] == [2, 3]


def test_all_stages_end_in_a_card_of_the_networks_that_could_be_trained(line, places, tmp_path):
    main("lines", {"line": line}, places)
    assert (tmp_path / "out" / "card.md").read_text() == "some: first.pt second.pt\n"
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert set(card["training"]) == {"first", "second"}
    assert "second, validation" in (tmp_path / "out" / "training.svg").read_text()
    (tmp_path / "data").write_text("enough")
    main("lines", {"line": line}, places)
    assert (tmp_path / "out" / "card.md").read_text() == "enough: first.pt never.pt second.pt\n"


def test_a_killed_run_goes_on_from_its_checkpoint(line, places, tmp_path):
    main("lines", {"line": line}, [*places, "--stage", "one"])
    whole = torch.load(tmp_path / "out" / "first.pt", weights_only=True)
    halted = [*places[:2], "--out", str(tmp_path / "halted"), "--stage", "one"]
    with pytest.raises(Interrupted):
        main("lines", {"line": line}, [*halted, "--stop-after", "5"])
    assert names(tmp_path / "halted") == {"first.checkpoint"}
    main(
        "lines", {"line": line}, [*halted, "--stop-after", "4"]
    )  # four of eight steps are left: it does not start again
    again = torch.load(tmp_path / "halted" / "first.pt", weights_only=True)
    assert all(torch.equal(again[name], whole[name]) for name in whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "two"], "invalid choice: 'two'"),
        (["--steps", "many"], "invalid int value: 'many'"),
        (["--step-count", "3"], "unrecognized arguments"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(line, places, capsys, arguments, message):
    with pytest.raises(SystemExit):
        main("lines", {"line": line}, [*places, *arguments])
    assert message in capsys.readouterr().err


def test_folders_must_be_given(line, capsys):
    with pytest.raises(SystemExit):
        main("lines", {"line": line}, [])
    assert "--data, --out" in capsys.readouterr().err


def test_the_help_of_a_domain_with_several_models_is_that_of_the_model(capsys):
    models = {"utr": utr.RECIPE, "uniform": uniform.RECIPE}
    with pytest.raises(SystemExit):
        main("rna", models, ["uniform", "--help"])
    text = capsys.readouterr().out
    assert "--rounds" in text
    assert "(default: 8)" in text
    assert "Sample et al. 2019" in text
    with pytest.raises(SystemExit):
        main("rna", models, [])
    assert "MODEL" in capsys.readouterr().err
