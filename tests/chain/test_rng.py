"""One stream a chain: what a chain draws depends on (seed, chain) alone."""

import numpy as np
import pytest
import torch

from svdd.chain.rng import Rng


def test_the_number_of_chains_changes_no_stream():
    few, many = Rng(3, 2), Rng(3, 5)
    for draw in ("uniform", "normal"):
        assert torch.equal(getattr(few, draw)((4, 3)), getattr(many, draw)((10, 3))[:4])


def test_a_chain_is_numpys_philox_of_its_key():
    expected = np.random.Generator(np.random.Philox(key=np.array([7, 2], dtype=np.uint64))).random(4)
    assert Rng(7, [2]).uniform((1, 4), dtype=torch.float64)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("before", [(), ((3, 1), torch.float32), ((3, 3), torch.float32), ((3, 5), torch.float64)])
@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_state_continues_bit_for_bit_wherever_the_stream_stands(before, draw):
    rng = Rng(11, 3)
    if before:
        rng.uniform(before[0], dtype=before[1])
        rng.normal(before[0], dtype=before[1])
    restored = Rng.from_state(rng.state().clone())
    assert restored.ids == [0, 1, 2]
    for dtype in (torch.float32, torch.float64, torch.float32):
        assert torch.equal(getattr(rng, draw)((6, 5), dtype=dtype), getattr(restored, draw)((6, 5), dtype=dtype))
    assert torch.equal(rng.state(), restored.state())


def test_state_is_a_snapshot():
    rng = Rng(1, 2)
    state = rng.state()
    kept = state.clone()
    rng.uniform((2, 7))
    assert torch.equal(state, kept)
    Rng.from_state(state).uniform((2, 7))
    assert torch.equal(state, kept)


def test_any_selection_of_rows_is_a_state():
    rng = Rng(5, 4)
    rng.uniform((4, 3))
    state = rng.state()
    order = torch.tensor([2, 0, 3])
    permuted = Rng.from_state(state[order])
    assert permuted.ids == [2, 0, 3]
    assert torch.equal(permuted.normal((3, 6)), rng.normal((4, 6))[order])


@pytest.mark.slow
def test_streams_differ_between_chains_and_seeds():
    draws = torch.cat([Rng(seed, 50).uniform((50, 4), dtype=torch.float64) for seed in (0, 1, 2**40)])
    assert draws.flatten().unique().numel() == draws.numel()
    columns = Rng(0, 20_000).normal((20_000, 2), dtype=torch.float64)
    assert abs(float(columns.mean(0)[0])) < 5 / 20_000**0.5
    assert abs(float((columns[:-1, 0] * columns[1:, 0]).mean())) < 5 / 20_000**0.5


def test_chain_numbers_may_be_given():
    assert torch.equal(Rng(4, [5, 1]).uniform((2, 2)), Rng(4, 6).uniform((6, 2))[[5, 1]])
    assert torch.equal(Rng(4, range(2, 4)).uniform((2, 2)), Rng(4, 4).uniform((4, 2))[2:])
    assert len(Rng(0, range(2, 4))) == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_dtype_and_range(dtype):
    u = Rng(0, 1).uniform((1, 20_000), dtype=dtype, device="cpu")
    assert u.dtype == dtype
    assert u.device.type == "cpu"
    assert float(u.min()) >= 0
    assert float(u.max()) < 1
    assert Rng(0, 1).uniform((1,)).dtype == torch.float32


def test_moments():
    rng = Rng(0, 1)
    u, z = rng.uniform((1, 40_000), dtype=torch.float64), rng.normal((1, 40_000), dtype=torch.float64)
    assert abs(float(u.mean()) - 0.5) < 5 * (1 / 12) ** 0.5 / 200
    assert abs(float(z.mean())) < 5 / 200
    assert abs(float((z**2).mean()) - 1) < 5 * 2**0.5 / 200


@pytest.mark.parametrize(("seed", "chains"), [(-1, 2), (2**64, 2), (0, 0), (0, [])])
def test_bad_arguments(seed, chains):
    with pytest.raises(ValueError, match=r"seed must be a whole number|at least one chain"):
        Rng(seed, chains)


def test_rows_must_be_shared_out_evenly():
    with pytest.raises(ValueError, match="5 rows cannot be shared out evenly among 2 chains"):
        Rng(0, 2).uniform((5, 1))
