"""Whatever a reward answers, it is read alike in this process, in a worker, in an objective and from a program's numbers."""

import array
import datetime
import decimal
import fractions
import math
from collections import deque

import numpy as np
import pandas as pd
import pytest
import torch

from svdd.rewards.objectives import weighted_sum
from svdd.rewards.worker_pool import workers
from svdd.scoring.reward import Invalid, RewardError
from svdd.scoring.scorer import Scorer


class Mine(float):
    """A number of a user's own class."""


class Array:
    """An array of another package: NumPy can make one of its own of it."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


class Broken:
    """Says that it is a number, and is none."""

    def __float__(self):
        raise OSError("no device")


X, Y = "GG", "AAA"
READ = {
    "list": lambda n: n,
    "tuple": lambda n: tuple(n),
    "range": lambda n: range(2, 4),
    "deque": lambda n: deque(n),
    "array.array": lambda n: array.array("d", n),
    "array": lambda n: np.array(n),
    "array of half precision": lambda n: np.array(n, dtype=np.float16),
    "array of integers": lambda n: np.array(n, dtype=np.int8),
    "array of objects": lambda n: np.array([decimal.Decimal(2), fractions.Fraction(3)], dtype=object),
    "array that is read only": lambda n: np.broadcast_to(np.array(n), (2,)),
    "masked array without a mask": lambda n: np.ma.array(n),
    "bfloat16": lambda n: torch.tensor(n, dtype=torch.bfloat16),
    "float16": lambda n: torch.tensor(n, dtype=torch.float16),
    "integers": lambda n: torch.tensor(n).long(),
    "gradients": lambda n: torch.tensor(n, requires_grad=True) * 1,
    "list of bfloat16": lambda n: [torch.tensor(one, dtype=torch.bfloat16) for one in n],
    "list of tensors with gradients": lambda n: [torch.tensor(one, requires_grad=True) for one in n],
    "list of numbers of NumPy": lambda n: [np.float16(n[0]), np.int64(n[1])],
    "series": lambda n: pd.Series(n, index=["z", "a"]),
    "series of another type": lambda n: pd.Series(n, index=[7, 7], dtype="Float32"),
    "column of a frame": lambda n: pd.DataFrame({"x": n})["x"],
    "another package": lambda n: Array(n),
    "decimal": lambda n: [decimal.Decimal("2"), fractions.Fraction(3, 1)],
    "own class": lambda n: [Mine(one) for one in n],
    "large": lambda n: [10**30, -(2**70)],
    "column of designs": lambda n: pd.Series(n, index=[X, Y]),
    "column of other rows": lambda n: pd.Series(n, index=[7, 3]),
    "reason": lambda n: [Invalid("too short"), n[1]],
    "truth": lambda n: [True, np.False_],
    "tensor of truth": lambda n: torch.tensor([True, False]),
}
"""Answers for two designs that are read."""
REFUSED = {
    "None": (lambda n: None, "returned None; does it end with return"),
    "None in a list": (lambda n: [1.0, None], "None at row 1 of 2.*return -inf for an invalid design"),
    "masked": (lambda n: np.ma.array(n, mask=[True, False]), "None at row 0 of 2.*return -inf"),
    "masked element": (lambda n: [1.0, np.ma.masked], "masked at row 1.*return -inf"),
    "missing": (lambda n: pd.Series([1.0, None], dtype="Float64"), "<NA> at row 1.*return -inf"),
    "sorted column": (lambda n: pd.Series(n).sort_values(ascending=False), "new order of the 2 rows.*sort_index"),
    "text": (lambda n: ["1.0", "2.0"], "text, '1.0', at row 0 of 2"),
    "array of text": (lambda n: np.array(["1.0", "2.0"]), "text, '1.0', at row 0"),
    "bytes": (lambda n: b"ab", "returned a bytes"),
    "one text": (lambda n: "ab", "returned a str: 'ab'"),
    "generator": (lambda n: (one for one in n), "returned a generator.*give a list of it"),
    "map": (lambda n: map(float, n), "returned a map.*give a list of it"),
    "dict": (lambda n: {X: 1.0, Y: 2.0}, "returned a dict.*in the order of the designs"),
    "set": (lambda n: {1.0, 2.0}, "a set has no order"),
    "complex": (lambda n: [1j, 2j], "1j at row 0"),
    "array of complex": (lambda n: np.array([1j, 2j]), "returned a ndarray"),
    "tensor of complex": (lambda n: torch.tensor([1j, 2j]), "1j at row 0"),
    "times": (lambda n: np.array(["2020-01-01"] * 2, dtype="datetime64[ns]"), "returned a ndarray"),
    "seconds": (lambda n: [datetime.timedelta(seconds=1)] * 2, "timedelta.* at row 0"),
    "huge": (lambda n: [1.0, 10**400], "integer at row 1 that is too large"),
    "number": (lambda n: 3.0, "returned a float: 3.0"),
    "number of NumPy": (lambda n: np.float32(3), r"but returned shape \(\)"),
    "columns": (lambda n: torch.tensor([[1.0], [2.0]]), r"returned shape \(2, 1\); take the column out"),
    "frame": (lambda n: pd.DataFrame({"x": n}), r"returned shape \(2, 1\); take the column out"),
    "lists": (lambda n: [[1.0], [2.0]], r"returned shape \(2, 1\)"),
    "list of arrays": (lambda n: [np.zeros(3), np.zeros(3)], r"returned shape \(2, 3\)"),
    "scores and more": (lambda n: (np.array(n), {}), r"returned array.* at row 0 of 2"),
    "short": (lambda n: [1.0], r"must return 2 numbers of shape \(2,\), but returned shape \(1,\)"),
    "sparse": (lambda n: torch.eye(2)[0].to_sparse(), "returned a Tensor"),
    "no data": (lambda n: torch.zeros(2, device="meta"), "returned a Tensor"),
    "broken": (lambda n: [Broken(), 1.0], "Broken objec"),
    "class": (lambda n: float, "returned a type"),
}
"""Answers for two designs that are refused, with words of the sentence."""


def answered(designs):
    """The answer that the first design names, for the two designs."""
    made = READ[designs[0]] if designs[0] in READ else REFUSED[designs[0]][0]
    return made([2.0, 3.0])


def together(designs):
    """The same, for a design and a filler."""
    return answered(designs)


@pytest.fixture(scope="module")
def pool():
    with workers(together, 1, batch=2, timeout=60) as reward:
        yield reward


def outcome(reward, name):
    """The numbers, or the sentence."""
    try:
        return Scorer(reward, share=False)([name, "filler"]).tolist()
    except RewardError as error:
        return str(error).replace("component one", "reward")


def places(pool):
    yield "here", together
    yield "worker", pool
    yield "objective", weighted_sum({"one": together})
    yield "component in a worker", weighted_sum({"one": pool})


@pytest.mark.parametrize("name", READ)
def test_an_answer_is_read_alike_everywhere(pool, name):
    expected = {"large": [1e30, -(2.0**70)], "reason": [-math.inf, 3.0], "truth": [1, 0], "tensor of truth": [1, 0]}
    assert {place: outcome(one, name) for place, one in places(pool)} == dict.fromkeys(
        ("here", "worker", "objective", "component in a worker"), expected.get(name, [2.0, 3.0])
    )


@pytest.mark.parametrize("name", REFUSED)
def test_an_answer_is_refused_alike_everywhere(pool, name):
    here = outcome(together, name)
    with pytest.raises(RewardError, match=REFUSED[name][1]):
        Scorer(together, share=False)([name, "filler"])
    if " at 0x" not in here and "Broken" not in here:  # an address
        assert {place: outcome(one, name) for place, one in places(pool)} == dict.fromkeys(
            ("here", "worker", "objective", "component in a worker"), here
        )


def test_a_reward_may_write_into_the_same_array_again():
    kept = np.zeros(1)

    def reward(designs):
        kept[0] += 1
        return kept

    scorer = Scorer(reward, share=False)
    assert [scorer(["a"]), scorer(["a"])] == [1.0, 2.0]
