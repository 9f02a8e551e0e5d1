"""Which method when, as data: what a plan looks at, and the rules by which it chooses. Nothing here imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

States = Literal["letters", "tokens", "continuous"]
"""What a model's states are: tokens that are letters of the design in their places, other tokens, or anything else."""
Needs = Literal["samples", "tokens", "noise", "chance"]
"""What a way needs of a model: samples of its own, steps of tokens, its forward noise, or steps that are drawn."""

_TOKENS: tuple[States, ...] = ("letters", "tokens")
_ALL: tuple[States, ...] = (*_TOKENS, "continuous")


@dataclass(frozen=True)
class Way:
    """A method with its value, and the size that a plan finds.

    Args:
        method: a name of `METHODS`.
        size: the option that is its size.
        usual: its size where the budget does not bound it.
        most: its size at most.
        value: its look-ahead; empty where it has none.
        options: its further settings.
        needs: what it needs of the model.
    """

    method: str
    size: str
    usual: int
    most: int
    value: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[Needs, ...] = ()


WAYS: Mapping[str, Way] = {
    "best-of-n": Way("best-of-n", "particles", usual=30, most=1000, needs=("samples",)),
    "filtered": Way("svdd", "candidates", usual=40, most=100, value="filtered", needs=("samples", "chance", "tokens")),
    "posterior-mean": Way("svdd", "candidates", usual=10, most=100, value="posterior-mean", needs=("samples", "chance")),
    "refine": Way("refine", "moves", usual=100, most=10_000, needs=("noise",)),
    "few-moves": Way(
        "refine", "moves", usual=24, most=24, options={"best_of": 6, "fraction": 0.3}, needs=("samples", "noise")
    ),
    "pruning": Way(
        "beam", "width", usual=8, most=100, value="posterior-mean", options={"candidates": 1, "narrowing": "psp"},
        needs=("samples",),
    ),
}  # fmt: skip
"""What a plan looks at."""


@dataclass(frozen=True)
class Rule:
    """When a way is recommended: the first rule that holds decides.

    Args:
        way: a name of `WAYS`.
        least: its size, which the budget must allow.
        reason: a sentence.
        calls: reward calls per design that the budget must not exceed.
        states: of the model.
        usual: the usual value of the model; any if empty.
    """

    way: str
    least: int
    reason: str
    calls: float | int = float("inf")
    states: tuple[States, ...] = _ALL
    usual: str = ""


RULES: tuple[Rule, ...] = (
    Rule(
        "few-moves", 8, "With so few reward calls per design, moves of the best of 6 samples are no worse than more samples.",
        calls=30,
    ),
    Rule("best-of-n", 1, "With so few reward calls per design the best of whole samples is hard to beat.", calls=30),
    Rule(
        "filtered", 40, "Rewards are cheap enough for 40 candidates per step, which ask for no network row of their own.",
        states=("letters",), usual="filtered",
    ),
    Rule(
        "posterior-mean", 10,
        "Rewards and network rows suffice for 10 candidates per step, each valued with its own network row.",
        usual="posterior-mean",
    ),
    Rule(
        "refine", 30, "Between 30 and 1,000 reward calls per design moves of finished designs gain more per call than steps.",
        calls=1000,
    ),
    Rule(
        "filtered", 10, "Network rows are scarce, and candidates that are valued with their parent's answer ask for none.",
        states=("letters",),
    ),
    Rule(
        "pruning", 2, "Network rows are scarce, so few particles are followed, and half of them to the end.",
        states=("continuous",),
    ),
    Rule("refine", 30, "The budget is too small for 10 candidates per step, and moves of finished designs cost less."),
    Rule("filtered", 2, "The budget allows a few candidates per step, without network rows.", states=("letters",)),
    Rule("best-of-n", 1, "The budget is too small for anything but whole samples."),
    Rule("refine", 1, "The run begins with finished designs, and the budget allows a few moves of them."),
)  # fmt: skip
"""The rules, in their order; one of the last two holds wherever anything runs."""
