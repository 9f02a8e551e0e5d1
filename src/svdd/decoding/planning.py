"""Planning: sizes with which a run stays within its budget.

The sizes come down by one rule, and no further than needed: first the children of a particle (`candidates`, to 2), then the
cadence `every` is widened, then the particles of a chain come down (`particles` or `width`), then `moves`; what the last one
leaves is given back in the opposite order.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from svdd.chain.distributions import Dirac, Normal
from svdd.chain.filtering import TokenStep
from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.cost.budget import Budget
from svdd.cost.ledger import Usage, metered
from svdd.method.cadence import SizesDoNotFit
from svdd.method.table import Counts, Method
from svdd.method.values import Value
from svdd.registry import resolve
from svdd.scoring.reward import Reward

MakeValue = Callable[[Reward], Value]
# Where the search for a size begins that nobody gave.
_MOST: dict[Counts, int] = {"particles": 100, "children": 100, "noises": 100, "moves": 10_000}


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


def forecast(method: Method, options: Mapping[str, Any], process: Process, value: MakeValue) -> Forecast:
    """What one chain asks for, from a rehearsal: the method itself on a process of one number, where rows cost nothing.

    Of moves a few tell what all ask for.

    Args:
        method: a row of `METHODS`.
        options: its settings.
        process: whose times, and rows a state, count.
        value: makes the look-ahead from a reward.

    Raises:
        SizesDoNotFit: for sizes that the method can only have beside other ones.
        ValueError: for settings that the method refuses.
    """

    def rehearsed(**changes: Any) -> Forecast:
        return _rehearsed(method, {**options, **changes}, process, value)

    if not method.rows_of_moves:
        return rehearsed()
    return Forecast(*resolve(method.rows_of_moves)(rehearsed, process, {**method.options, **options}))


def _rehearsed(method: Method, options: Mapping[str, Any], process: Process, value: MakeValue) -> Forecast:
    usage = Usage()
    denoiser = metered(lambda x, t, cond: Normal(x, 1.0), usage.network, process.rows_each)
    reward = metered(lambda x: torch.zeros(len(x), dtype=torch.float64, device="cpu"), usage.reward)
    rehearsal = Process(
        prior=lambda n, rng: torch.zeros(n, 1, device="cpu", dtype=torch.float32),
        denoiser=denoiser,
        transition=TokenStep(lambda x, posterior, t, s: Normal(x, 1.0), lambda parents, x: Dirac(x)),
        times=process.times,
        move=None if process.move is None else lambda x, posterior, t, rng: x,
        move_each=process.move_each,
        noising=None if process.noising is None else lambda x_0, x_T, t, rng: x_0,
        given=None
        if process.given is None
        else lambda n, rng: (torch.zeros(n, 1, device="cpu", dtype=torch.float32),) * 2,
    )
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in method.function(rehearsal, value(reward), chains=1, rng=Rng(0, 1), **options):
            pass
    return Forecast(usage.reward.rows, usage.network.rows)


def plan(
    budget: Budget, method: Method, options: Mapping[str, Any], process: Process, value: MakeValue, samples: int
) -> Plan:
    """The largest sizes, by the rule of this module, with which a run stays within its budget.

    Args:
        budget: what may be spent.
        method: a row of `METHODS`.
        options: its settings; sizes left out begin at 100, moves at 10,000.
        process: the model.
        value: makes the look-ahead from a reward.
        samples: designs wanted.

    Raises:
        SizesDoNotFit: if no sizes go together, whatever the budget.
        ValueError: if the smallest sizes do not fit, and for settings that the method refuses.
    """
    search = _Search(budget, method, process, value, samples)
    sizes = method.sizes.items()
    free = {name: _MOST[size.counts] for name, size in sizes if name in search.lowest and name not in options}
    wanted = dict(options) | free
    chosen = search.lowered(wanted)
    given = {name: value for name, value in chosen.items() if options.get(name) != value}
    total = search.cost(chosen)
    changes = ", ".join(f"{name} {_before(name, options, method)}{value}" for name, value in given.items())
    asked = f"at most {_told(total)}"
    return Plan(chosen, total, f"a budget of {budget}: {changes + ', ' if changes else ''}{asked}")


def _before(name: str, options: Mapping[str, Any], method: Method) -> str:
    before = options.get(name, 1 if name == "every" else None)
    return f"{before} -> " if before is not None else ""


class _Search:
    """Sizes of one run that fit a budget."""

    def __init__(self, budget: Budget, method: Method, process: Process, value: MakeValue, samples: int) -> None:
        self.budget, self.method, self.process, self.value, self.samples = budget, method, process, value, samples
        self.planned = budget.rewards is not None or budget.rows is not None
        seldom = {"every": process.steps} if "every" in method.options else {}
        self.lowest = self._fewest("children") | seldom | self._fewest("particles") | self._fewest("moves")
        """What the rule lowers each setting to (raises, for `every`), in its order."""
        self._misfit: SizesDoNotFit | None = None
        self._last: Forecast | None = None
        self._together = False

    def _fewest(self, counts: Counts) -> dict[str, int]:
        return {name: size.fewest for name, size in self.method.sizes_of(counts).items()}

    def cost(self, options: Mapping[str, Any]) -> Forecast:
        """What all chains ask for.

        Raises:
            SizesDoNotFit: if the sizes do not go together.
        """
        each = self.method.designs_per_chain(options)
        if isinstance(each, int) and each > 0 and self.samples % each:
            raise SizesDoNotFit(
                f"a chain returns all its {each} particles, so samples must be a multiple of {each}, got {self.samples}"
            )
        one, chains = forecast(self.method, options, self.process, self.value), self.samples // each
        return Forecast(one.rewards * chains, one.rows * chains)

    def fits(self, options: Mapping[str, Any]) -> bool:
        """Whether the sizes go together and stay within the budget."""
        try:
            self._last = self.cost(options)
        except SizesDoNotFit as misfit:
            self._last, self._misfit = None, self._misfit or misfit
            return False
        self._together = True
        return self._last.fits(self.budget)

    def lowered(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """The rule.

        Raises:
            SizesDoNotFit: if no sizes that were tried go together: then the budget is not the reason.
            ValueError: if nothing fits.
        """
        if not self.planned or self.fits(wanted):
            return wanted
        sizes = [name for name in self.lowest if name == "every" or isinstance(wanted.get(name), int)]
        tried = dict(wanted)
        for number, name in enumerate(sizes, 1):
            tried |= {name: self.lowest[name] if name == "every" else min(self.lowest[name], wanted[name])}
            if self.fits(tried):
                return self._given_back(tried, wanted, sizes[:number])
        if self._misfit is not None and not self._together:
            raise self._misfit
        raise ValueError(
            f"a budget of {self.budget} does not cover {self.samples} designs of {self.process.steps} steps, which ask for "
            f"{'at least ' + _told(self._last) if self._last else 'more'}; raise it, or ask for fewer designs or steps"
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
