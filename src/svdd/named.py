"""Values and methods by name, as `decode` and the command line take them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from svdd.algorithms import METHODS, Method
from svdd.billing import true_at_the_end
from svdd.suggestions import unknown
from svdd.tree import rows
from svdd.values import Learned, Reward, Value, monte_carlo, posterior_mean, rollout, zero

VALUES: dict[str, Callable[..., Value]] = {
    "posterior-mean": lambda reward, temperature: posterior_mean(reward),
    "log-mean-exp": lambda reward, temperature: monte_carlo(reward, temperature=temperature),
    "rollout": lambda reward, temperature: rollout(reward, temperature=temperature),
    "zero": lambda reward, temperature: zero(reward),
}


def make_value(value: str | Value, reward: Reward, temperature: float) -> Value:
    """A value by name, a learned one, or a function of particles; `reward` at the end in any case.

    Raises:
        ValueError: for an unknown name; it lists the nearest.
    """
    if isinstance(value, Learned):
        return Learned(value.predictor, reward, value.temperature)
    if not isinstance(value, str):
        return true_at_the_end(value, reward)
    if value not in VALUES:
        raise ValueError(unknown("value", value, VALUES))
    return VALUES[value](reward, temperature)


def rehearsed(value: str | Value, options: Mapping[str, Any]) -> Callable[[Reward], Value]:
    """The value as far as its cost goes: a learned one asks nothing, one of your own is taken for the posterior mean."""
    if isinstance(value, Learned):
        return lambda reward: Learned(lambda x, t, cond: torch.zeros(rows(x)), reward)
    name = value if isinstance(value, str) else "posterior-mean"
    return lambda reward: make_value(name, reward, float(options.get("temperature", 0.0)))


def make_method(name: str, options: Mapping[str, Any]) -> Method:
    """The row of `METHODS`, once the options are known to be its own.

    Raises:
        ValueError: for an unknown method or option; it lists the nearest.
    """
    if name not in METHODS:
        raise ValueError(unknown("method", name, METHODS))
    method = METHODS[name]
    for option in options:
        if option not in method.options:
            raise ValueError(unknown(f"option of {name}", option, method.options))
    return method
