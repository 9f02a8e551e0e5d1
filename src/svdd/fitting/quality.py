"""Quality: how well a learned value and two look-aheads predict the reward, on roll-outs that no value has seen."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.process import Particles, Process
from svdd.chain.rng import CONTINUATIONS, HELD_OUT, LOOK_AHEAD
from svdd.chain.tree import take
from svdd.fitting.rollouts import Rollouts, Tell, at_steps, roll_out, unguided
from svdd.fitting.settings import Settings
from svdd.method.learned_values import Learned
from svdd.method.values import Value, evaluate, log_mean_exp, monte_carlo, posterior_mean
from svdd.scoring.reward import Reward

DRAWS = 4  # of the sampled look-ahead
_BINS, _STATES = 4, 4
Row = dict[str, Any]
PerState = Float[Tensor, " r"]


def measured(process: Process, reward: Reward, value: Learned, settings: Settings, tell: Tell) -> dict[str, list[Row]]:
    """Tables of R2, Pearson correlation and bias by time.

    `roll_outs` is against the reward of the same roll-out, whose own spread keeps R2 below 1 for any value;
    `continuations` is against an average over independent continuations of each state, with its standard error.

    Args:
        process: accounted.
        reward: accounted.
        value: what was fitted.
        settings: of the fit.
        tell: told of the steps taken.

    Cost:
        as many roll-outs as `held_out`, and half of T network rows a continuation on average.
    """
    held = roll_out(
        process, reward, settings.held_out, states=_STATES, seed=settings.seed, stream=HELD_OUT, cond=settings.cond,
        tell=lambda words, done, total: tell("held-out roll-outs", done, total),
    )  # fmt: skip
    said = predictions(process, reward, value, held, settings)
    tables = {"roll_outs": by_time(held, process, said, held.label, None)}
    states, k = settings.nested
    if states and k > 1:
        some = held.step.argsort(stable=True)[
            torch.linspace(0, len(held) - 1, min(states, len(held)), device="cpu", dtype=torch.float32).long()
        ]
        few = subset(held, some)
        truth, error = continued(process, reward, few, k, settings, tell)
        tables["continuations"] = by_time(few, process, {name: v[some] for name, v in said.items()}, truth, error)
    return tables


def subset(rollouts: Rollouts, index: Int64[Tensor, " s"]) -> Rollouts:
    """Some of the states."""
    x, step, chain, cond = take((rollouts.x, rollouts.step, rollouts.chain, rollouts.cond), index)
    return Rollouts(x, step, chain, cond, rollouts.reward, rollouts.finished)


def predictions(
    process: Process, reward: Reward, value: Learned, rollouts: Rollouts, settings: Settings
) -> dict[str, PerState]:
    """What the learned value, the posterior mean and a sampled look-ahead say of every state."""
    temperature = float(settings.temperature) if settings.temperature else torch.inf
    sampled = _mean_of_draws(reward) if settings.soft is None else monte_carlo(reward, DRAWS, temperature)
    values: dict[str, Value] = {"learned": value, "posterior mean": posterior_mean(reward)}
    values["mean of draws" if settings.soft is None else "log-mean-exp"] = sampled

    def ask(particles: Particles) -> dict[str, Tensor]:
        return {name: one(particles).double() for name, one in values.items()}

    return dict(at_steps(process, rollouts, settings.seed, LOOK_AHEAD, ask))


def _mean_of_draws(reward: Reward) -> Value:
    def value(particles: Particles) -> Float[Tensor, " n"]:
        assert particles.rng is not None, "the states have streams"
        x0 = particles.posterior.sample(DRAWS, particles.rng)
        return evaluate(reward, particles, x0).view(-1, DRAWS).mean(1)

    return value


def continued(
    process: Process, reward: Reward, rollouts: Rollouts, k: int, settings: Settings, tell: Tell
) -> tuple[PerState, PerState]:
    """The target of every state from K continuations of the chain, and the standard error of that."""
    done = 0

    def ask(particles: Particles) -> Tensor:
        nonlocal done
        *_, ahead = unguided(particles.propose(k))
        done += len(particles)
        tell("continuing held-out states", done, len(rollouts))
        return evaluate(reward, ahead, ahead.x).view(-1, k)

    ends = at_steps(process, rollouts, settings.seed, CONTINUATIONS, ask)
    if settings.soft is None:
        return ends.mean(1), ends.std(1) / k**0.5
    weight = ((ends - ends.amax(1, keepdim=True)) / settings.soft).exp()
    return log_mean_exp(ends, settings.soft), settings.soft * weight.std(1) / weight.mean(1) / k**0.5


def by_time(
    rollouts: Rollouts, process: Process, said: Mapping[str, PerState], truth: PerState, error: PerState | None
) -> list[Row]:
    """One row for all states and one for each quarter of the steps: agreement of every value with the truth."""
    bins = min(_BINS, process.steps)
    which = rollouts.step * bins // process.steps
    usable = truth.isfinite()
    for values in said.values():
        usable &= values.isfinite()
    rows = []
    for number in (None, *range(bins)):
        chosen = usable if number is None else usable & (which == number)
        if int(chosen.sum()) < 3:
            continue
        t = process.times[rollouts.step[chosen]]
        row: Row = {"from_t": float(t.max()), "to_t": float(t.min()), "states": int(chosen.sum())}
        row["spread"] = float(truth[chosen].std())
        if error is not None:
            noise = float(error[chosen].square().mean())
            row["r2_ceiling"] = 1 - noise / max(row["spread"] ** 2, 1e-300)
        row |= {name: agreement(values[chosen], truth[chosen]) for name, values in said.items()}
        rows.append(row)
    return rows


def agreement(said: Float[Tensor, " s"], truth: Float[Tensor, " s"]) -> dict[str, float | None]:
    """R2, Pearson correlation and mean difference; None where the truth, or what is said of it, does not vary."""
    error, spread = said - truth, truth - truth.mean()
    varies = float(spread.square().sum()) > 1e-12
    both = varies and float(said.std()) > 1e-9
    return {
        "r2": 1 - float(error.square().sum() / spread.square().sum()) if varies else None,
        "pearson": float(torch.corrcoef(torch.stack([said, truth]))[0, 1]) if both else None,
        "bias": float(error.mean()),
    }
