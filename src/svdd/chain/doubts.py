"""Doubts: faults that a device looks for, read only when the CPU has waited for something else.

Whether numbers are NaN is cheap to ask on the device that has them, but each answer that the CPU waits for stops it. So the
answer travels while the run goes on, and is read before anything is chosen.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def has_nan(x: Float[Tensor, "..."]) -> Bool[Tensor, ""]:
    """Whether any number is NaN; the smallest one is then, and nothing is made for each number."""
    return x.amin().isnan() if x.numel() else torch.zeros((), dtype=torch.bool, device=x.device)


class Doubt:
    """A fault that may have been found.

    Args:
        flag: whether it was.
        error: makes what is to be raised.
    """

    def __init__(self, flag: Bool[Tensor, ""], error: Callable[[], Exception]) -> None:
        self._error, self._ready = error, None
        if flag.device.type == "cuda":
            self._flag, self._ready = flag.to("cpu", non_blocking=True), torch.cuda.Event()
            self._ready.record()
        else:
            self._flag = flag

    def check(self) -> None:
        """Raises the error if the fault was found."""
        if self._ready is not None:
            self._ready.synchronize()
        if bool(self._flag):
            raise self._error()
