"""Trees: structure is kept, siblings are adjacent, equal rows are found."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svdd.chain import tree
from svdd.chain.distributions import Categorical, Normal, Product
from svdd.chain.equal_rows import equal_rows


def example(rows=3):
    base = torch.arange(rows)
    return {"a": base.double()[:, None] + torch.tensor([0.0, 0.5]), "b": (base, {"c": base % 2 == 0})}


def equal(left, right):
    return all(torch.equal(a, b) for a, b in zip(tree.leaves(left), tree.leaves(right), strict=True))


leaf = st.sampled_from([torch.int64, torch.int32, torch.uint8, torch.float32, torch.float64, torch.bool])
structure = st.recursive(
    leaf, lambda part: st.dictionaries(st.sampled_from("abc"), part, min_size=1) | st.tuples(part, part), max_leaves=4
)


def filled(shape, values):
    if isinstance(shape, torch.dtype):
        return torch.tensor(values, dtype=shape)
    if isinstance(shape, dict):
        return {k: filled(v, values) for k, v in shape.items()}
    return tuple(filled(v, values) for v in shape)


@pytest.mark.slow
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(structure, st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(1, 3))
def test_repeat_take_concatenate_and_equal_rows_go_round(shape, values, m):
    original = filled(shape, values)
    n = len(values)
    repeated = tree.repeat(original, m)
    assert tree.rows(repeated) == n * m
    assert equal(tree.take(repeated, torch.arange(n) * m), original)
    halves = tree.concatenate(
        [tree.take(original, torch.arange(0, n // 2)), tree.take(original, torch.arange(n // 2, n))]
    )
    assert equal(halves, original)
    alike = equal_rows(original)
    assert equal(alike.spread(alike.distinct(original)), original)
    assert len(alike) == len({tuple(leaf[i].item() for leaf in tree.leaves(original)) for i in range(n)})
    assert alike.first == sorted(alike.first)
    assert alike.repeats == n - len(alike)


def test_siblings_are_adjacent():
    assert tree.repeat(torch.tensor([1, 2]), 3).tolist() == [1, 1, 1, 2, 2, 2]


def test_repeating_once_copies_nothing():
    x = example()
    assert tree.repeat(x, 1) is x


def test_map_keeps_dictionaries_tuples_and_dataclasses():
    x = example()
    doubled = tree.tree_map(lambda a, b: a.double() + b.double(), x, x)
    assert set(doubled) == {"a", "b"}
    assert isinstance(doubled["b"], tuple)
    assert torch.equal(doubled["a"], 2 * x["a"])
    distribution = Product({"n": Normal(torch.zeros(2, 3), 1.0), "c": Categorical(torch.zeros(2, 3, 4))})
    taken = tree.take(distribution, torch.tensor([1, 1, 0]))
    assert isinstance(taken, Product)
    assert tree.rows(taken) == 3
    assert isinstance(taken.parts["c"], Categorical)


def test_the_empty_tree_has_no_leaves_and_survives():
    assert tree.leaves(()) == []
    assert tree.repeat((), 3) == ()
    assert tree.take((), torch.tensor([0])) == ()


@pytest.mark.parametrize("bad", [[torch.zeros(2)], "text", 1.0, None, {"a": [torch.zeros(2)]}])
def test_what_is_not_a_tree_is_named(bad):
    with pytest.raises(TypeError, match="made of tensors in dicts and tuples, but one leaf is a"):
        tree.tree_map(lambda leaf: leaf, bad)
    with pytest.raises(TypeError, match="made of tensors in dicts and tuples, but one leaf is a"):
        tree.leaves(bad)


def test_a_distribution_that_is_not_a_dataclass_is_named():
    class Odd:
        def __getitem__(self, index):
            return self

    with pytest.raises(TypeError, match="one leaf is a Odd"):
        tree.leaves(Odd())


@pytest.mark.parametrize("bad", [{"a": torch.zeros(2), "b": torch.zeros(3)}, torch.zeros(()), ()])
def test_rows_refuses_leaves_that_disagree(bad):
    with pytest.raises(ValueError, match="share their leading axis"):
        tree.rows(bad)


def test_rows_that_differ_in_one_bit_are_different():
    x = torch.zeros(4, 50)
    x[1, 49], x[2, 0], x[3, 0] = 1e-45, -0.0, 1e-45
    assert len(equal_rows(x)) == 4
    assert tree.row_hash(x).unique().numel() == 4


def test_the_place_of_a_value_counts():
    swapped = (torch.tensor([[1, 2], [2, 1]]), torch.tensor([[3], [3]]))
    assert tree.row_hash(swapped).unique().numel() == 2
    moved = {"a": torch.tensor([[1], [2]]), "b": torch.tensor([[2], [1]])}
    assert tree.row_hash(moved).unique().numel() == 2


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bool, torch.int64, torch.uint8])
def test_hashes_of_rows_of_zeros_and_ones_do_not_meet(dtype):
    bits = (torch.arange(2**11)[:, None] >> torch.arange(11)) & 1
    assert tree.row_hash(bits.to(dtype)).unique().numel() == 2**11


def test_a_frozen_dataclass_of_trees_is_a_tree():
    @dataclass(frozen=True)
    class Own:
        x: torch.Tensor
        y: dict

    own = Own(torch.arange(3), {"z": torch.arange(3)})
    assert tree.take(own, torch.tensor([2])).y["z"].tolist() == [2]
    assert tree.rows(own) == 3
