"""Finished samples noised and denoised again: the proposals of `refine`."""

from typing import Any

from jaxtyping import Int64
from torch import Tensor

from svdd.chain.process import Particles, Process
from svdd.chain.tree import Tree, repeat, take, tree_map

NOISE = "noise"
"""In the memory of a finished sample, the x_T that it came from: what is shown in it is kept."""


def check_noising(process: Process) -> None:
    """Looks whether finished samples of a process can be noised again.

    Raises:
        ValueError: if nobody has said how.
    """
    if process.noising is None:
        raise ValueError(
            f"refine noises finished designs again, and {process.about.get('name', 'this model')} does not say how: give its "
            "Process the forward kernel, noising=svdd.chain.MaskedNoise(mask, survival) or one of its kin"
        )


def denoised_again(finished: Particles, tail: Int64[Tensor, " n"], tries: int) -> Particles:
    """Noises every finished sample to a level, and denoises it from there by the pretrained chain.

    Args:
        finished: n samples, with the noise they came from in their memory.
        tail: of each, how many of the last steps are taken again; one number in a chain.
        tries: how many samples are made of each x_t, siblings adjacent.

    Cost:
        `tail` network rows a try; tries share what equal states cost.
    """
    process, steps = finished.process, finished.process.steps
    first = repeat(steps - tail, tries)
    x, cond, memory = repeat((finished.x, finished.cond, finished.memory), tries)
    for number in range(int(first.min()), steps):
        begins = (steps - tail == number).nonzero().flatten()
        if len(begins):
            rows = (first == number).nonzero().flatten()
            x = _put(x, rows, repeat(_noised(finished, begins, number), tries))
        rows = (first <= number).nonzero().flatten()
        rng = finished.rng.of_rows(rows, len(first)) if finished.rng is not None else None
        there = Particles(process, number, take(x, rows), take(cond, rows), rng=rng).propose(1)
        there.check()
        x = _put(x, rows, there.x)
    return Particles(process, steps, x, cond, memory, finished.rng)


def _noised(finished: Particles, index: Int64[Tensor, " r"], number: int) -> Tree:
    """Some of the samples at the time that the chain has after `number` steps."""
    some, noising = finished[index], finished.process.noising
    assert noising is not None, "it was looked at first"
    return noising(some.x, some.memory[NOISE], finished.process.times[number], some.rng)  # type: ignore[arg-type]


def _put(x: Tree, rows: Int64[Tensor, " r"], there: Tree) -> Tree:
    """`x` with other rows in places."""

    def placed(leaf: Tensor, other: Tensor) -> Any:
        return leaf.index_copy(0, rows.to(leaf.device), other)

    return tree_map(placed, x, there)
