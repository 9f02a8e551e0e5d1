r"""Exact proposals of chains whose steps are random: a chain remembers the state of its path at one time.

The law of a path is $p(x_k) \, p(x_0 | x_k)$. A move keeps $x_k$ and takes the steps after it again, whose law cancels; every
tenth move takes all steps again, without which $x_k$ would stay for ever. Together they leave $p(path) \, e^{r/a}$ as it is,
for any network and any grid, and need no forward kernel.
"""

from dataclasses import replace

from jaxtyping import Int64
from torch import Tensor

from svdd.chain.distributions import is_deterministic
from svdd.chain.process import Particles, Process
from svdd.method.denoised_again import NOISE, denoised, noised, noising_of, streams

KEPT = "kept"
"""In the memory of a sample, the state of its path from which the last steps are taken again."""
WHOLE = 10
"""Every so many moves all steps are taken again."""


class KeptPaths:
    """Takes the last steps again from the state that the path had before them.

    Args:
        process: whose samples they are.
        tail: how many steps a move takes again.

    Raises:
        ValueError: if the process begins with given designs, which have no path, and nobody has said how they are noised.
    """

    def __init__(self, process: Process, tail: int) -> None:
        self.kept = process.steps - tail
        if process.given is not None:
            noising_of(process)

    def seen(self, at: Particles) -> Particles:
        """See `Proposals`; given designs are noised, to a state of a path that could have led to them."""
        if at.step == self.kept:
            return replace(at, memory=at.memory | {KEPT: at.x})
        if at.final and KEPT not in at.memory:
            return replace(at, memory=at.memory | {KEPT: noised(at, self.kept)})
        return at

    def settled(self, at: Particles) -> Particles:
        """See `Proposals`."""
        return at

    def proposed(self, at: Particles, number: int, tail: Int64[Tensor, " n"], tries: int) -> Particles:
        """See `Proposals`; `tail` network rows a try, and T every tenth move."""
        children, first = at.spread(tries), 0 if number % WHOLE == 0 else self.kept
        memory = children.memory
        if first == 0:
            x_T = at.process.start(len(children), children.cond, streams(children)).x
            memory = memory | {NOISE: x_T, KEPT: x_T}
        begun = memory[KEPT]

        def meet(rows: Int64[Tensor, " r"], before: Particles, after: Particles) -> None:
            if before.step == first and before.process.move is None and is_deterministic(before.kernel):
                raise ValueError(
                    f"the steps from t = {float(before.t):.4g} on are deterministic, so that they end where they did before; "
                    "take a random sampler, a larger fraction, or leave out exact"
                )
            if after.step == self.kept:
                memory[KEPT] = after.x

        x = denoised(children, begun, tail.new_full((len(children),), first), lambda x, number: x, meet)
        return Particles(at.process, at.process.steps, x, children.cond, memory, at.rng)
