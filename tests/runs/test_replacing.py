"""Settings belong to the thing that they are settings of: what is replaced takes its own with it, and that is said."""

import pytest

from svdd.runs.compare_request import request_of
from svdd.runs.replacing import left_of

JOB = {
    "model": "a",
    "model_options": {"x": 1},
    "reward": "b",
    "reward_options": {"y": 2},
    "candidates": 3,
    "samples": 4,
}


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"model": "c"}, {"model_options"}),
        ({"reward": "c"}, {"reward_options"}),
        ({"method": "smc"}, {"candidates"}),
        ({"objective": {"parts": {"c": None}}}, {"reward", "reward_options"}),
    ],
)
def test_what_belongs_to_a_replaced_thing_goes_with_it(changes, gone):
    with pytest.warns(UserWarning, match=f"--{next(iter(changes))} replaces .*: {', '.join(sorted(gone))}"):
        left = left_of(JOB, changes)
    assert left == {name: value for name, value in JOB.items() if name not in gone}


@pytest.mark.parametrize(
    "changes", [{}, {"model": "a", "reward": "b"}, {"method": "beam"}, {"samples": 2}, {"method": "svdd"}]
)
def test_all_else_stays(changes):
    assert left_of(JOB, changes) == JOB


def test_options_that_are_given_anew_are_not_missed():
    assert left_of(JOB, {"reward": "c", "reward_options": {"z": 1}}) == JOB


def test_a_reward_takes_the_place_of_an_objective():
    with pytest.warns(UserWarning, match="--reward replaces what these settings of the file are for: objective"):
        assert left_of({"objective": {"parts": {}}, "samples": 4}, {"reward": "c"}) == {"samples": 4}


COMPARED = {"job": {"model": "toy-masked", "reward": "gc-content"}}


def checked(tmp_path, given, **flags):
    request = request_of(COMPARED | given, tmp_path, **flags)
    request.check()
    return {entry.name: dict(entry.options) for entry in request.entries()}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"methods": ["svdd"], "options": {"smc": {"ess": 0.3}}}, "there are options for smc, which is not compared"),
        ({"methods": {"smc": {"reward": "qed"}}}, "smc: reward is the same for all methods of a comparison; set it in the job"),
        ({"options": {"smc": {"out": "elsewhere"}}}, "smc: out is the same for all"),
        ({"methods": "svdd"}, "methods takes a list of methods, .* got 'svdd'"),
        ({"methods": {"svdd": 3}}, "methods takes a list of methods"),
        ({"methods": {"a": {"method": ["smc"]}}}, "a: method takes the name of a method"),
        ({"methods": {"smc": {"sizes": 3}}}, r"smc: sizes takes a list of whole numbers, such as \[2, 5\], got 3"),
        ({"sizes": 5}, "sizes takes a list of whole numbers"), ({"seeds": "many"}, "seeds takes a whole number, got 'many'"),
        ({"seeds": True}, "seeds takes a whole number"), ({"temperatures": 0.5}, "temperatures takes a list of numbers"),
        ({"options": [1]}, "options takes options by method"), ({"pool": "3"}, "pool takes a whole number"),
        ({"match": None}, "match takes the name of a cost"), ({"judge": 3}, "judge takes the name of a reward"),
        ({"variants": 3}, "variants takes settings by name"), ({"job": None}, "job takes settings, or a file of them"),
        ({"reference": 3}, "reference takes the name of a file"),
    ],
)  # fmt: skip
def test_what_a_comparison_cannot_take(tmp_path, given, said):
    with pytest.raises(ValueError, match=said):
        checked(tmp_path, given)


def test_an_option_by_flag_is_for_a_method_that_is_compared(tmp_path):
    with pytest.raises(ValueError, match="there are options for beam, which is not compared"):
        checked(tmp_path, {}, options={"beam": {"width": 2}})


def test_options_of_the_file_stay_beside_those_of_flags_and_go_with_their_methods(tmp_path):
    own = {"options": {"smc": {"ess": 0.3, "particles": 4}, "svdd": {"candidates": 2}}}
    assert checked(tmp_path, own, options={"smc": {"ess": 0.8}})["smc"] == {"ess": 0.8, "particles": 4}
    assert checked(tmp_path, own, methods=["svdd"]) == {"svdd": {"candidates": 2}}


def test_a_label_may_be_a_number(tmp_path):
    assert checked(tmp_path, {"methods": {10: {"method": "smc"}}}) == {"10": {}}
