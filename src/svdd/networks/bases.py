"""What networks share: the arguments they were made with, and outputs in the units of their target."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Configured(nn.Module):
    """A network that keeps the arguments it was made with as `config`, from which a weight file makes it again.

    Args:
        arguments: `locals()` of the constructor, before it has any other variable.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        given = {name: value for name, value in arguments.items() if name not in ("self", "__class__")}
        # lists, as JSON gives them back
        self.config: dict[str, Any] = {
            name: list(value) if isinstance(value, tuple) else value for name, value in given.items()
        }


class Scaled(Configured):
    """A network whose output is scale * network(...) + shift.

    `scale` and `shift` are buffers set after training (the units of the target) and saved with the weights.

    Args:
        arguments: as of `Configured`; `outputs` is one of them.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__(arguments)
        self.register_buffer("scale", torch.ones(arguments["outputs"]))
        self.register_buffer("shift", torch.zeros(arguments["outputs"]))

    def in_units(self, output: Tensor) -> Tensor:
        """An output in the units of the target."""
        return output * self.scale + self.shift
