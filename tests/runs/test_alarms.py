"""The alarm about a judge that falls while the guide rises."""

import numpy as np
import pytest

from svdd.metrics.intervals import Resamples
from svdd.metrics.measures import Designs
from svdd.runs.alarms import correlation, opposed, opposed_to_the_model


def designs(reward, judge, run=None):
    n = len(reward)
    numbers = np.asarray(reward, float), np.asarray(judge, float), np.full(n, np.nan)
    return Designs(["ACGT"] * n, [0] * n, list(range(n)), *numbers)


@pytest.fixture
def drawn():
    return np.random.default_rng(0).standard_normal((2, 100))


def test_a_correlation_of_designs_is_pearsons_in_every_resample(drawn):
    one, other = drawn
    one[3], other[5] = -np.inf, np.nan
    statistic = correlation(one, other)
    assert sorted(set(range(100)) - set(statistic.rows)) == [3, 5]
    weights = Resamples.of([0] * 100, range(100), draws=4).weights
    for row, found in zip(weights.astype(int), statistic(weights), strict=True):
        rows = np.repeat(np.arange(100), row)
        rows = rows[np.isfinite(one[rows]) & np.isfinite(other[rows])]
        assert found == pytest.approx(np.corrcoef(one[rows], other[rows])[0, 1])


def test_a_judge_that_falls_is_told_with_the_interval(drawn):
    reward, noise = drawn
    (said,) = opposed(designs(reward, noise - reward), "mrl", "mrl-judge")
    assert said.startswith("mrl-judge falls while mrl rises: among these designs their correlation is -0.")
    assert "use a higher temperature or fewer candidates, see svdd hedge" in said


def test_no_alarm_without_a_judge_a_correlation_or_enough_designs(drawn):
    reward, noise = drawn
    nothing = np.full(100, np.nan)
    assert opposed(designs(reward, noise), "r", "g") == []
    assert opposed(designs(reward, noise + reward), "r", "g") == []
    assert opposed(designs(reward, nothing), "r", "") == []
    assert opposed(designs(reward[:15], -reward[:15]), "r", "g") == []
    assert len(opposed(designs(reward[:16], -reward[:16]), "r", "g")) == 1
    assert opposed(designs([1.0] * 100, noise), "r", "g") == []


def test_the_alarm_beside_the_model_needs_both(drawn):
    one, other = drawn
    model = designs(one, other)
    assert opposed_to_the_model("svdd", designs(one + 2, other + 1), model) == []
    assert opposed_to_the_model("svdd", designs(one - 2, other - 1), model) == []
    (said,) = opposed_to_the_model("svdd", designs(one + 2, other - 1), model)
    assert said.startswith(
        "The judge falls while the guide rises: beside the pretrained model svdd changes the mean reward by 2 "
    )
    assert "the mean held-out judge by -1 " in said
