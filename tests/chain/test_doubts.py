"""Faults that are looked for on the way."""

import pytest
import torch

from svdd.chain.doubts import has_nan


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("place", [0, 17, 36])
def test_a_nan_is_found_wherever_it_is(dtype, place):
    numbers = torch.linspace(-3, 3, 37, dtype=dtype)
    numbers[[5, 30]] = torch.tensor([-torch.inf, torch.inf], dtype=dtype)
    assert not has_nan(numbers)
    numbers[place] = torch.nan
    assert has_nan(numbers)
    assert has_nan(numbers.view(1, 37).t().expand(37, 4))


def test_of_no_numbers_none_is_nan():
    assert not has_nan(torch.empty(0, 3))
