"""What a comparison of methods shows, in plain words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from svdd.messages import number
from svdd.metrics.columns import Column, drawn_against
from svdd.metrics.intervals import FEWEST, Statistic, difference, mean, paired, quantile
from svdd.metrics.measures import Designs
from svdd.runs.alarms import opposed_beside_the_model

Values = Float[ndarray, " n"]


def verdicts(
    table: pd.DataFrame,
    designs: Mapping[str, Designs],
    cost: str = " at the same network rows",
    columns: Sequence[Column] = (),
) -> list[str]:
    """What the designs show of svdd against best-of-n, at what price in naturalness, and whose judge falls, in plain words.

    A method is called higher than another only where the 95 % bootstrap interval of their difference, paired by seed, leaves
    zero out.

    Args:
        table: a row per method; nothing is said of what it does not hold, nor of a method with several rows. Rows that bear
            another name than their method do not count, unless the method has no other.
        designs: of each row, by its label, or by its method where the table has no labels.
        cost: what best-of-n had, to end a sentence on it.
        columns: measures of the designs, some of which are a price of guidance.
    """
    rows = {row["method"]: row.dropna().to_dict() for _, row in _once(table).iterrows()}
    of = {method: designs[row.get("label", method)] for method, row in rows.items()}
    said = _against(of["svdd"], of["best-of-n"], cost) if {"svdd", "best-of-n"} <= of.keys() else []
    methods = table["method"].tolist()
    said += opposed_beside_the_model(designs, dict(zip(table.get("label", methods), methods, strict=True)))
    if not {"svdd", "pretrained"} <= of.keys():
        return said
    return said + _likelihood(of["svdd"], of["pretrained"], columns) + _price(rows["svdd"], rows["pretrained"], columns)


def _once(table: pd.DataFrame) -> pd.DataFrame:
    """The row of each method that has one."""
    methods = table["method"]
    own = [name.startswith(method) for name, method in zip(table.get("label", methods), methods, strict=True)]
    others = table[~methods.isin(methods[own])]
    return pd.concat([table[own], others]).drop_duplicates("method", keep=False)


def _against(svdd: Designs, best: Designs, cost: str) -> list[str]:
    """Whether svdd or best-of-n is higher, by the reward and by the held-out judge."""
    made = []
    for what, mine, theirs in (("reward", svdd.reward, best.reward), ("held-out judge", svdd.judge, best.judge)):
        if numpy.isfinite(mine).any() and numpy.isfinite(theirs).any():
            told = compared(("svdd", svdd, quantile(mine, 0.5)), ("best-of-n", best, quantile(theirs, 0.5)))
            made.append(f"By the {what}{cost}, {told}: median {_median(mine)} against {_median(theirs)}.")
    return made


def _median(values: Values) -> str:
    return number(float(numpy.median(values[numpy.isfinite(values)])))


def compared(one: tuple[str, Designs, Statistic], other: tuple[str, Designs, Statistic]) -> str:
    """Which of two methods has the higher number and by how much, or that the difference is within the noise.

    Args:
        one: a method, its designs, and a statistic of them.
        other: those of the other method.
    """
    (name, mine, first), (against, theirs, second) = one, other
    apart, low, high = difference(first, second, paired(mine.clusters, theirs.clusters))
    if low != low:
        return f"{name} and {against} cannot be told apart by designs of fewer than {FEWEST} chains"
    if low <= 0 <= high:
        return (
            f"the difference of {name} and {against}, {number(apart)} ({number(low)} to {number(high)}), "
            f"is within the noise of {_counted(first, second)} designs"
        )
    word, sign = ("higher", 1) if low > 0 else ("lower", -1)
    low, high = sorted((sign * low, sign * high))
    return f"{name} is {word} than {against} by {number(sign * apart)} ({number(low)} to {number(high)})"


def _counted(one: Statistic, other: Statistic) -> str:
    counts = dict.fromkeys((len(one.rows), len(other.rows)))
    return " and ".join(f"{count:,}" for count in counts)


def _likelihood(svdd: Designs, model: Designs, columns: Sequence[Column]) -> list[str]:
    """What the reward cost in likelihood, where there is a bound of it."""
    if not (numpy.isfinite(svdd.elbo).any() and numpy.isfinite(model.elbo).any()):
        return []
    told = compared(("svdd", svdd, mean(svdd.elbo)), ("the pretrained model", model, mean(model.elbo)))
    pair = " against ".join(number(float(numpy.nanmean(values))) for values in (svdd.elbo, model.elbo))
    return [f"By the {bound.words}, in {bound.unit}, {told}: mean {pair}." for bound in drawn_against(columns)[:1]]


def _price(svdd: Mapping[Any, Any], model: Mapping[Any, Any], columns: Sequence[Column]) -> list[str]:
    """What else the reward cost; what is too much is for the reader to say."""
    parts = [
        f"{column.words} {number(svdd[column.name])} against {number(model[column.name])}"
        for column in columns
        if column.price and column.name in svdd.keys() & model.keys()
    ]
    return [f"Beside the pretrained model's own designs, those of svdd have: {'; '.join(parts)}."] if parts else []
