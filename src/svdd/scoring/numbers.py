"""Answers of rewards as numbers: one float64 per design, on the CPU, and what stands where there is no number."""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from svdd.scoring.answers import plain_numbers
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
        RewardError: for anything but one number per design.
    """
    if _is_vector(numbers, n):  # copied, since it may be written into again
        vector = numbers if isinstance(numbers, Tensor) else torch.from_numpy(numbers.astype(np.float64))
        return vector.detach().to("cpu", torch.float64, copy=True)
    return torch.tensor(plain_numbers(numbers, n, source), dtype=torch.float64, device="cpu")


def _is_vector(numbers: Any, n: int) -> bool:
    """Whether they are n floating-point numbers in a plain tensor or array, which need no look at each."""
    if type(numbers) is Tensor:
        return (
            numbers.shape == (n,)
            and numbers.is_floating_point()
            and numbers.layout == torch.strided
            and not numbers.is_meta
        )
    return type(numbers) is np.ndarray and numbers.shape == (n,) and numbers.dtype in (np.float64, np.float32)


def checked(numbers: Any, designs: Any, n: int, source: str = "reward") -> Float[Tensor, " n"]:
    """`numbers` as n float64 numbers on the CPU, once they are known to be usable.

    Raises:
        RewardError: for a wrong type, length or shape, for NaN and for +inf; it names the rows and shows one design.
    """
    tensor = as_numbers(numbers, n, source)
    if (tensor.numpy() < np.inf).all():
        return tensor
    bad = (tensor.isnan() | tensor.isposinf()).nonzero().flatten().tolist()
    kinds = ["NaN" if math.isnan(number) else "+inf" for number in tensor[bad].tolist()]
    raise RewardError(
        f"the {source} returned {kinds[0]} for {len(bad)} of {n} designs (rows {str(bad[:5])[1:-1]}"
        f"{', ...' if len(bad) > 5 else ''}), such as {shown(designs, bad[0])}; "
        "return -inf for an invalid design"
    )


def read_answer(answer: Any, n: int, source: str = "reward") -> tuple[Float[Tensor, " n"], dict[int, Failure]]:
    """The numbers of an answer, and the failures in it by row; a reason of an invalid design is one of kind `invalid`.

    Raises:
        RewardError: for an answer that is not one number per design.
    """
    failures = dict[int, Failure]()
    if _is_vector(answer, n):
        numbers = as_numbers(answer, n, source)
    else:
        values = plain_numbers(answer, n, source)
        failures |= {i: one for i, one in enumerate(values) if isinstance(one, Failure)}
        failures |= {i: Failure("invalid", one.why) for i, one in enumerate(values) if isinstance(one, Invalid)}
        plain = [0.0 if isinstance(one, Failure) else one for one in values]
        numbers = torch.tensor(plain, dtype=torch.float64, device="cpu")
    for i in np.flatnonzero(~(numbers.numpy() < np.inf)).tolist():
        failures[i] = Failure("nan", str(float(numbers[i])))
    return numbers, failures
