"""Cards: the bundled ones are what their templates make of their numbers, and a model hub can read them."""

import json
import re

import pytest
from jinja2 import UndefinedError

from recipes.__main__ import CARDS, render_bundled
from recipes.cards import Panel, render_card, training_curves
from svdd.registry import bundled


def numbers(name):
    return json.loads(bundled(name, "card.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CARDS)
def test_the_bundled_card_is_made_of_its_numbers(name):
    assert render_bundled(name).encode() == bundled(name, "card.md").read_bytes()
    assert bundled(name, "training.svg").is_file()


@pytest.mark.parametrize("name", CARDS)
def test_a_model_hub_reads_the_head_of_the_card(name):
    from huggingface_hub import ModelCard

    card = ModelCard(bundled(name, "card.md").read_text(encoding="utf-8"))
    assert card.data.license == "apache-2.0"
    assert card.data.model_name == name
    assert {"diffusion", "diffusion-guidance"} & set(card.data.tags)
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert set(card.data.metrics) == set(results)
    assert all(isinstance(value, float) for value in results.values())


@pytest.mark.parametrize("name", CARDS)
def test_every_training_run_is_drawn(name):
    picture = training_curves(numbers(name), CARDS[name].panels)
    for run in numbers(name)["training"]:
        assert f"{run}, validation" in picture


def test_a_number_that_the_card_lacks_is_an_error():
    card = numbers("dna-enhancer")
    del card["samples"]["motif_spearman"]
    with pytest.raises(UndefinedError, match="motif_spearman"):
        render_card(CARDS["dna-enhancer"].template, card)


@pytest.mark.parametrize(
    ("correlation", "verdict"),
    [(0.2, "is 0.200: too little to be of use"), (0.3, "is 0.300: enough to be of use as a reward.")],
)
def test_the_card_says_whether_accessibility_can_be_a_reward(correlation, verdict):
    card = numbers("dna-enhancer")
    card["oracles"]["guide"]["accessibility_pearson"] = correlation
    assert verdict in render_card(CARDS["dna-enhancer"].template, card)


def test_a_card_without_signal_says_so():
    card = numbers("dna-enhancer")
    for quality in card["oracles"].values():
        for name in [name for name in quality if name.startswith("accessibility")]:
            del quality[name]
    text = render_card(CARDS["dna-enhancer"].template, card)
    assert "The data gave no signal to train the accessibility output on.\n\n## Limits" in text


def test_numbers_are_written_with_four_digits_or_as_asked(tmp_path):
    template = tmp_path / "card.md.j2"
    template.write_text("{{ [1234567, 0.123456, 'a']|row }} {{ 0.5|number('.1%') }} {{ 1234|number(',') }}\n")
    assert render_card(template, {}) == "| 1234567 | 0.1235 | a | 50.0% 1,234\n"


def test_runs_that_a_card_lacks_are_left_out():
    run = {"history": [{"step": step, "loss": 2.0, "value": 1.0} for step in (1, 2)]}
    panels = [Panel("bits", ["one", "none"], training=True), Panel("nats", ["two"])]
    picture = training_curves({"training": {"one": run, "two": run}}, panels)
    assert "one, training" in picture
    assert "two, training" not in picture
    assert "none, validation" not in picture


@pytest.mark.parametrize("name", CARDS)
def test_no_published_file_names_a_folder_of_the_machine_that_made_it(name):
    files = [*bundled(name).rglob("*.json"), *bundled(name).rglob("*.md")]
    assert files
    for path in files:
        assert not re.findall(r'"/\w+/[^"]*"', path.read_text(encoding="utf-8")), path.name
