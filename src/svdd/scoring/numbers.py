"""Answers of rewards as numbers: one float64 per design, on the CPU, and what stands where there is no number."""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from svdd.scoring.reward import Failure, Invalid, RewardError


def shown(designs: Any, row: int) -> str:
    """One design, for a message."""
    try:
        text = repr(designs[row])
    except (TypeError, KeyError, IndexError):
        return "a design that cannot be shown"
    return text if len(text) <= 80 else text[:77] + "..."


def as_numbers(numbers: Any, n: int, source: str = "reward") -> Float[Tensor, " n"]:
    """`numbers` as n float64 numbers on the CPU, whatever they are.

    Raises:
        RewardError: for a wrong type, length or shape.
    """
    try:
        tensor = numbers.detach() if isinstance(numbers, Tensor) else torch.as_tensor(np.array(numbers), device="cpu")
        if tensor.is_complex():
            raise TypeError
        tensor = tensor.to("cpu", torch.float64, copy=True)  # a reward may write into the same array again
    except (TypeError, ValueError, RuntimeError):
        raise RewardError(
            f"the {source} must return {n} numbers, one a design, but returned a {type(numbers).__name__}: "
            f"{numbers!r:.80}"
        ) from None
    if tensor.shape != (n,):
        raise RewardError(
            f"the {source} was given {n} designs and must return {n} numbers of shape ({n},), "
            f"but returned shape {tuple(tensor.shape)}"
        )
    return tensor


def checked(numbers: Any, designs: Any, n: int, source: str = "reward") -> Float[Tensor, " n"]:
    """`numbers` as n float64 numbers on the CPU, once they are known to be usable.

    Raises:
        RewardError: for a wrong type, length or shape, for NaN and for +inf; it names the rows and shows one design.
    """
    tensor = as_numbers(numbers, n, source)
    bad = (tensor.isnan() | tensor.isposinf()).nonzero().flatten().tolist()
    kinds = ["NaN" if math.isnan(number) else "+inf" for number in tensor[bad].tolist()]
    if bad:
        raise RewardError(
            f"the {source} returned {kinds[0]} for {len(bad)} of {n} designs (rows {str(bad[:5])[1:-1]}"
            f"{', ...' if len(bad) > 5 else ''}), such as {shown(designs, bad[0])}; "
            "return -inf for an invalid design"
        )
    return tensor


def listed(answer: Any, n: int, source: str) -> list[Any]:
    """An answer as a list of numbers; `Invalid` and `Failure` stay what they are.

    Raises:
        RewardError: for an answer that is not one number per design.
    """
    numbers, failures = read_answer(answer, n, source)
    values: list[Any] = numbers.tolist()
    for row, one in [(row, one) for row, one in failures.items() if one.kind != "nan"]:
        values[row] = Invalid(one.why) if one.kind == "invalid" else one
    return values


def read_answer(answer: Any, n: int, source: str = "reward") -> tuple[Float[Tensor, " n"], dict[int, Failure]]:
    """The numbers of an answer, and the failures in it by row; a reason of an invalid design is one of kind `invalid`.

    Raises:
        RewardError: for an answer that is not one number per design.
    """
    listed = answer if isinstance(answer, list) else []
    failures = {i: one for i, one in enumerate(listed) if isinstance(one, Failure)}
    plain = [0.0 if isinstance(one, Failure) else one for one in listed] if failures else answer
    failures |= {i: Failure("invalid", one.why) for i, one in enumerate(listed) if isinstance(one, Invalid)}
    numbers = as_numbers(plain, n, source)
    for i in (numbers.isnan() | numbers.isposinf()).nonzero().flatten().tolist():
        failures[i] = Failure("nan", str(float(numbers[i])))
    return numbers, failures
