"""The alarm about a judge that falls while the guide rises: among the designs of one run, and of a method beside the model."""

from collections.abc import Mapping

import numpy
from jaxtyping import Float
from numpy import ndarray

from svdd.messages import number
from svdd.metrics.hedging import FEWEST
from svdd.metrics.intervals import Bounds, Resamples, Statistic, difference, interval, mean, paired
from svdd.metrics.measures import Designs


class OpposedJudgeWarning(UserWarning):
    """A reward that did not guide falls while the reward that guides rises."""


def correlation(one: Float[ndarray, " n"], other: Float[ndarray, " n"]) -> Statistic:
    """Pearson's correlation of the designs that have both numbers."""
    rows = numpy.flatnonzero(numpy.isfinite(one) & numpy.isfinite(other))
    x, y = one[rows], other[rows]

    def of(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        w = weights[:, rows] / numpy.maximum(weights[:, rows].sum(1, keepdims=True), 1)
        apart, away = x - (w @ x)[:, None], y - (w @ y)[:, None]
        spread = numpy.sqrt((w * apart**2).sum(1) * (w * away**2).sum(1))
        covariance = (w * apart * away).sum(1)
        return numpy.divide(covariance, spread, out=numpy.full(len(w), numpy.nan), where=spread > 0)

    return Statistic(of, rows.tolist())


def opposed(designs: Designs, guide: str, judge: str) -> list[str]:
    r"""The alarm of one run, none where there is no judge, or guide and judge agree, or fewer than 16 designs have both.

    It is given where the 95 % interval of their correlation among the designs lies below zero. Since
    $d\,E_a[g] / d(1/a) = \mathrm{Cov}_a(r, g)$, to follow the guide further then raises it and lowers the judge.

    Args:
        designs: of the run.
        guide: the name of the reward.
        judge: the name of the judge.
    """
    both = correlation(designs.reward, designs.judge)
    if len(both.rows) < FEWEST:
        return []
    found = interval(both, Resamples.of(designs.run, designs.chain), centred=True)
    if not found[2] < 0:
        return []
    return [
        f"{judge} falls while {guide} rises: among these designs their correlation is {_told(found)}, so to follow {guide} "
        f"further costs {judge}; use a higher temperature or fewer candidates, see svdd hedge"
    ]


def opposed_to_the_model(method: str, designs: Designs, model: Designs) -> list[str]:
    """The alarm of a method beside the pretrained model: its mean reward is higher and its mean judge lower, beyond noise.

    Args:
        method: its name.
        designs: of the method.
        model: those of the pretrained model.
    """
    pair = paired(designs.clusters, model.clusters)
    reward = difference(mean(designs.reward), mean(model.reward), pair)
    judge = difference(mean(designs.judge), mean(model.judge), pair)
    if not (reward[1] > 0 and judge[2] < 0):
        return []
    return [
        f"The judge falls while the guide rises: beside the pretrained model {method} changes the mean reward by "
        f"{_told(reward)} and the mean held-out judge by {_told(judge)}."
    ]


def opposed_beside_the_model(designs: Mapping[str, Designs], methods: Mapping[str, str]) -> list[str]:
    """The alarms of all rows beside the one of the pretrained model; none where there is not one such row.

    Args:
        designs: of each row, by its label.
        methods: of each row.
    """
    models = [label for label, method in methods.items() if method == "pretrained"]
    if len(models) != 1:
        return []
    others = [label for label in methods if label not in models]
    return [said for label in others for said in opposed_to_the_model(label, designs[label], designs[models[0]])]


def _told(bounds: Bounds) -> str:
    value, low, high = map(number, bounds)
    return f"{value} ({low} to {high})"
