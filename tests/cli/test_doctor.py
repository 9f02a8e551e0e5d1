"""`svdd doctor --reward`: a reward is tried before its first run."""

import json

import pytest

REWARDS = """
import random

import svdd


def good(designs):
    return [float(design.count("G")) for design in designs]


def rounded(designs):
    return [design.count("G") + 1e-9 * len(designs) for design in designs]


def random_numbers(designs):
    return [random.random() for design in designs]


def ranks(designs):
    return [float(sorted(designs).index(design)) for design in designs]


def in_order_of_size(designs):
    return sorted(hash(design) % 1000 + 0.001 * design.count("G") for design in designs)


@svdd.groupwise
def whole(designs):
    return ranks(designs)


def fails(designs):
    raise KeyError("weights")
"""


@pytest.fixture
def findings(call, model, tmp_path):
    """What the doctor says of a reward, by check."""
    (tmp_path / "tried.py").write_text(REWARDS)

    def found(name, *words):
        words = ("doctor", "--reward", f"{tmp_path / 'tried.py'}:{name}", "--model", f"{model}:model", *words)
        done = call(*words, "--json")
        assert done.status == 0, done.err
        return {row["check"]: (row["ok"], row["says"]) for row in json.loads(done.out)}

    return found


@pytest.mark.slow
def test_a_good_reward_is_well_and_its_cost_is_told(findings):
    found = findings("good")
    assert {check for check, (ok, _) in found.items() if not ok} == set()
    assert "64 designs and 6 steps asks for 3,840 reward rows at most" in found["cost"][1]
    assert found["in a worker"][1] == "a worker has the same numbers"
    assert "up to rounding (3e-09)" in findings("rounded")["order-free"][1]


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("random_numbers", {"deterministic", "order-free"}, "differ when asked again"),
        ("ranks", {"order-free"}, "depend on the designs beside them; mark it with svdd.groupwise"),
        ("whole", set(), "marked as a reward of whole batches"),
    ],
)
@pytest.mark.slow
def test_what_is_wrong_is_found(findings, name, wrong, said):
    found = findings(name)
    assert {check for check, (ok, _) in found.items() if not ok} == wrong
    assert any(said in says for _, says in found.values())


@pytest.mark.slow
def test_answers_out_of_order_are_found(findings):
    assert "depend on the order" in findings("in_order_of_size")["in order"][1]


def test_a_reward_that_fails_and_half_a_question_are_errors(call, model, refused, tmp_path):
    (tmp_path / "tried.py").write_text(REWARDS)
    words = ("--reward", f"{tmp_path / 'tried.py'}:fails", "--model", f"{model}:model")
    assert "tried.py:fails raised KeyError: 'weights'" in refused(call("doctor", *words))
    assert "give both --reward and --model" in refused(call("doctor", *words[:2]))
