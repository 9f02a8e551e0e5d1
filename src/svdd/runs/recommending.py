"""A plan before a run: which method, value and size a model and a reward call for, and what the run would cost."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from svdd.chain.filtering import TokenStep
from svdd.chain.process import Process
from svdd.cost.budget import Budget
from svdd.decoding.planning import Forecast, forecast
from svdd.messages import check, number
from svdd.method.advice import RULES, WAYS, Needs, Rule, States, Way
from svdd.method.table import METHODS
from svdd.method.values_by_name import rehearsed
from svdd.registry import find_process, find_reward
from svdd.runs.rates import Rates, rates
from svdd.scoring.reward import Reward, close

if TYPE_CHECKING:
    import pandas as pd

PATIENCE = 3600
"""Seconds that a run may take where its budget names neither reward calls nor seconds."""
_NOTHING = Forecast(0, 0)
_WHY_NOT: dict[Needs, str] = {
    "samples": "the run begins with finished designs",
    "tokens": "the model's steps are not of tokens",
    "noise": "the model has no forward noise",
    "chance": "the model's steps are deterministic",
}


@dataclass(frozen=True)
class Choice:
    """A method at the size that the budget allows.

    Args:
        way: the method and its value.
        size: 0 where it cannot run.
        asks: what a run asks for at most.
        seconds: that a run takes, as predicted.
        note: why it cannot run; empty where it can.
    """

    way: Way
    size: int = 0
    asks: Forecast = _NOTHING
    seconds: float = 0.0
    note: str = ""

    @property
    def value(self) -> dict[str, str]:
        """Its value, where it has one."""
        return {"value": self.way.value} if self.way.value else {}

    @property
    def sizes(self) -> dict[str, Any]:
        """Its size and further settings."""
        return {self.way.size: self.size, **self.way.options}

    @property
    def settings(self) -> dict[str, Any]:
        """Method, value and sizes, as `svdd.decode` and a job take them."""
        return {"method": self.way.method, **self.value, **self.sizes}


@dataclass(frozen=True, repr=False, eq=False)
class Recommendation:
    """What a plan looked at, and what it recommends.

    Args:
        choices: each method at the size that the budget allows.
        best: the recommended one.
        reason: why, in a sentence.
        notes: what was measured and what bounds the sizes, in sentences.
        rates: what a network row, a reward call and a step took.
        command: the run, to be copied.
        samples: designs of the run.
    """

    choices: Sequence[Choice]
    best: Choice
    reason: str
    notes: Sequence[str]
    rates: Rates
    command: str
    samples: int

    @property
    def settings(self) -> dict[str, Any]:
        """Of the recommended run, for `svdd.decode(model, reward, **settings)`."""
        return {"samples": self.samples, **self.best.settings}

    def rows(self) -> list[dict[str, Any]]:
        """A row for each method: its size, what the run asks for at most, its predicted seconds, and a note."""
        return [
            {
                "method": one.way.method, "value": one.way.value,
                "size": ", ".join(f"{name}={said}" for name, said in one.sizes.items()) if one.size else "",
                "reward_rows": one.asks.rewards, "network_rows": one.asks.rows, "seconds": one.seconds,
                "seconds_per_design": one.seconds / self.samples,
                "note": "recommended" if one is self.best else one.note,
            }
            for one in self.choices
        ]  # fmt: skip

    def to_frame(self) -> "pd.DataFrame":
        """The same as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    @property
    def sentences(self) -> list[str]:
        """The recommendation, the measurements and the command."""
        best, value = self.best, "".join(f", value {name}" for name in self.best.value.values())
        sizes = ", ".join(f"{name} {number(said)}" for name, said in best.sizes.items())
        cost = f"about {number(best.seconds)} s in all"
        return [f"{best.way.method}{value}, {sizes}: {cost}. {self.reason}", *self.notes, self.command]

    def __repr__(self) -> str:
        rows = self.rows()
        table = [" | ".join(rows[0]), *(" | ".join(number(cell) for cell in row.values()) for row in rows)]
        return "\n".join([*table, "", *self.sentences])


@dataclass(frozen=True)
class _Limits:
    """What bounds the sizes."""

    given: Budget | None
    samples: int
    rates: Rates

    @property
    def budget(self) -> Budget:
        """The one that was given, with an hour where it names neither reward calls nor seconds."""
        told = self.given.record() if self.given else {}
        bounded = told.keys() & {"rewards", "seconds"}
        return Budget.of(told if bounded else {**told, "seconds": PATIENCE})

    def fits(self, asks: Forecast) -> bool:
        """Whether a run stays within all of them."""
        limit = self.budget
        return asks.fits(limit) and self.rates.seconds(asks) <= (limit.seconds or float("inf"))

    def decides(self, one: Forecast, two: Forecast) -> bool:
        """Whether the budget that was given tells two sizes apart."""
        told = set(self.given.record()) if self.given else set()
        return any(getattr(one, name) != getattr(two, name) for name in told & {"rewards", "rows"}) or "seconds" in told

    @property
    def calls(self) -> float:
        """Reward calls per design that they allow, if nothing else cost anything."""
        limit = self.budget
        timed = (limit.seconds or float("inf")) / max(self.rates.reward, 1e-9)
        return min(limit.rewards or float("inf"), timed) / self.samples


def plan(
    model: Process | str,
    reward: Reward | str,
    *,
    budget: Budget | Mapping[str, Any] | None = None,
    samples: int = 64,
    model_options: Mapping[str, Any] | None = None,
    reward_options: Mapping[str, Any] | None = None,
    batch: int | None = None,
    chunks: Mapping[str, int] | None = None,
) -> Recommendation:
    """Recommends method, value and sizes for a model and a reward, from a few timed rows of both.

    Args:
        model: a name, as `svdd.load` takes it, or a `svdd.Process`.
        reward: a name, as `svdd.load_reward` takes it, or a function.
        budget: some of `rewards`, `rows` and `seconds`, of the whole run; an hour unless it names rewards or seconds.
        samples: designs of the run.
        model_options: of a model given by name.
        reward_options: of a reward given by name.
        batch: chains at once.
        chunks: rows at a time, as of `svdd.decode`.

    Returns:
        The table, the recommendation, and its settings for `svdd.decode`.

    Raises:
        ValueError: for what is unknown or does not fit together, and for a budget that no method fits.
        RewardError: for an answer that is not one number per design.

    Cost:
        at most 3 network rows per sample, 1 more, and those of 16 unguided designs; at most 16 reward rows, fewer once they
        have taken 10 s. No answer is kept.
    """
    check(samples > 0, f"samples must be at least 1, got {samples}")
    limit = None if budget is None else Budget.of(budget)
    make, guide = find_process(model, model_options), find_reward(reward, reward_options)
    process, asked = make(), guide()
    try:
        settings = {"batch": batch, "chunks": chunks}
        beside = {"model_options": model_options, "reward_options": reward_options, **settings}
        written = _called(model, reward, {name: value for name, value in beside.items() if value})
        return recommended(process, asked, limit, samples, written, settings)
    finally:
        if isinstance(reward, str):
            close(asked)


def _called(model: Any, reward: Any, beside: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], str]:
    """What writes a call of `svdd.decode`; objects are called what they are."""
    names = [repr(one) if isinstance(one, str) else word for word, one in (("model", model), ("reward", reward))]

    def written(settings: Mapping[str, Any]) -> str:
        further = [f"{name}={value!r}" for name, value in {**beside, **settings}.items()]
        return f"svdd.decode({', '.join([*names, *further])})"

    return written


def recommended(
    process: Process,
    reward: Reward,
    budget: Budget | None,
    samples: int,
    command: Callable[[Mapping[str, Any]], str],
    settings: Mapping[str, Any],
) -> Recommendation:
    """As `plan`, of what is loaded already; `command` writes the run, and `settings` are its `batch` and `chunks`."""
    timed = rates(process, reward, samples, **settings)
    limits = _Limits(budget, samples, timed)
    choices = {name: _choice(way, process, limits) for name, way in WAYS.items()}
    rule = next((rule for rule in RULES if _holds(rule, choices[rule.way], process, limits.calls)), None)
    if rule is None:
        raise _nothing_fits(choices.values(), process, limits)
    best = choices[rule.way]
    written = command({"samples": samples, **best.settings})
    return Recommendation(list(choices.values()), best, rule.reason, _notes(limits), timed, written, samples)


def states_of(process: Process) -> States:
    """What the states of a model are."""
    if not isinstance(process.transition, TokenStep):
        return "continuous"
    return "letters" if process.kind is not None and process.kind.sitewise else "tokens"


def _holds(rule: Rule, choice: Choice, process: Process, calls: float) -> bool:
    affordable = choice.size >= rule.least and calls <= rule.calls
    return affordable and states_of(process) in rule.states and rule.usual in ("", process.usual_value)


def _why_not(way: Way, process: Process, timed: Rates) -> str:
    """Why the model cannot be decoded in this way; empty where it can."""
    has = {
        "samples": process.given is None, "tokens": isinstance(process.transition, TokenStep),
        "noise": process.noising is not None, "chance": timed.drawn,
    }  # fmt: skip
    return next((_WHY_NOT[need] for need in way.needs if not has[need]), "")


def _choice(way: Way, process: Process, limits: _Limits) -> Choice:
    """A method at the largest size within the limits; a size that the budget does not decide is the usual one at most."""
    if why := _why_not(way, process, limits.rates):
        return Choice(way, note=why)

    @cache
    def asks(size: int) -> Forecast:
        return _asks(way, size, process, limits.samples)

    fewest = METHODS[way.method].sizes[way.size].fewest
    most = way.most if limits.decides(asks(fewest), asks(fewest + 1)) else way.usual
    size = bisect_right(range(1, most + 1), False, key=lambda size: not limits.fits(asks(size)))
    if size < fewest:
        return Choice(way, note="does not fit the budget")
    return Choice(way, size, asks(size), limits.rates.seconds(asks(size)))


def _asks(way: Way, size: int, process: Process, samples: int) -> Forecast:
    method, options = METHODS[way.method], {**way.options, way.size: size}
    one = forecast(method, options, process, rehearsed(way.value or process.usual_value, method.defaults() | options))
    return Forecast(one.rewards * samples, one.rows * samples)


def _notes(limits: _Limits) -> list[str]:
    timed, few = limits.rates, limits.rates.spent
    hour = "" if limits.budget == limits.given else ", since the budget names neither reward calls nor seconds"
    return [
        f"The sizes stay within {limits.budget}{hour}.",
        f"Measured: {number(timed.network)} s per network row and {number(timed.reward)} s per reward call, on {few.rows:,} "
        f"network rows and {few.rewards:,} reward calls that are thrown away.",
    ]


def _nothing_fits(choices: Iterable[Choice], process: Process, limits: _Limits) -> ValueError:
    """What is said where no method fits, with the least that one of them asks for."""
    able = [one.way for one in choices if not _why_not(one.way, process, limits.rates)]
    if not able:
        return ValueError("no method runs: the run begins with finished designs, and the model has no forward noise")
    fewest = [_asks(way, METHODS[way.method].sizes[way.size].fewest, process, limits.samples) for way in able]
    least = min(fewest, key=limits.rates.seconds)
    return ValueError(
        f"{limits.budget} do not cover {limits.samples} designs of {process.steps} steps, which ask for at least "
        f"{least.rewards:,} reward calls and {least.rows:,} network rows, about {number(limits.rates.seconds(least))} s; "
        "raise the budget, or ask for fewer designs or steps"
    )
