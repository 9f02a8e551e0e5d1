"""Given designs: a process that begins with finished designs, for methods that change such."""

from dataclasses import replace
from typing import Any

import torch

from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree, rows, take


def begun_with(process: Process, designs: Any) -> Process:
    """The process that begins with given designs.

    Args:
        process: one that can `encode` designs.
        designs: any number; chain i begins with design i, counted round.

    Raises:
        ValueError: for another process, no designs, and designs that the process cannot make.
    """
    x_0, x_T = states_of(process, designs)
    return replace(process, given=lambda n, rng: (of_chains(x_0, n, rng), of_chains(x_T, n, rng)))


def states_of(process: Process, designs: Any) -> tuple[Tree, Tree]:
    """The clean states of designs, and the noise that shows what is kept of them.

    Raises:
        ValueError: as `begun_with`.
    """
    if process.encode is None:
        raise ValueError(
            f"{process.about.get('name', 'this model')} cannot begin with given designs, since nobody has said which states "
            "they are: give its Process encode=, the inverse of its decode"
        )
    if not len(designs):
        raise ValueError("there are no designs to begin with")
    return process.encode(designs)


def of_chains(tree: Tree, n: int, rng: Rng) -> Tree:
    """A row for each of n particles: chain i has row i, counted round."""
    chain = torch.tensor(rng.ids, device="cpu") % rows(tree)
    return take(tree, chain.repeat_interleave(n // len(rng)))
