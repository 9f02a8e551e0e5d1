"""Every domain, built in or installed, does what the others do: cards lead somewhere, models decode, files are read back.

With another package in PYTHONPATH these tests run over its domain too: `pytest tests/domains/test_conformance.py -k dice`.
"""

import re
import warnings

import numpy
import pytest
import torch

import svdd
from support import golden_rewards
from support.places import ROOT
from svdd.chain import DesignKind
from svdd.chain.tree import leaves
from svdd.cost.batches import picked
from svdd.fitting.readers import Reader
from svdd.metrics import Kit, kit_of
from svdd.metrics.columns import SECTIONS
from svdd.registry import MODELS, REWARDS, bundled, domains, load, load_reward, needed, resolve
from svdd.runs.doors import read

DOMAINS = {one.name: one for one in domains()}
GOLDEN = golden_rewards.read()
CARDS = {
    f"{one.name} {kind} {name}": card
    for one in DOMAINS.values()
    for kind in ("models", "checkpoints", "rewards", "reward_schemes")
    for name, card in getattr(one, kind).items()
}
BUILT_IN = [name for one in DOMAINS.values() if one.distribution == "svdd" for name in one.rewards]
REWARD = """
def same(designs):
    return [0.5] * len(designs)
"""


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """A run of a model in a folder, four designs of few steps, by the model's name; each is made once."""
    home, made = tmp_path_factory.mktemp("conformance"), {}
    (home / "rewards.py").write_text(REWARD)

    def run(model):
        job = {
            "model": model,
            "reward": f"{home / 'rewards.py'}:same",
            "method": "pretrained",
            "samples": 4,
            "steps": 3,
        }
        if model not in made:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of few chains
                made[model] = svdd.run(job, home / model, progress=False)
        return made[model]

    return run


def equal(one, other):
    """Whether designs are equal, in every bit where they are tensors."""
    if isinstance(one, list):
        return one == other
    pairs = list(zip(leaves(one), leaves(other), strict=True))
    return all(mine.dtype == theirs.dtype and torch.equal(mine, theirs) for mine, theirs in pairs)


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_cards_lead_somewhere(card):
    assert callable(resolve(card.target))


@pytest.mark.parametrize("name", DOMAINS)
def test_everything_else_that_a_domain_names_leads_somewhere(name):
    one = DOMAINS[name]
    assert all(callable(resolve(start.target)) for start in one.starts)
    assert all(issubclass(resolve(target), torch.nn.Module) for target in one.networks.values())
    readers = {name: resolve(target) for name, target in one.readers.items()}
    assert all(isinstance(found, Reader) and found.name == name for name, found in readers.items())
    assert isinstance(kit_of(name), Kit)
    for target in filter(None, (one.recognises, one.checks)):
        assert callable(resolve(target))
    assert not one.recognises or resolve(one.recognises)([3]) is None


@pytest.mark.parametrize("card", [card for card in CARDS.values() if card.target.startswith("svdd.")])
def test_extras_are_those_of_the_package(card):
    extras = re.findall(r"^([a-z]+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert "docking" in extras
    assert card.extra in ("", *(f"svdd[{extra}]" for extra in extras))


@pytest.mark.parametrize("name", REWARDS)
def test_rewards_name_files_and_rewards_that_are_there(name):
    card = REWARDS[name]
    assert all(bundled(*weights.split("/")).is_file() for weights in card.weights)
    assert all(other in REWARDS and other != name for other in (card.twin, card.judge) if other)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_model_decodes_and_its_files_are_read_back(run_of, name):
    result = run_of(name)
    assert len(result) == 4
    assert isinstance(load(name, steps=2).kind, DesignKind)
    again = read(result.folder)
    assert again.kind == result.kind
    assert equal(again.samples, result.samples)
    home = next(one for one in DOMAINS.values() if name in one.models)
    assert result.kind.domain in DOMAINS
    assert all((result.folder / file).is_file() for file in home.files if file.startswith("samples"))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_keys_are_equal_for_equal_designs_alone(run_of, name):
    result = run_of(name)
    twice = result.kind.keys(picked(result.samples, [0, 1, 2, 3, 0, 1, 2, 3]))
    assert twice[:4] == twice[4:]
    for i in range(4):
        for j in range(i):
            same = equal(picked(result.samples, [i]), picked(result.samples, [j]))
            assert (twice[i] == twice[j]) == same
    assert len(set(twice)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_designs_are_measured_and_drawn(run_of, name):
    result = run_of(name)
    kit, process = kit_of(result.kind.domain), load(name, steps=3)
    designs = kit.measured(result, process, None, "")
    made = kit.record(designs, kit.reference(name, ""), process.kind, draws=20)
    columns = {column.name for column in kit.all_columns}
    measured = {title.removesuffix("_low").removesuffix("_high") for title in made.row}
    assert measured <= columns
    assert {"reward_mean", "designs"} <= measured
    assert all(isinstance(value, int | float | numpy.number) for value in made.row.values())
    assert all(column.section in SECTIONS and column.better in ("", "higher", "lower") for column in kit.all_columns)
    drawn = [*kit.charts(result, {"another": result}), *kit.figures(result, {"another": result})]
    figures = [*drawn, *kit.side_by_side({"one": result, "other": result})]
    finish = kit.finish(result, lambda designs: [0.0] * len(designs), result.folder, print)
    gallery = kit.gallery(result)
    pictures = [*figures, *finish.figures(), *(gallery.pictures if gallery else ())]
    assert all(picture["source"].startswith("data:image/") for picture in pictures)
    assert not kit.measures or (measured > {"reward_mean", "designs"} and figures)


@pytest.mark.parametrize("name", GOLDEN["rewards"])
def test_rewards_have_their_golden_values(name):
    entry = GOLDEN["rewards"][name]
    assert len(entry["values"]) == 3
    found = golden_rewards.values(name, entry, GOLDEN["designs"])
    assert found == pytest.approx(entry["values"], abs=entry["tolerance"])


def test_every_reward_has_golden_values_unless_its_weights_come_from_outside():
    outside = {name for name in BUILT_IN if "path" in needed(name)}
    assert set(GOLDEN["without"]) == outside
    assert set(GOLDEN["rewards"]) == set(BUILT_IN) - outside
    assert all(entry["designs"] in GOLDEN["designs"] for entry in GOLDEN["rewards"].values())


@pytest.mark.parametrize("name", [name for name in REWARDS if not needed(name)])
def test_a_reward_that_needs_nothing_says_its_name(name):
    assert load_reward(name).named == (name, {})
