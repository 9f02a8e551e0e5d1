"""Options are read and checked as the function behind a model or a reward declares them."""

import pytest

from svdd.runs.job import make_job
from svdd.runs.make import make_process, make_reward
from svdd.runs.options import check_options, read_options

USERS = '''
from __future__ import annotations
from pathlib import Path
from typing import Any, Literal, Optional, Sequence, TYPE_CHECKING

if TYPE_CHECKING:
    from nowhere import Unknown


def model(text: str, number: int, share: float, flag: bool, path: Path, maybe: Optional[str] = None,
          several: Sequence[float] = (), texts: str | Sequence[str] = "", size: tuple[int, int] = (1, 1),
          either: int | str = 0, word: Literal["up", "down"] = "up", table: dict[str, int] = {}, any: Any = None, free=None):
    """Not made by these tests."""


def hidden(weights: Unknown, number: "int" = 1):
    """Its annotations cannot be evaluated."""
'''


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users.py"
    path.write_text(USERS)
    return f"{path}:model"


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("text", "[OH]", "[OH]"),
        ("text", "[C,N]", "[C,N]"),
        ("text", "010", "010"),
        ("text", "no", "no"),
        ("text", "1:30", "1:30"),
        ("text", "null", "null"),
        ("text", "3", "3"),
        ("text", "a: b", "a: b"),
        ("maybe", "010", "010"),
        ("maybe", "null", None),
        ("maybe", "None", None),
        ("number", "10", 10),
        ("number", "010", 10),
        ("share", "1e-3", 0.001),
        ("share", "2", 2.0),
        ("flag", "no", False),
        ("flag", "true", True),
        ("path", "horse", "horse"),
        ("path", "010", "010"),
        ("several", "[1, 2, 3.5]", [1.0, 2.0, 3.5]),
        ("several", "[1]", [1.0]),
        ("texts", "[OH]", "[OH]"),
        ("texts", "[010, no]", ["010", "no"]),
        ("size", "[3, 4]", (3, 4)),
        ("either", "9", 9),
        ("either", "all", "all"),
        ("either", "010", "010"),
        ("word", "down", "down"),
        ("table", "{a: 1}", {"a": 1}),
        ("any", "no", False),
        ("free", "[1, no]", [1, False]),
        ("unknown", "1:30", "1:30"),
    ],
)
def test_text_is_read_as_the_annotation_says(users, option, text, value):
    assert read_options("model", users, {option: text}) == {option: value}


@pytest.mark.parametrize(
    ("option", "text"),
    [("number", "many"), ("number", "1.5"), ("number", "true"), ("flag", "perhaps"), ("word", "left")],
)
def test_text_of_another_type_is_refused_in_one_sentence(users, option, text):
    with pytest.raises(ValueError, match=rf"^{option} of .*users.py:model should be .*, got '{text}'$") as refused:
        read_options("model", users, {option: text})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("text", "[OH]"), ("number", 3), ("share", 2), ("several", [1, 2.5]), ("size", [3, 4]), ("path", "horse"),
        ("maybe", None), ("texts", ["a"]), ("any", object()), ("free", object()), ("unknown", object()),
    ],
)  # fmt: skip
def test_values_of_the_declared_type_pass(users, option, value):
    check_options("model", users, {option: value})


@pytest.mark.parametrize(
    ("option", "value"),
    [("text", 3), ("text", ["OH"]), ("number", "3"), ("number", 1.5), ("flag", 1), ("size", [1, 2, 3])],
)
def test_values_of_another_type_are_refused_in_one_sentence(users, option, value):
    with pytest.raises(ValueError, match=rf"^{option} of .*users.py:model .*, got ") as refused:
        check_options("model", users, {option: value})
    assert "\n" not in str(refused.value)


def test_annotations_that_cannot_be_evaluated_say_nothing(users):
    name = users.replace("model", "hidden")
    assert read_options("model", name, {"weights": "no", "number": "3"}) == {"weights": False, "number": 3}
    check_options("model", name, {"weights": 3, "number": "three"})


def test_an_unknown_name_is_left_to_whoever_makes_it():
    assert read_options("reward", "hepg", {"x": "3"}) == {"x": 3}
    assert read_options("model", "dna-enhancr", {"steps": "3"}) == {"steps": 3}


def test_a_job_file_is_refused_for_a_value_of_another_type():
    job = make_job({"model": "toy-masked", "model_options": {"steps": "8"}, "reward": "gc-content"})
    with pytest.raises(ValueError, match="steps of toy-masked should be a valid integer, got '8'"):
        make_process(job)
    with pytest.raises(ValueError, match="target of gc-content should be a valid number, got 'high'"):
        make_reward("gc-content", {"target": "high"})
