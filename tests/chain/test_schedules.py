"""Schedules: limits, variance preservation, monotonicity and grids."""

import math

import pytest
import torch

from svdd.chain.schedules import (
    from_alphas_cumprod,
    geometric,
    masked_cosine,
    masked_log_linear,
    time_grid,
    vp_cosine,
    vp_linear,
)

TIMES = torch.linspace(0, 1, 101, dtype=torch.float64)
CONTINUOUS = {"linear": vp_linear(), "cosine": vp_cosine()}
DISCRETE = {
    "log-linear": masked_log_linear(), "log-linear, open": masked_log_linear(1e-3),
    "cosine": masked_cosine(), "cosine, open": masked_cosine(1e-3), "geometric": geometric(),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTINUOUS)
def test_variance_is_preserved_from_data_to_noise(name):
    alpha, sigma = CONTINUOUS[name](TIMES)
    assert torch.allclose(alpha**2 + sigma**2, torch.ones(101).double(), atol=1e-12)
    assert (float(alpha[0]), float(sigma[0])) == (1.0, 0.0)
    assert bool((alpha.diff() < 0).all())
    assert 0 < float(alpha[-1]) < 0.01


@pytest.mark.parametrize("name", DISCRETE)
def test_survival_falls_from_one(name):
    alpha = DISCRETE[name](TIMES)
    assert float(alpha[0]) == pytest.approx(1, abs=2e-4)
    assert bool((alpha.diff() < 0).all())
    assert float(alpha[-1]) == pytest.approx(1e-3 if "open" in name else 0, abs=1e-8)
    assert float(alpha.min()) >= 0


def test_formulas():
    half = torch.tensor(0.5, dtype=torch.float64)
    assert float(vp_linear()(half)[0]) == pytest.approx(math.exp(-0.25 * 0.25 * 19.9 - 0.25 * 0.1))
    assert float(vp_cosine(1.0)(half)[0]) == pytest.approx(math.sqrt(0.5))
    assert float(masked_log_linear(0.1)(half)) == pytest.approx(0.55)
    assert float(masked_cosine(0.1)(half)) == pytest.approx(0.1 + 0.9 * math.sqrt(0.5))
    assert float(geometric(1e-4, 20.0)(half)) == pytest.approx(math.exp(-math.sqrt(1e-4 * 20)))


def test_a_trained_schedule_is_read_at_its_own_steps():
    bars = torch.linspace(0.9, 0.1, 9, dtype=torch.float64)
    alpha, sigma = from_alphas_cumprod(bars)(torch.arange(10, dtype=torch.float64) / 9)
    assert torch.equal(alpha[1:] ** 2, bars.sqrt() ** 2)
    assert (float(alpha[0]), float(sigma[0])) == (1.0, 0.0)
    assert torch.allclose(alpha**2 + sigma**2, torch.ones(10).double())


@pytest.mark.parametrize("bars", [[0.1, 0.9], [1.5, 0.5], [0.5, 0.0]])
def test_a_trained_schedule_must_fall(bars):
    with pytest.raises(ValueError, match="must fall within"):
        from_alphas_cumprod(torch.tensor(bars))


def test_grid_ends_where_it_should():
    grid = time_grid(7, 0.9, 1e-5)
    assert len(grid) == 8
    assert (float(grid[0]), float(grid[-1])) == (0.9, 1e-5)
    assert torch.allclose(grid.diff(), grid.diff()[0].expand(7))
    assert float(time_grid(128)[-1]) == 0.0


@pytest.mark.parametrize(("steps", "start", "end"), [(0, 1.0, 0.0), (3, 0.0, 1.0), (3, 0.5, 0.5)])
def test_bad_grids(steps, start, end):
    with pytest.raises(ValueError, match="steps >= 1 and start > end"):
        time_grid(steps, start, end)
