"""Equal rows are found by their bytes, exactly."""

import numpy as np
import pytest
import torch

from svdd.chain.equal_rows import EqualRows, NoEqualRows, equal_rows

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.bool,
    torch.int64,
    torch.int32,
    torch.uint8,
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_every_type_are_told_apart(dtype):
    bits = (torch.arange(2**9)[:, None] >> torch.arange(9)) & 1
    alike = equal_rows(torch.cat([bits, bits.flip(0)]).to(dtype))
    assert len(alike) == 2**9
    assert alike.first == list(range(2**9))
    assert alike.kind.tolist() == [*range(2**9), *reversed(range(2**9))]


def test_kinds_are_numbered_as_they_appear():
    alike = equal_rows(torch.tensor([[3], [1], [3], [2], [1]]))
    assert alike.first == [0, 1, 3]
    assert alike.kind.tolist() == [0, 1, 0, 2, 1]
    assert alike.of(torch.tensor([4, 3])).tolist() == [1, 2]
    assert alike.repeats == 2
    assert alike.spread_designs(["c", "a", "b"]) == ["c", "a", "c", "b", "a"]


def test_numbers_beyond_32_bits_are_not_cut_off():
    large = torch.tensor([[5, 2**32], [5, 0], [5 + 2**32, 0], [-1, 0], [2**32 - 1, 0]])
    assert len(equal_rows(large)) == 5


def test_two_parts_are_never_read_as_each_other():
    """Parts of 64 bits become shorter together or not at all, so that rows of equal length hold the same numbers."""
    wide = (torch.tensor([[2**40], [1]]), torch.tensor([[1], [2**40]]))
    narrow = (torch.tensor([[1], [2]]), torch.tensor([[2], [1]]))
    assert not {*equal_rows(wide).keys} & {*equal_rows(narrow).keys}
    assert len(equal_rows(wide)) == len(equal_rows(narrow)) == 2


def test_long_rows_are_told_apart_by_their_last_bit():
    rows = torch.zeros(3, 5000, dtype=torch.uint8)
    rows[1, -1] = 1
    alike = equal_rows(rows)
    assert alike.kind.tolist() == [0, 1, 0]
    assert {len(key) for key in alike.keys} == {16}


def test_rows_without_numbers_are_equal():
    assert equal_rows(torch.zeros(3, 0, dtype=torch.int64)).kind.tolist() == [0, 0, 0]
    assert equal_rows(torch.tensor([1, 1, 2])).kind.tolist() == [0, 0, 1]


def test_conditioning_counts():
    x, cond = torch.tensor([[1], [1], [1]]), {"prompt": torch.tensor([0.0, -0.0, 0.0])}
    assert equal_rows((x, cond)).kind.tolist() == [0, 1, 0]


def test_where_nothing_is_known_to_be_equal_every_row_is_its_own():
    apart, x = NoEqualRows(3), torch.arange(3)
    assert apart.distinct(x) is apart.spread(x) is x
    assert (len(apart), apart.repeats, apart.of(x) is x) == (3, 0, True)
    assert apart.spread_designs(["a", "b", "c"]) == ["a", "b", "c"]


def test_keys_decide():
    alike = EqualRows([b"x", b"y", b"x"])
    assert (alike.keys, alike.first, alike.kind.tolist()) == ([b"x", b"y"], [0, 1], [0, 1, 0])
    assert np.array(alike.kind).dtype == np.int64
