"""What a comparison of methods shows, in plain words."""

from collections.abc import Mapping
from typing import Any

import numpy
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from svdd.messages import number
from svdd.metrics.intervals import FEWEST, Statistic, difference, mean, paired, quantile
from svdd.metrics.measures import Designs

Values = Float[ndarray, " n"]


def verdicts(table: pd.DataFrame, designs: Mapping[str, Designs], cost: str = " at the same network rows") -> list[str]:
    """What the designs show of svdd against best-of-n, and at what price in naturalness, in plain words.

    A method is called higher than another only where the 95 % bootstrap interval of their difference, paired by seed, leaves
    zero out.

    Args:
        table: a row per method; nothing is said of what it does not hold, nor of a method with several rows.
        designs: of each row, by its label, or by its method where the table has no labels.
        cost: what best-of-n had, to end a sentence on it.
    """
    once = table.drop_duplicates("method", keep=False)
    rows = {row["method"]: row.dropna().to_dict() for _, row in once.iterrows()}
    of = {method: designs[row.get("label", method)] for method, row in rows.items()}
    said = _against(of["svdd"], of["best-of-n"], cost) if {"svdd", "best-of-n"} <= of.keys() else []
    if not {"svdd", "pretrained"} <= of.keys():
        return said
    svdd, model = rows["svdd"], rows["pretrained"]
    both = svdd.keys() & model.keys()
    said += [_price(of["svdd"], of["pretrained"], svdd, model)] if both >= _PRICE else []
    return said + ([_molecules(svdd, model)] if both >= _MEASURED else [])


_PRICE = {"elbo_per_base", "correlation_3mer", "diversity"}
_MEASURED = {"validity", "unique", "diversity", "sa", "pains"}


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


def _price(svdd: Designs, model: Designs, mine: Mapping[Any, Any], own: Mapping[Any, Any]) -> str:
    """What the reward cost in likelihood, in natural words and in diversity."""
    told = compared(("svdd", svdd, mean(svdd.elbo)), ("the pretrained model", model, mean(model.elbo)))
    return (
        f"By the likelihood bound, in nats per base, {told}: mean {_pair(mine, own, 'elbo_per_base')}; 3-mers correlate "
        f"{_pair(mine, own, 'correlation_3mer')} with those of the most active natural sites; diversity "
        f"{_pair(mine, own, 'diversity')}."
    )


def _pair(mine: Mapping[Any, Any], own: Mapping[Any, Any], name: str, form: str = "") -> str:
    one, other = (format(row[name], form) if form else number(row[name]) for row in (mine, own))
    return f"{one} against {other}"


def _molecules(svdd: Mapping[Any, Any], model: Mapping[Any, Any]) -> str:
    """What the reward cost in molecules; what is too much is for a chemist to say."""
    parts = [
        f"validity {_pair(svdd, model, 'validity', '.0%')}", f"different ones {_pair(svdd, model, 'unique', '.0%')}",
        f"diversity {_pair(svdd, model, 'diversity')}", f"SA score {_pair(svdd, model, 'sa')} (1: easy to make)",
        f"PAINS alerts {_pair(svdd, model, 'pains', '.0%')}",
    ]  # fmt: skip
    if "fcd" in svdd and "fcd" in model:
        parts.append(f"ChemNet distance {_pair(svdd, model, 'fcd')}")
    return f"Beside the model's own samples, svdd's molecules have {', '.join(parts)}."
