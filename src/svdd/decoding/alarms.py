"""Alarms, one sentence each: what may be wrong with a run that goes on all the same."""

import math
import warnings

import numpy
from jaxtyping import Float, Shaped
from numpy import ndarray

from svdd.decoding.trace import Table, Trace
from svdd.method.diagnostics import rank_correlation
from svdd.method.learned_values import Learned
from svdd.method.values import Value

FEWEST = 32
"""Chains below which nothing is said."""
_WEAK, _NORMAL = 0.15, 1.645
"""A correlation that is too low to lead anywhere, and the one-sided 95 % quantile of a standard normal number."""


class DegenerateProposalWarning(UserWarning):
    """Candidates of one parent are mostly equal, so there is little to choose from."""


class LookAheadWarning(UserWarning):
    """The look-ahead of a run says little of the rewards that its designs end with."""


class TemperatureWarning(UserWarning):
    """A run weighs with another temperature than its soft value was fitted for."""


_REMEDIES = {
    False: "use fewer steps, more noise or choose less often (every=...)",
    True: "give moves a larger fraction",
}
"""Against candidates that are mostly equal, of steps and of moves of finished designs."""


def warn_if_degenerate(trace: Trace, moves: bool) -> None:
    """Warns where candidates of one parent are mostly equal.

    Args:
        trace: of the run.
        moves: whether the run moves finished designs.
    """
    distinct = trace.mean_distinct()
    if distinct is not None and distinct < 1.5:
        warnings.warn(
            f"only {distinct:.2f} distinct candidates a parent on average: there is little to choose from; "
            f"{_REMEDIES[moves]}",
            DegenerateProposalWarning,
            stacklevel=3,
        )


def warn_if_temperatures_differ(value: Value, temperature: float) -> None:
    """Warns where a soft value was fitted for another temperature than that of the run."""
    fitted = value.temperature if isinstance(value, Learned) else None
    if fitted is not None and temperature not in (0.0, fitted):  # the argmax has no temperature to match
        warnings.warn(
            f"the value was fitted for temperature {fitted:g}, but the run weighs at {temperature:g}: its law is not the "
            "tilted law of either; fit a value for the run's temperature",
            TemperatureWarning,
            stacklevel=4,
        )


def warn_if_look_ahead_misleads(trace: Trace) -> None:
    """Warns where values in the middle of a run say next to nothing of the final rewards.

    The value at the middle one of the steps that chose is compared with the final reward, along the line of one particle per
    chain, by Spearman's rank correlation. The alarm is given where, with 95 % confidence (Fisher's transformation), it is
    below 0.15, of 32 chains or more. Choosing narrows the values, and so lowers it: runs of the bundled DNA and RNA models
    with the posterior mean have 0.2 to 0.5 (96 chains, 16 steps).

    Args:
        trace: of the run.
    """
    middle, end = values_on_the_way(trace)
    if len(middle) < FEWEST or middle.min() == middle.max() or end.min() == end.max():
        return
    found = rank_correlation(middle, end)
    highest = math.tanh(math.atanh(min(max(found, -0.999999), 0.999999)) + _NORMAL / math.sqrt(len(middle) - 3))
    if highest < _WEAK:
        warnings.warn(
            f"the look-ahead does not correlate with the final reward: rank correlation {found:.2f} of values in the middle of "
            f"the run with the rewards of {len(middle)} chains, so choices there lead nowhere; try another value "
            "(log-mean-exp, rollout), or best-of-n",
            LookAheadWarning,
            stacklevel=4,
        )


def values_on_the_way(trace: Trace) -> tuple[Float[ndarray, " b"], Float[ndarray, " b"]]:
    """The value in the middle of the run and the final reward, of one line per chain; nothing of runs that chose rarely."""
    pairs = [pair for table in trace.tables() if (pair := _of_batch(table)) is not None]
    both = numpy.concatenate(pairs, 1) if pairs else numpy.zeros((2, 0))
    middle, end = both[:, numpy.isfinite(both).all(0)]
    return middle, end


def _of_batch(table: Table) -> Float[ndarray, "2 b"] | None:
    """Both of one batch; None where it chose at less than three steps, or split particles at steps that left no trace."""
    steps = table["step"].unique().tolist()
    if len(steps) < 3:
        return None
    columns = {name: table[name].numpy() for name in ("step", "value", "ancestor", "children")}
    chains = len(table["chain"].unique())

    def at(step: int, name: str) -> Shaped[ndarray, "b n"]:
        return columns[name][columns["step"] == step].reshape(chains, -1)

    middle = (len(steps) - 1) // 2
    place, every = numpy.zeros(chains, int), numpy.arange(chains)
    for before, step in reversed(list(zip(steps[middle:], steps[middle + 1 :], strict=False))):
        place = (at(step, "ancestor") // at(step, "children"))[every, place]
        width = at(before, "value").shape[1]
        place = numpy.minimum(place, width - 1) if width == 1 else place  # a lone particle has all descendants
        if place.max() >= width:
            return None
    return numpy.stack([at(steps[middle], "value")[every, place], at(steps[-1], "value")[:, 0]]).astype(float)
