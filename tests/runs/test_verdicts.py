"""Verdicts: a method is called higher only where the interval of the difference leaves zero out."""

import numpy
import pandas as pd
import pytest

from svdd.metrics.kit import kit_of
from svdd.metrics.measures import Designs
from svdd.runs.verdicts import verdicts

SHARES = {"diversity": 0.5, "correlation_3mer": 0.9}

COLUMNS = kit_of("dna").columns


def designs(n=32, *, reward=0.0, judge=0.0, elbo=0.0, noise=0):
    """Designs of n chains whose numbers are drawn around the given ones; `noise` names the draw."""
    drawn = numpy.random.default_rng(noise).normal(size=(3, n))
    numbers = (row + middle for row, middle in zip(drawn, (reward, judge, elbo), strict=True))
    return Designs(["ACGT"] * n, [0] * n, list(range(n)), *numbers)


def told(svdd, best=None, model=None, cost=" at the same network rows", **changed):
    of = {"pretrained": model or designs(), "best-of-n": best or designs(noise=1), "svdd": svdd}
    rows = [
        {"method": name, "elbo_per_base": float(one.elbo.mean())} | SHARES | (changed if name == "svdd" else {})
        for name, one in of.items()
    ]
    return verdicts(pd.DataFrame(rows), of, cost, COLUMNS)


def test_svdd_is_called_higher_where_the_difference_leaves_zero_out():
    said = told(designs(reward=3.0, noise=2))
    assert said[0].startswith("By the reward at the same network rows, svdd is higher than best-of-n by ")
    assert said[1].startswith("By the held-out judge at the same network rows, the difference of svdd and best-of-n, ")
    assert "is within the noise of 32 designs" in said[1]


def test_two_intervals_that_overlap_are_no_verdict():
    """The intervals of the medians overlap, and yet the difference, of paired chains, is sure."""
    best = designs()
    svdd = designs(reward=0.4)
    said = told(svdd, best)
    assert "svdd is higher than best-of-n by 0.4 (0.4 to 0.4)" in said[0]


def test_no_difference_is_not_called_equality():
    for said in told(designs(noise=5))[:2]:
        assert "does as well" not in said
        assert "within the noise of 32 designs" in said


def test_best_of_n_is_called_higher_where_it_is():
    said = told(designs(judge=-3.0, noise=2))
    assert "svdd is lower than best-of-n by " in said[1]
    low, high = said[1].partition("(")[2].partition(")")[0].split(" to ")
    assert 0 < float(low) < float(high)


@pytest.mark.parametrize("n", [1, 7])
def test_fewer_than_8_chains_tell_nothing(n):
    said = told(designs(n, reward=100.0), designs(n))
    assert "svdd and best-of-n cannot be told apart by designs of fewer than 8 chains" in said[0]
    assert "median" in said[0]


def test_the_cost_that_best_of_n_had_is_said():
    said = told(designs(), cost=", which had 80% of the job's network rows")
    assert said[0].startswith("By the reward, which had 80% of the job's network rows, ")


def test_the_price_in_naturalness_is_told():
    dearer = told(designs(elbo=-2.0, noise=2))[2]
    assert dearer.startswith("By the likelihood bound, in nats per letter, svdd is lower than the pretrained model by ")
    drifted = told(designs(), correlation_3mer=0.4)[3]
    assert "correlation of 3-mers with natural ones 0.4 against 0.9" in drifted


def test_a_judge_that_falls_is_told_of_every_row():
    """Of two rows of one method too, which no other verdict is about."""
    of = {"pretrained": designs(), "refine": designs(reward=2.0, judge=-2.0, noise=2)}
    of |= {
        "filtered": designs(reward=2.0, judge=2.0, noise=3),
        "refine, cold": designs(reward=3.0, judge=-3.0, noise=4),
    }
    rows = [{"label": label, "method": "svdd" if label == "filtered" else label.partition(",")[0]} for label in of]
    said = [one for one in verdicts(pd.DataFrame(rows), of) if "falls while" in one]
    assert [one.partition("the pretrained model ")[2].partition(" changes")[0] for one in said] == [
        "refine",
        "refine, cold",
    ]


def test_nothing_is_said_of_a_method_with_several_rows():
    of = {"svdd, temperature 0": designs(), "svdd, temperature 1": designs(), "best-of-n": designs()}
    rows = [{"label": label, "method": label.partition(",")[0]} for label in of]
    assert verdicts(pd.DataFrame(rows), of) == []
