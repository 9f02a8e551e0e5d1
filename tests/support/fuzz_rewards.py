"""Answers of rewards for fuzz tests: right ones in every form, and any other object."""

import datetime
import decimal
import fractions

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st

from support.fuzzing import VALUES
from svdd.scoring.reward import Failure, Invalid

N = 4
"""Designs that are judged at a time."""
RIGHT = st.lists(st.floats(-5, 5, width=32), min_size=N, max_size=N)


class Odd:
    """An object whose methods fail."""

    def __repr__(self):
        raise RuntimeError("no words")

    def __len__(self):
        return N

    def __getitem__(self, row):
        raise KeyError(row)


class Fast(float):
    """A number of a class of its own."""


FORMS = st.sampled_from(
    [
        list, tuple, np.array, torch.tensor, pd.Series, lambda numbers: np.array(numbers, dtype="float32"),
        lambda numbers: torch.tensor(numbers, dtype=torch.bfloat16).double(), lambda numbers: [Fast(one) for one in numbers],
        lambda numbers: [np.float32(one) for one in numbers], lambda numbers: [torch.tensor(one) for one in numbers],
        lambda numbers: torch.tensor(numbers, requires_grad=True),
    ]
)  # fmt: skip
"""How a right answer may come."""
ONES = (
    VALUES | st.complex_numbers()
    | st.sampled_from(
        [Invalid("no"), Failure("error", "why"), Failure("nan", "nan"), -np.inf, np.nan, None, b"1", "1.5", object(),
         decimal.Decimal("1.5"), fractions.Fraction(1, 3), datetime.date(2026, 1, 31), np.datetime64("2026-01-31"), pd.NA,
         np.ma.masked, lambda: 1, range(3), True, np.bool_(True), torch.tensor([1.0]), np.array([[1.0]]), type, NotImplemented]
    )
)  # fmt: skip
ANSWERS = (
    st.lists(ONES, max_size=N + 1) | st.lists(ONES, min_size=N, max_size=N) | ONES
    | st.sampled_from(
        [
            {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}, {1.0, 2.0, 3.0, 4.0}, np.zeros((N, 1)), np.zeros((N, 2)), np.zeros(0),
            np.array(["1", "2", "3", "4"]), np.array([1j] * N), np.array([None] * N), np.ma.array([1.0] * N, mask=[1, 0, 0, 0]),
            np.zeros(N, "datetime64[s]"), np.zeros(N, bool), torch.zeros(N, dtype=torch.cfloat),
            torch.zeros(N, device="meta"), pd.DataFrame({"a": [1.0] * N}),
            pd.Series([1.0, None, 2.0, 3.0]), pd.array([1, 2, None, 4], dtype="Int64"),
            np.array(3.0), np.rec.array([(1.0,)] * N, dtype=[("a", float)]), "1234", b"1234", memoryview(b"1234"), range(N),
        ]
    )
)  # fmt: skip
"""Anything that a reward can hand back."""
