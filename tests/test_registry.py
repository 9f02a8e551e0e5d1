"""Finding models and rewards by name."""

import importlib
import sys
from functools import partial

import pytest

from support.processes import masked
from svdd import load
from svdd.chain.process import Process
from svdd.registry import MODELS, REWARDS, Card, Domain, known_domains, load_reward, locate
from svdd.runs.names import check_name

CODE = """
from support.processes import masked

def model(steps=3, **rest):
    return masked(steps, about=rest)

def strict(steps=3):
    return masked(steps)

def nothing():
    return 5

def lengths(designs):
    return [float(len(d)) for d in designs]

number = 7
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "mine_for_test.py"
    path.write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop("mine_for_test", None)


@pytest.fixture(params=["file", "module"])
def home(file, request):
    return str(file) if request.param == "file" else "mine_for_test"


def test_a_function_of_a_file_or_module_makes_a_process(home):
    assert isinstance(load(f"{home}:strict"), Process)
    assert load(f"{home}:strict", steps=5).steps == 5
    assert load(f"{home}:model", steps=2, colour="red").about == {"colour": "red"}


def test_a_reward_is_any_function_of_designs(home):
    assert load_reward(f"{home}:lengths")(["ab", "c"]) == [2.0, 1.0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dna-enhanser", "unknown model 'dna-enhanser'; did you mean dna-enhancer"),
        ("nowhere:f", "cannot import 'nowhere'"),
        ("/nowhere/at_all.py:f", "there is no file '/nowhere/at_all.py'"),
        ("mine_for_test:stric", "mine_for_test has no 'stric': unknown name 'stric'; did you mean strict"),
        ("mine_for_test:nothing", "mine_for_test:nothing must return a svdd.Process, but returned a int"),
    ],
)
def test_what_cannot_be_found_is_said(file, name, said):
    with pytest.raises(ValueError, match=said):
        load(name)


def test_unknown_options_are_named(file):
    with pytest.raises(ValueError, match="unknown option of mine_for_test:strict 'step'; did you mean steps"):
        load("mine_for_test:strict", step=3)


def test_a_reward_must_be_callable(file):
    with pytest.raises(
        ValueError, match=r"a reward is a function of designs with one number for each, but .* cannot be called"
    ):
        load_reward("mine_for_test:number")
    with pytest.raises(ValueError, match="unknown reward 'hepg'; did you mean"):
        load_reward("hepg")


def test_errors_inside_a_module_are_not_hidden(tmp_path):
    path = tmp_path / "broken_for_test.py"
    path.write_text("raise RuntimeError('inside')")
    with pytest.raises(RuntimeError, match="inside"):
        load(f"{path}:f")
    sys.modules.pop("broken_for_test", None)


@pytest.mark.parametrize("target", [card.target for card in (*MODELS.values(), *REWARDS.values())])
def test_bundled_names_lead_somewhere(target):
    module, _, name = target.partition(":")
    assert callable(getattr(importlib.import_module(module), name))
    assert locate("model", target, MODELS) is getattr(importlib.import_module(module), name)


def test_a_bundled_name_is_a_short_form(monkeypatch):
    tiny = Domain("tiny", "support", models={"tiny": Card(".processes:masked")})
    monkeypatch.setattr(known_domains, "declared", lambda: (tiny,))
    assert load("tiny", steps=2).steps == masked(2).steps


@pytest.mark.parametrize("look", [load_reward, partial(check_name, "reward")], ids=["load", "job"])
def test_a_file_without_its_function_is_told_apart_from_an_unknown_name(look):
    with pytest.raises(
        ValueError, match=r"mine/score.py names a file and no function of it; give mine/score.py:FUNCTION"
    ):
        look("mine/score.py")


def test_a_notebook_is_no_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rewards.ipynb").write_text("{}")
    with pytest.raises(ValueError, match=r"a file whose name does not end with .py; save its code as one"):
        load_reward("rewards.ipynb:score")
