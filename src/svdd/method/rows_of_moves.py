"""What the moves of `refine` ask for, from what few of them ask for."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from svdd.chain.process import Process
from svdd.method.kept_paths import WHOLE
from svdd.method.revealed_again import reveals

Asked: TypeAlias = tuple[int, int]
"""Rows of the reward and of the network."""


def rows_of_moves(rehearsed: Callable[..., Asked], process: Process, options: Mapping[str, Any]) -> Asked:
    """What a chain asks for at most; all moves cost what the first costs, but for those that `exact` makes longer.

    Args:
        rehearsed: what a chain asks for with other settings of the method.
        process: the model.
        options: all settings of the method.
    """
    (rewards, rows), (rewards_then, rows_then) = (rehearsed(moves=count) for count in (0, 1))
    moves, each = options["moves"], rows_then - rows
    total = rows + moves * each
    if options["exact"]:
        whole = rehearsed(moves=1, fraction=1.0)[1] - rows
        total += (moves + 1) * whole // options["tries"] if reveals(process) else moves // WHOLE * (whole - each)
    return rewards + moves * (rewards_then - rewards), total
