"""Hedges against closed forms and against every choice of N designs, counted one by one."""

import numpy as np
import pytest

from exact import hedge_checks
from exact.hedge_checks import best_by_counting, normal
from svdd.metrics.hedging import LEAST_ESS, HedgeError, Pool, best_of_n, judged, tempered


def pool_of(guide, judge, chain=None):
    guide, judge = np.asarray(guide, float), np.asarray(judge, float)
    return Pool(guide, judge, range(len(guide)) if chain is None else chain)


@pytest.fixture
def mixed():
    """A small pool with ties and invalid designs, in no order."""
    generator = np.random.default_rng(0)
    guide = generator.integers(0, 6, 18).astype(float)
    guide[[2, 11]] = -np.inf
    return guide, generator.standard_normal(18)


def test_the_best_of_n_is_that_of_every_choice_of_n():
    hedge_checks.the_best_of_n_is_that_of_every_choice()


def test_the_best_of_n_is_that_of_draws():
    generator, n = np.random.default_rng(2), 5
    guide, judge = generator.integers(0, 12, 60).astype(float), generator.standard_normal(60)
    guide[:9] = -np.inf
    found = []
    for _ in range(20_000):
        chosen = generator.permutation(60)[:n]  # its best is its first among equals: ties are broken by chance
        best = chosen[np.argmax(guide[chosen])]
        found += [judge[best]] if np.isfinite(guide[best]) else []
    assert pool_of(guide, judge).best_of(n).judge[0] == pytest.approx(np.mean(found), abs=4 * np.std(found) / 140)


def test_the_best_of_ranks_in_closed_form():
    pool = pool_of(np.arange(40), np.arange(40))
    for n in (1, 2, 7, 20):
        assert pool.best_of(n).judge[0] + 1 == pytest.approx(n * 41 / (n + 1))


def test_the_best_of_n_is_log_n_away():
    pool = pool_of(normal(4000), normal(4000) ** 2)
    for n in (1, 2, 8, 32):
        assert pool.kl(pool.best_of(n).mass) == pytest.approx(np.log(n) - (n - 1) / n, abs=5e-3)


def test_temperatures_weigh_as_the_tilted_law_does(mixed):
    guide, judge = mixed
    pool, valid = pool_of(*mixed), np.isfinite(guide)
    for temperature in (0.3, 1.0, 20.0):
        weights = np.exp(guide[valid] / temperature)
        weights /= weights.sum()
        point = pool.point(temperature, pool.tilted(1 / temperature))
        mean = weights @ judge[valid], weights @ guide[valid]
        assert (point.judge[0], point.guide) == pytest.approx(mean)
        assert point.covariance == pytest.approx(weights @ ((guide[valid] - mean[1]) * (judge[valid] - mean[0])))
        assert point.ess == pytest.approx(1 / (weights**2).sum())
        assert point.kl == pytest.approx(weights @ np.log(weights * valid.sum()))


def test_resamples_are_weighed_as_the_designs_that_they_hold():
    guide, judge = normal(20), np.arange(20.0) % 7
    pool, numbers = pool_of(guide, judge), np.arange(20)
    drawn = np.repeat(numbers, pool.counts[3].astype(int))  # levels are in the order of the designs
    weights = np.exp(2 * guide[drawn])
    assert pool.tilted(2.0).judge[3] == pytest.approx(weights @ judge[drawn] / weights.sum())
    level_judge = best_by_counting(guide[drawn], judge[drawn], 3)
    assert pool.best_of(3).judge[3] == pytest.approx(level_judge)


def test_the_covariance_is_the_slope(mixed):
    pool, step = pool_of(*mixed), 1e-5
    for inverse in (0.1, 0.5, 2.0):
        slope = (pool.tilted(inverse + step).judge[0] - pool.tilted(inverse - step).judge[0]) / (2 * step)
        assert pool.covariance(pool.mass_at(inverse)) == pytest.approx(slope, abs=1e-6)


def test_a_judge_that_is_the_guide_rises_to_the_end():
    pool = pool_of(normal(600), normal(600))
    for curve in (tempered(pool), best_of_n(pool)):
        assert curve.place == "last"
        assert curve.best.at == curve.limit.at
        assert [point.judge[0] for point in curve.points] == pytest.approx([point.guide for point in curve.points])
        assert np.all(np.diff([point.judge[0] for point in curve.points]) > 0)
        assert all(point.covariance > 0 for point in curve.points)
        assert curve.gain[1] > 0


def test_a_judge_that_is_against_the_guide_is_highest_in_the_pool():
    pool = pool_of(normal(600), -normal(600))
    tilted, best = tempered(pool), best_of_n(pool)
    assert (tilted.place, best.place) == ("first", "first")
    assert (tilted.best.at, best.best.at) == (np.inf, 1)
    assert tilted.gain[0] == 0


def test_the_best_temperature_of_a_gaussian_in_closed_form():
    hedge_checks.the_best_temperature_is_that_of_the_gaussian()


def test_the_best_n_is_the_highest_of_all():
    guide = normal(800)
    pool = pool_of(guide, -((guide - 1.5) ** 2))
    curve = best_of_n(pool)
    every = [pool.best_of(n).judge[0] for n in range(1, 60)]
    assert curve.place == "inside"
    assert curve.best.at == pytest.approx(1 + int(np.argmax(every)), rel=0.2)
    assert max(every) - curve.best.judge[0] < 0.002
    assert curve.fall[1] > 0


def test_what_few_designs_count_for_is_not_reliable():
    pool = pool_of(normal(300), normal(300))
    for curve in (tempered(pool), best_of_n(pool)):
        reliable = [point.reliable for point in curve.points]
        assert reliable == sorted(reliable, reverse=True)
        assert not all(reliable)
        assert all(point.reliable == (point.ess >= LEAST_ESS * 0.999) for point in curve.points)
        assert all(point.kl <= np.log(300) - 2 for point in curve.points if point.reliable)
    assert tempered(pool).limit.ess == pytest.approx(LEAST_ESS)


def test_where_many_are_best_every_temperature_is_reliable():
    pool = pool_of([0.0] * 30 + [1.0] * 20, [0.0] * 30 + [2.0] * 10 + [4.0] * 10)
    curve = tempered(pool)
    assert all(point.reliable for point in curve.points)
    assert curve.points[-1].judge[0] == pytest.approx(3, abs=0.1)


def test_intervals_cover_what_a_large_pool_says():
    generator, covered = np.random.default_rng(1), 0
    for _ in range(60):
        guide = generator.standard_normal(300)
        law = (pool := pool_of(guide, -((guide - 0.8) ** 2))).tilted(0.8)
        _, low, high = pool.point(1 / 0.8, law).judge
        covered += low <= -1 <= high
    assert 48 <= covered <= 60  # nominally 57


def test_few_chains_have_no_interval():
    few, many = pool_of(normal(40), normal(40), [i % 4 for i in range(40)]), pool_of(normal(40), normal(40))
    assert np.isnan(few.point(1.0, few.tilted(1.0)).judge[1:]).all()
    assert np.isfinite(many.point(1.0, many.tilted(1.0)).judge).all()


def test_designs_without_a_number_of_the_judge_are_told_apart():
    guide = np.array([1.0, -np.inf, 2.0, 3.0])
    assert judged(guide, np.array([0.0, np.nan, np.nan, -np.inf])).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("guide", "judge", "said"),
    [
        (normal(15), normal(15), "at least 16 valid designs, got 15"),
        ([-np.inf] * 90, normal(90), "got 0"),
        ([2.0] * 20, normal(20), "the guide says 2 of all 20"),
        (normal(20), [0.5] * 20, "the judge says 0.5 of all 20"),
    ],
)
def test_pools_that_tell_nothing_are_refused(guide, judge, said):
    with pytest.raises(HedgeError, match=said):
        pool_of(guide, judge)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_of_the_guide_are_those_of_the_temperature(scale):
    guide = normal(400)
    one, other = (tempered(pool_of(factor * guide, -((guide - 0.7) ** 2))) for factor in (1.0, scale))
    assert other.best.at == pytest.approx(scale * one.best.at, rel=1e-6)
