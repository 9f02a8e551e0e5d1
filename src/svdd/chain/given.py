"""Given designs: a process that begins with finished designs, for methods that change such."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

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
    if process.encode is None:
        raise ValueError(
            f"{process.about.get('name', 'this model')} cannot begin with given designs, since nobody has said which states "
            "they are: give its Process encode=, the inverse of its decode"
        )
    if not len(designs):
        raise ValueError("there are no designs to begin with")
    states = process.encode(designs)
    return replace(process, given=lambda n, rng: (of_chains(states[0], n, rng), of_chains(states[1], n, rng)))


def of_chains(tree: Tree, n: int, rng: Rng) -> Tree:
    """A row for each of n particles: chain i has row i, counted round."""
    chain = torch.tensor(rng.ids, device="cpu") % rows(tree)
    return take(tree, chain.repeat_interleave(n // len(rng)))


def keeping(process: Process, kept: Callable[[int, Rng], Tensor], mask: int) -> Process:
    """The process whose given designs keep sites, if it has any.

    Args:
        process: one of tokens.
        kept: `(n, rng)` to n rows of tokens, the mask where a site is free.
        mask: its token.
    """
    given = process.given
    if given is None:
        return process

    def both(n: int, rng: Rng) -> tuple[Tree, Tree]:
        x_0, wanted = given(n, rng)[0], kept(n, rng)
        _check_kept((x_0 != wanted) & (wanted != mask))
        return x_0, wanted

    return replace(process, given=both)


def _check_kept(other: Bool[Tensor, "n L"]) -> None:
    rows_and_sites = other.nonzero().tolist()
    if rows_and_sites:
        row, site = rows_and_sites[0]
        raise ValueError(
            f"given design {row} has another letter at position {site + 1} than the one to keep there; give designs that have "
            "it"
        )
