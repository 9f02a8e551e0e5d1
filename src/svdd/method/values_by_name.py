"""Values and methods by name, as `decode` and the command line take them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from svdd.chain.tree import rows
from svdd.messages import check, check_known
from svdd.method.filtered_values import filtered, screened
from svdd.method.learned_values import Learned
from svdd.method.values import Value, monte_carlo, posterior_mean, rollout, true_at_the_end, zero
from svdd.scoring.reward import Reward


def _filtered(reward: Reward, temperature: float, samples: int | None = None, rescore: int | None = None) -> Value:
    check(
        samples is None or rescore is None,
        f"filtered takes samples or rescore, not both, got samples={samples} and rescore={rescore}",
    )
    if rescore is None:
        return filtered(reward, samples, temperature)
    return screened(reward, rescore, temperature)


VALUES: dict[str, Callable[..., Value]] = {
    "posterior-mean": lambda reward, temperature: posterior_mean(reward),
    "log-mean-exp": lambda reward, temperature, samples=4: monte_carlo(reward, samples, temperature),
    "rollout": lambda reward, temperature, steps=4, samples=1: rollout(reward, steps, samples, temperature),
    "filtered": _filtered,
    "zero": lambda reward, temperature: zero(reward),
}
"""What makes a value of a reward and a temperature; what else it takes may follow its name, `log-mean-exp,samples=8`."""


def names_value(text: str) -> bool:
    """Whether a text is a name of `VALUES`, alone or with options."""
    return text.partition(",")[0] in VALUES


def read_value(text: str) -> tuple[str, dict[str, int]]:
    """A value's name and the options behind it, `NAME,OPTION=NUMBER,...`.

    Raises:
        ValueError: for an unknown name or option, and for what is no whole number; it lists the nearest.
    """
    name, *given = text.split(",")
    check_known("value", name, VALUES)
    known = [option for option in inspect.signature(VALUES[name]).parameters if option not in ("reward", "temperature")]
    options = dict[str, int]()
    for one in given:
        option, _, number = (part.strip() for part in one.partition("="))
        check_known(f"option of {name}", option, known)
        if not number.isdecimal() or option in options:
            raise ValueError(f"value {text!r:.80}: {option} is one whole number, such as {name},{option}=8")
        options[option] = int(number)
    return name, options


def make_value(value: str | Value, reward: Reward, temperature: float) -> Value:
    """A value by name and options, a learned one, or a function of particles; `reward` at the end in any case.

    Raises:
        ValueError: for an unknown name or option; it lists the nearest.
    """
    if isinstance(value, Learned):
        return Learned(value.predictor, reward, value.temperature)
    if not isinstance(value, str):
        return true_at_the_end(value, reward)
    name, options = read_value(value)
    return VALUES[name](reward, temperature, **options)


def rehearsed(value: str | Value, options: Mapping[str, Any]) -> Callable[[Reward], Value]:
    """The value as far as its cost goes: a learned one asks nothing, one of your own is taken for the posterior mean.

    A winner of a screen that was not rescored costs one more network row: above temperature 0 each is taken to be one.
    """
    if isinstance(value, Learned):
        return lambda reward: Learned(
            lambda x, t, cond: torch.zeros(rows(x), device="cpu", dtype=torch.float32), reward
        )
    name, given = read_value(value) if isinstance(value, str) else ("posterior-mean", {})
    temperature = float(options.get("temperature", 0.0))
    if "rescore" in given and temperature > 0:
        given, temperature = given | {"rescore": given["rescore"] + 1}, 0.0
    return lambda reward: VALUES[name](reward, temperature, **given)
