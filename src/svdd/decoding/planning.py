"""Planning: sizes with which a run stays within its budget.

The sizes come down by one rule, and no further than needed: first `candidates` (to 2), then the cadence `every` is
widened, then `particles` (or `width`) come down; what the last one leaves is given back in the opposite order.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from svdd.chain.distributions import Normal
from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.cost.budget import Budget
from svdd.cost.ledger import Usage, metered
from svdd.method.table import Method
from svdd.method.values import Value
from svdd.scoring.reward import Reward

_MOST = 100
"""Where the search for a size begins that nobody gave."""


_FEWEST = {"candidates": 2, "particles": 1, "width": 1}


class Forecast(NamedTuple):
    """What a run will ask for at most; equal states and designs make it less."""

    rewards: int
    rows: int

    def fits(self, budget: Budget) -> bool:
        """Whether it stays within a budget."""
        return self.rewards <= (budget.rewards or self.rewards) and self.rows <= (budget.rows or self.rows)


class Plan(NamedTuple):
    """Sizes that fit a budget."""

    options: dict[str, Any]
    forecast: Forecast
    sentence: str


def forecast(
    method: Method, options: Mapping[str, Any], process: Process, value: Callable[[Reward], Value]
) -> Forecast:
    """What one chain asks for, from a rehearsal: the method itself on a process of one number, where rows cost nothing.

    Args:
        method: a row of `METHODS`.
        options: its settings.
        process: whose times, and rows a state, count.
        value: makes the look-ahead from a reward.

    Raises:
        ValueError: for settings that the method refuses.
    """
    usage = Usage()
    denoiser = metered(lambda x, t, cond: Normal(x, 1.0), usage.network, process.rows_each)
    reward = metered(lambda x: torch.zeros(len(x), dtype=torch.float64), usage.reward)
    rehearsal = Process(
        prior=lambda n, rng: torch.zeros(n, 1),
        denoiser=denoiser,
        transition=lambda x, posterior, t, s: Normal(x, 1.0),
        times=process.times,
        move=None if process.move is None else lambda x, posterior, t, rng: x,
        move_each=process.move_each,
    )
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in method.function(rehearsal, value(reward), chains=1, rng=Rng(0, 1), **options):
            pass
    return Forecast(usage.reward.rows, usage.network.rows)


def plan(
    budget: Budget,
    method: Method,
    options: Mapping[str, Any],
    process: Process,
    value: Callable[[Reward], Value],
    samples: int,
) -> Plan:
    """The largest sizes, by the rule of this module, with which a run stays within its budget.

    Args:
        budget: what may be spent.
        method: a row of `METHODS`.
        options: its settings; sizes left out begin at 100.
        process: the model.
        value: makes the look-ahead from a reward.
        samples: designs wanted.

    Raises:
        ValueError: if the smallest sizes do not fit.
    """
    search = _Search(budget, method, process, value, samples)
    wanted = dict(options) | {name: _MOST for name in method.missing(options) if name in _FEWEST}
    chosen = search.lowered(wanted)
    given = {name: value for name, value in chosen.items() if options.get(name) != value}
    total = search.cost(chosen)
    assert total is not None, "what was chosen fits"
    changes = ", ".join(f"{name} {_before(name, options, method)}{value}" for name, value in given.items())
    asked = f"at most {total.rewards:,} reward calls and {total.rows:,} network rows"
    return Plan(chosen, total, f"a budget of {budget}: {changes + ', ' if changes else ''}{asked}")


def _before(name: str, options: Mapping[str, Any], method: Method) -> str:
    before = options.get(name, 1 if name == "every" else None)
    return f"{before} -> " if before is not None else ""


class _Search:
    """Sizes of one run that fit a budget."""

    def __init__(
        self, budget: Budget, method: Method, process: Process, value: Callable[[Reward], Value], samples: int
    ) -> None:
        self.budget, self.method, self.process, self.value, self.samples = budget, method, process, value, samples
        self.planned = budget.rewards is not None or budget.rows is not None

    def cost(self, options: Mapping[str, Any]) -> Forecast | None:
        """What all chains ask for; None if the sizes do not go together."""
        each = options.get("particles", 1) if self.method.returns == "all" else 1
        if self.samples % each:
            return None
        try:
            one = forecast(self.method, options, self.process, self.value)
        except ValueError:
            return None
        chains = self.samples // each
        return Forecast(one.rewards * chains, one.rows * chains)

    def fits(self, options: Mapping[str, Any]) -> bool:
        cost = self.cost(options)
        return cost is not None and (not self.planned or cost.fits(self.budget))

    def lowered(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """The rule.

        Raises:
            ValueError: if nothing fits.
        """
        if not self.planned or self.fits(wanted):
            return wanted
        sizes = [name for name in ("candidates", "particles", "width") if isinstance(wanted.get(name), int)]
        fewest = {name: min(_FEWEST[name], wanted[name]) for name in sizes}
        seldom = {"every": self.process.steps} if "every" in self.method.options else {}
        order: list[str] = [name for name in ("candidates", "every", "particles", "width") if name in fewest | seldom]
        tried = dict(wanted)
        for name in order:
            tried |= {name: (fewest | seldom)[name]}
            if self.fits(tried):
                return self._given_back(tried, wanted, order[: order.index(name) + 1])
        least = self.cost(tried)
        raise ValueError(
            f"a budget of {self.budget} does not cover {self.samples} designs of {self.process.steps} steps, which ask for "
            f"{'at least ' + _told(least) if least else 'more'}; raise it, or ask for fewer designs or steps"
        )

    def _given_back(self, tried: dict[str, Any], wanted: Mapping[str, Any], lowered: list[str]) -> dict[str, Any]:
        """Brings sizes back, the last that was lowered first."""
        for name in reversed(lowered):
            first, last = tried[name], wanted.get(name, 1)
            while first != last:  # `first` fits; halfway between, rounded towards `last`
                middle = (first + last + (last > first)) // 2
                if self.fits(tried | {name: middle}):
                    first = middle
                else:
                    last = middle - 1 if last > first else middle + 1
            tried = tried | {name: first}
        return tried


def _told(cost: Forecast) -> str:
    return f"{cost.rewards:,} reward calls and {cost.rows:,} network rows"
