"""Batches of one shape, and of fewer rows where these give the same bits."""

import pickle

import pytest
import torch

import svdd
from svdd.chain.tree import leaves
from svdd.cost.batches import FullBatches
from svdd.registry import load_reward


class Rows:
    """A network that notes how many rows it is given."""

    def __init__(self):
        self.asked = []

    def __call__(self, x, *args):
        self.asked.append(len(leaves(x)[0]))
        return leaves(x)[0].double() * 2


class RoundsByShape(Rows):
    """A network whose last bit depends on the number of rows."""

    def __call__(self, x, *args):
        return super().__call__(x) + 1e-12 * len(x)


@pytest.mark.parametrize(("n", "rows"), [(1, 4), (4, 4), (5, 8), (13, 16), (57, 64), (64, 64), (70, 64 + 8)])
def test_the_last_batch_is_rounded_up_once_its_shape_is_known(n, rows):
    network = Rows()
    batches = FullBatches(network, 64)
    x = torch.arange(n * 3).view(n, 3)
    batches(x)
    network.asked.clear()
    assert torch.equal(batches(x), x.double() * 2)
    assert sum(network.asked) == rows


def test_a_shape_is_compared_with_the_full_one_once():
    network = Rows()
    batches = FullBatches(network, 16)
    for n in (3, 4, 2, 7):
        batches(torch.ones(n, 2))
    assert network.asked == [16, 4, 4, 4, 16, 8]


def test_where_bits_differ_every_batch_is_full():
    network = RoundsByShape()
    batches = FullBatches(network, 16)
    x = torch.arange(6.0).view(3, 2)
    alone = batches(torch.cat([x, torch.ones(13, 2)]))[:3]
    network.asked.clear()
    assert torch.equal(batches(x), alone)
    assert torch.equal(batches(x), alone)
    assert network.asked == [16, 4, 16]


def test_other_rows_and_types_are_other_shapes():
    network = Rows()
    batches = FullBatches(network, 16)
    for x in (torch.ones(2, 3), torch.ones(2, 5), torch.ones(2, 3).double(), (torch.ones(2, 3), torch.ones(2))):
        batches(x)
    assert network.asked == [16, 4] * 4


def test_another_process_compares_for_itself():
    batches = FullBatches(Rows(), 16)
    batches(torch.ones(3, 2))
    there = pickle.loads(pickle.dumps(batches))
    there.f.asked.clear()
    there(torch.ones(3, 2))
    assert there.f.asked == [16, 4]


@pytest.mark.parametrize(("model", "name"), [("dna-enhancer", "hepg2"), ("rna-utr", "mrl")])
def test_bundled_rewards_do_not_depend_on_company(model, name):
    reward = load_reward(name)
    designs = svdd.decode(svdd.load(model, steps=2), reward, method="pretrained", samples=40, seed=0).samples
    together = reward(designs)
    for size in (1, 3, 9, 17):
        assert torch.equal(torch.cat([reward(designs[i : i + size]) for i in range(0, 40, size)]), together)
