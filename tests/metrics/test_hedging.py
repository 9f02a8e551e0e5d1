"""Hedges against closed forms and against every choice of N designs, counted one by one."""

from itertools import combinations
from statistics import NormalDist

import numpy as np
import pytest

from svdd.metrics.hedging import LEAST_ESS, HedgeError, Pool, best_of_n, judged, tempered


def pool_of(guide, judge, chain=None):
    guide, judge = np.asarray(guide, float), np.asarray(judge, float)
    return Pool(guide, judge, range(len(guide)) if chain is None else chain)


def normal(n):
    """Numbers that lie as those of a standard normal distribution do."""
    return np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])


@pytest.fixture
def mixed():
    """A small pool with ties and invalid designs, in no order."""
    generator = np.random.default_rng(0)
    guide = generator.integers(0, 6, 18).astype(float)
    guide[[2, 11]] = -np.inf
    return guide, generator.standard_normal(18)


def best_by_counting(guide, judge, n):
    """The mean judge of the best of every n different designs, ties shared, where one is valid."""
    found = []
    for chosen in map(list, combinations(range(len(guide)), n)):
        top = guide[chosen].max()
        if np.isfinite(top):
            found.append(judge[chosen][guide[chosen] == top].mean())
    return np.mean(found)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_best_of_n_is_that_of_every_choice_of_n(mixed, n):
    pool = pool_of(*mixed)
    guide, judge = mixed
    # designs of one level are one to the pool: what a choice says of the level is the mean of all of it
    level = np.array([judge[guide == one].mean() for one in guide])
    law = pool.best_of(n)
    assert pool.expected(law.mass) == pytest.approx(best_by_counting(guide, level, n), abs=1e-12)
    assert law.judge[0] == pytest.approx(pool.expected(law.mass), abs=1e-12)


def test_ties_that_are_shared_are_ties_that_are_broken_by_chance(mixed):
    guide, judge = mixed
    assert pool_of(*mixed).best_of(3).judge[0] == pytest.approx(best_by_counting(guide, judge, 3), abs=1e-12)


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


@pytest.mark.parametrize(("mean", "spread", "peak"), [(0.0, 1.0, 0.8), (2.0, 0.5, 2.6), (-1.0, 3.0, 1.0)])
def test_the_best_temperature_of_a_gaussian_in_closed_form(mean, spread, peak):
    """r is N(m, s^2) and g = -(r - c)^2: tilted, r is N(m + s^2 / a, s^2), so the best a is s^2 / (c - m)."""
    guide = mean + spread * normal(4001)
    curve = tempered(pool_of(guide, -((guide - peak) ** 2)))
    assert curve.place == "inside"
    assert curve.best.at == pytest.approx(spread**2 / (peak - mean), rel=0.02)
    assert curve.best.judge[0] == pytest.approx(-(spread**2), rel=0.02)
    assert curve.best.covariance == pytest.approx(0, abs=1e-9 * spread**3)
    assert curve.best.kl == pytest.approx((peak - mean) ** 2 / spread**2 / 2, rel=0.02)


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
