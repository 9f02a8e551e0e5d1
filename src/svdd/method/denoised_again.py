"""Finished samples noised and denoised again: the proposals of `refine`."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable

from jaxtyping import Int64
from torch import Tensor

from svdd.chain.noising import Noising
from svdd.chain.process import Particles, Process
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree, repeat, take, tree_map

NOISE = "noise"
"""In the memory of a finished sample, the x_T that it came from: what is shown in it is kept."""
Begin: TypeAlias = Callable[[Tree, int], Tree]
Meet: TypeAlias = Callable[[Tensor, Particles, Particles], None]


@runtime_checkable
class Proposals(Protocol):
    """How finished samples are taken back to a level and denoised from there."""

    def seen(self, at: Particles) -> Particles:
        """The same particles, on the way to the first samples or there, with what is to be remembered of them."""
        ...

    def settled(self, at: Particles) -> Particles:
        """The same samples after moves that change what is remembered and not the sample."""
        ...

    def proposed(self, at: Particles, number: int, tail: Int64[Tensor, " n"], tries: int) -> Particles:
        """New samples.

        Args:
            at: n samples, with the noise they came from in their memory.
            number: of the move, from 1.
            tail: of each, how many of the last steps are taken again.
            tries: how many samples are made of each x_t, siblings adjacent.
        """
        ...


class Renoised:
    """Noises every sample by the forward kernel of its process.

    Args:
        process: whose samples they are.

    Raises:
        ValueError: if nobody has said how they are noised.
    """

    def __init__(self, process: Process) -> None:
        noising_of(process)

    def seen(self, at: Particles) -> Particles:
        """See `Proposals`."""
        return at

    def settled(self, at: Particles) -> Particles:
        """See `Proposals`."""
        return at

    def proposed(self, at: Particles, number: int, tail: Int64[Tensor, " n"], tries: int) -> Particles:
        """See `Proposals`; `tail` network rows a try, and tries share what equal states cost."""
        begins = at.process.steps - tail
        first = repeat(begins, tries)

        def begin(x: Tree, step: int) -> Tree:
            index = (begins == step).nonzero().flatten()
            there = noised(at[index], step) if len(index) else take(at.x, index)
            return put(x, (first == step).nonzero().flatten(), repeat(there, tries))

        children = at.spread(tries)
        x = denoised(children, children.x, first, begin, lambda rows, before, after: None)
        return Particles(at.process, at.process.steps, x, children.cond, children.memory, at.rng)


def noising_of(process: Process) -> Noising:
    """The forward kernel of a process.

    Raises:
        ValueError: if nobody has said how its samples are noised.
    """
    if process.noising is None:
        raise ValueError(
            f"refine noises finished designs again, and {process.about.get('name', 'this model')} does not say how: give "
            "its Process the forward kernel, noising=svdd.chain.MaskedNoise(mask, survival) or one of its kin"
        )
    return process.noising


def noised(at: Particles, step: int) -> Tree:
    """Finished samples at the time that their chain has after some steps."""
    noising, t = noising_of(at.process), at.process.times[step]
    return noising(at.x, at.memory[NOISE], t, streams(at))


def streams(particles: Particles) -> Rng:
    """The streams of particles of a run."""
    assert particles.rng is not None, "particles of a run carry their streams"
    return particles.rng


def denoised(children: Particles, x: Tree, first: Int64[Tensor, " n"], begin: Begin, meet: Meet) -> Tree:
    """Takes states along the pretrained chain to its end, each from its own step on.

    Args:
        children: whose conditioning and streams they have.
        x: n states.
        first: the number of the step that each takes first; one number in a chain.
        begin: is given all states before a step, and says what those are that begin there.
        meet: is told of every step: which of the states took it, before and after.
    """
    process, rng = children.process, streams(children)
    for number in range(int(first.min()), process.steps):
        x = begin(x, number)
        rows = (first <= number).nonzero().flatten()
        before = Particles(process, number, take(x, rows), take(children.cond, rows), rng=rng.of_rows(rows, len(first)))
        after = before.propose(1)
        after.check()
        meet(rows, before, after)
        x = put(x, rows, after.x)
    return x


def put(x: Tree, rows: Int64[Tensor, " r"], there: Tree) -> Tree:
    """`x` with other rows in places."""

    def placed(leaf: Tensor, other: Tensor) -> Any:
        return leaf.index_copy(0, rows.to(leaf.device), other)

    return tree_map(placed, x, there)
