"""Models and rewards by name at every door, and what is said of a misspelt one before anything is loaded."""

import sys
import types

import pytest
import torch

import svdd
from support.processes import gaussian, masked, reward
from svdd import registry
from svdd.registry import known_domains
from svdd.rewards.desirability import at_least, must
from svdd.rewards.objectives import weighted_sum

pytestmark = pytest.mark.filterwarnings("ignore::svdd.decoding.alarms.DegenerateProposalWarning")

SMALL = {"samples": 2, "candidates": 2}
MODEL = {"steps": 4, "length": 24}
FIT = {"rollouts": 16, "states": 2, "train_steps": 2, "batch": 8, "held_out": 0, "candidates": 0}


class Loaded(AssertionError):
    """Something was loaded."""


@pytest.fixture
def brought(monkeypatch):
    """Puts a domain of functions before all others, by the names of its models and rewards."""

    def bring(models, rewards):
        module = types.ModuleType("module_for_test")
        vars(module).update({name.replace("-", "_"): made for name, made in (models | rewards).items()})
        monkeypatch.setitem(sys.modules, "module_for_test", module)
        cards = [
            {name: card(f"module_for_test:{name.replace('-', '_')}") for name in names}
            for card, names in ((registry.Card, models), (registry.RewardCard, rewards))
        ]
        first, others = registry.Domain("of_test", "tests", cards[0], rewards=cards[1]), known_domains.built_in()
        monkeypatch.setattr(known_domains, "built_in", lambda: (first, *others))

    return bring


@pytest.fixture
def nothing_is_loaded(brought):
    """Whoever makes a model by name fails."""

    def refuse(**options):
        raise Loaded

    brought({"dna-enhancer": refuse}, {})


def test_a_model_and_a_reward_by_name_are_those_that_load_gives():
    named = svdd.decode("dna-enhancer", "gc-content", model_options=MODEL, reward_options={"target": 0.25}, **SMALL)
    made = svdd.decode(svdd.load("dna-enhancer", **MODEL), svdd.load_reward("gc-content", target=0.25), **SMALL)
    assert named.samples == made.samples
    assert torch.equal(named.rewards, made.rewards)
    assert named.settings == made.settings
    assert named.settings["reward"] == "gc-content"


def test_a_function_is_named_in_the_settings():
    assert svdd.decode(masked(), reward, **SMALL).settings["reward"] == "reward"


def test_further_scores_go_by_name():
    result = svdd.decode(
        "dna-enhancer", "hepg2", model_options=MODEL | {"length": 200}, scores={"gc": "gc-content"}, **SMALL
    )
    assert torch.equal(result.scores["gc"], torch.as_tensor(svdd.load_reward("gc-content")(result.samples)).double())


def test_components_of_objectives_go_by_name():
    by_name = weighted_sum({"gc": ("gc-content", 2.0), "condition": must(at_least("gc-content", -1.0))})
    gc = svdd.load_reward("gc-content")
    made = weighted_sum({"gc": (gc, 2.0), "condition": must(at_least(gc, -1.0))})
    assert by_name(["ACGT", "AAAA"]) == made(["ACGT", "AAAA"])
    with pytest.raises(ValueError, match="unknown reward 'gc-contnt'; did you mean gc-content"):
        weighted_sum({"gc": "gc-contnt"})
    with pytest.raises(ValueError, match="unknown reward 'gc-contnt'; did you mean gc-content"):
        at_least("gc-contnt", 0.5)


def test_a_value_is_fitted_and_read_by_name(tmp_path):
    names = {"model_options": {"length": 24, "steps": 4}, "reward_options": {"target": 0.25}}
    value = svdd.fit_value("dna-enhancer", "gc-content", **names, **FIT)
    value.save(tmp_path / "value")
    read = svdd.load_value(tmp_path / "value", "dna-enhancer", "gc-content", **names)
    assert read.card["reward"] == value.card["reward"]
    with pytest.raises(ValueError, match="fitted for another"):
        svdd.load_value(tmp_path / "value", "dna-enhancer", "gc-content", model_options=names["model_options"])


@pytest.mark.usefixtures("nothing_is_loaded")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reward": "hepg3"}, "unknown reward 'hepg3'; did you mean hepg2"),
        ({"scores": {"gc": "gc-contnt"}}, "unknown reward 'gc-contnt'"),
        ({"reward_options": {"traget": 1}}, "unknown option of gc-content 'traget'; did you mean target"),
        ({"method": "sdvv"}, "unknown method"),
        ({"value": "zeros"}, "unknown value"),
        ({"candidate": 1}, "unknown option of svdd"),
    ],
)
def test_a_misspelt_name_is_told_before_anything_is_loaded(settings, said):
    with pytest.raises(ValueError, match=said):
        svdd.decode(**{"process": "dna-enhancer", "reward": "gc-content"} | settings)
    with pytest.raises(Loaded):
        svdd.decode("dna-enhancer", "gc-content")


@pytest.mark.usefixtures("nothing_is_loaded")
def test_a_misspelt_reward_is_told_before_the_model_is_loaded_at_every_door(tmp_path):
    for door in (svdd.fit_value, svdd.Decoding):
        with pytest.raises(ValueError, match="unknown reward 'hepg3'"):
            door("dna-enhancer", "hepg3")
    with pytest.raises(ValueError, match="unknown reward 'hepg3'"):
        svdd.load_value(tmp_path, "dna-enhancer", "hepg3")
    with pytest.raises(ValueError, match="unknown reward 'hepg3'"):
        svdd.workers("hepg3")


def test_options_beside_an_object_are_refused():
    with pytest.raises(ValueError, match="model_options are for a model given by name"):
        svdd.decode(gaussian(), reward, model_options={"steps": 3})
    with pytest.raises(ValueError, match="reward_options are for a reward given by name"):
        svdd.decode(gaussian(), reward, reward_options={"target": 3})


def test_what_is_neither_a_name_nor_an_object_is_told():
    with pytest.raises(ValueError, match="a model is a name"):
        registry.as_process(3)
    with pytest.raises(ValueError, match=r"a reward is a function of designs .* 3 cannot be called"):
        registry.as_reward(3)


def test_a_reward_that_was_given_by_name_is_closed_with_the_run(brought):
    closed = []

    def made():
        def number(designs):
            return [1.0] * len(designs)

        number.close = lambda: closed.append(number)
        return number

    brought({}, {"closing": made})
    svdd.decode(masked(), "closing", **SMALL)
    assert len(closed) == 1
    own = svdd.load_reward("closing")
    svdd.decode(masked(), own, **SMALL)
    assert len(closed) == 1
