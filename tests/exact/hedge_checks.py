"""Hedges against closed forms and against every choice, counted one by one."""

from itertools import combinations
from statistics import NormalDist

import numpy as np

from svdd.metrics.hedging import Pool, tempered


def normal(n):
    """Numbers that lie as those of a standard normal distribution do."""
    return np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])


def best_by_counting(guide, judge, n):
    """The mean judge of the best of every n different designs, ties shared, where one is valid."""
    found = []
    for chosen in map(list, combinations(range(len(guide)), n)):
        top = guide[chosen].max()
        if np.isfinite(top):
            found.append(judge[chosen][guide[chosen] == top].mean())
    return np.mean(found)


def the_best_of_n_is_that_of_every_choice():
    generator = np.random.default_rng(0)
    guide, judge = generator.integers(0, 6, 20).astype(float), generator.standard_normal(20)
    guide[[2, 11, 13]] = -np.inf
    for n in (1, 2, 4):
        found = Pool(guide, judge, range(20)).best_of(n).judge[0]
        assert abs(found - best_by_counting(guide, judge, n)) < 1e-12


def the_best_temperature_is_that_of_the_gaussian():
    """r is N(m, s^2) and g = -(r - c)^2: tilted, r is N(m + s^2 / a, s^2), so the best a is s^2 / (c - m)."""
    for mean, spread, peak in ((0.0, 1.0, 0.8), (2.0, 0.5, 2.3), (-1.0, 3.0, 1.0)):
        guide = mean + spread * normal(4001)
        curve = tempered(Pool(guide, -((guide - peak) ** 2), range(4001)))
        assert curve.place == "inside"
        assert abs(curve.best.at * (peak - mean) / spread**2 - 1) < 0.03
        assert abs(curve.best.judge[0] / spread**2 + 1) < 0.03
        assert abs(curve.best.kl / ((peak - mean) ** 2 / spread**2 / 2) - 1) < 0.03
        assert abs(curve.best.covariance) < 1e-9 * spread**3
