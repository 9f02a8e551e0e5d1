"""Visited designs: all that chains of moves were at, each with how many moves it stayed, in little memory."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree, concatenate, take, tree_map
from svdd.decoding.result import Result
from svdd.decoding.returned import Columns, designs_at, returned
from svdd.method.loop import Step
from svdd.method.table import Method

MOST = 100
"""Designs of a chain that are kept; of a chain with more, only every second, fourth, ... move counts."""


class OfTheLastStep:
    """The designs of a batch are among the particles of its last step."""

    def add(self, step: Step) -> None:
        """Does nothing."""

    def designs(self, step: Step, method: Method, ids: range, process: Process, rng: Rng, further: Columns) -> Result:
        """The designs of a batch: see `returned`."""
        return returned(step, method, ids, process, rng, further)

    def state(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def resume(self, state: Mapping[str, Any], process: Process) -> None:
        """Does nothing."""


class OfThePopulation(OfTheLastStep):
    """The designs of a batch are those that its chains end with, each with its weight; paths of populations are not kept."""

    def designs(self, step: Step, method: Method, ids: range, process: Process, rng: Rng, further: Columns) -> Result:
        """The designs of a batch and their log-weights; arguments as `returned`."""
        chains, n = len(ids), step.value.shape[1] - 1  # behind them is the best that a chain has seen
        index = torch.arange(n, device="cpu").expand(chains, n)
        return designs_at(index, step, ids, process, further, log_w=step.log_w[:, :n].flatten())


def designs_of(method: Method, options: Mapping[str, Any]) -> "OfTheLastStep | Visited":
    """Who says what the designs of a batch are."""
    if method.returns != "all" or not method.sizes_of("moves"):
        return OfTheLastStep()
    return Visited() if options.get("population", 1) == 1 else OfThePopulation()


class Stays(NamedTuple):
    """Designs that chains came to, in the order of moves.

    Args:
        x: their states.
        reward: of each.
        chain: of each, its place in the batch.
        visit: which visit of its chain is the first to find it there.
    """

    x: Tree
    reward: Float[Tensor, " r"]
    chain: Int64[Tensor, " r"]
    visit: Int64[Tensor, " r"]

    def of(self, index: Int64[Tensor, " r"]) -> "Stays":
        """Some of them."""
        return Stays(*take(tuple(self), index))


class Visited:
    """The designs of a batch are all that its chains were at; a design's weight is the number of moves that it stayed."""

    def __init__(self) -> None:
        self.stride, self.visit = 1, 0
        self._stays, self._most = list[Stays](), 0
        self._left = torch.zeros(0, dtype=torch.bool, device="cpu")
        """Whether a chain has left the design that its last visit found."""

    def add(self, step: Step) -> None:
        """Visits the chains after a move, at each `stride` of them."""
        if not step.particles.final:
            return
        left: Bool[Tensor, " b"] = step.ancestor[:, 0] > 0
        self._left = left | (self._left if step.moves else True)
        if step.moves % self.stride == 0:
            self._look(step)

    def _look(self, step: Step) -> None:
        self.visit, row = step.moves // self.stride, self._left.nonzero().flatten()
        x = take(step.particles.x, 2 * row)
        self._stays.append(Stays(x, step.value[row, 0], row, torch.full_like(row, self.visit)))
        self._left = torch.zeros_like(self._left)
        self._most += 1  # at most
        while self.visit % 2 == 0 and self._most > MOST and self._counted() > MOST:
            self._halve()

    def _counted(self) -> int:
        """The designs of the chain that has most of them."""
        self._most = int(self._whole().chain.bincount().max())
        return self._most

    def _whole(self) -> Stays:
        """All stays, chain after chain."""
        together = Stays(*concatenate([tuple(part) for part in self._stays]))
        self._stays = [together.of(together.chain.argsort(stable=True))]
        return self._stays[0]

    def _halve(self) -> None:
        """Forgets every second visit: of several stays that the same visit now finds first, the last one."""
        stays = self._whole()
        first = (stays.visit + 1) // 2
        same = (stays.chain[1:] == stays.chain[:-1]) & (first[1:] == first[:-1])
        kept = torch.nn.functional.pad(~same, (0, 1), value=True).nonzero().flatten()
        self._stays = [stays._replace(visit=first).of(kept)]
        self.stride, self.visit = 2 * self.stride, self.visit // 2

    def weights(self) -> Int64[Tensor, " r"]:
        """How many moves each design stayed, the move to it included."""
        stays = self._whole()
        last = torch.nn.functional.pad(stays.chain[1:] != stays.chain[:-1], (0, 1), value=True)
        until = torch.where(last, self.visit + 1, stays.visit.roll(-1))
        return (until - stays.visit) * self.stride

    def designs(self, step: Step, method: Method, ids: range, process: Process, rng: Rng, further: Columns) -> Result:
        """The designs of a batch, and the log of the number of moves that each stayed; arguments as `returned`."""
        stays, log_w = self._whole(), self.weights().double().log()
        cond = take(step.particles.cond, 2 * stays.chain)
        designs = process.designs(stays.x, cond)
        return Result(designs, stays.reward, [ids[i] for i in stays.chain.tolist()], further(designs), log_w=log_w)

    def state(self) -> dict[str, Any]:
        """Plain tensors and numbers from which `resume` goes on."""
        stays = tuple(self._whole()) if self._stays else ()
        return {
            "stays": tree_map(Tensor.cpu, stays),
            "left": self._left,
            "stride": self.stride,
            "visit": self.visit,
            "most": self._most,
        }

    def resume(self, state: Mapping[str, Any], process: Process) -> None:
        """Goes on from a `state`."""
        self._left, self._most = state["left"], state["most"]
        self.stride, self.visit = state["stride"], state["visit"]
        self._stays = [Stays(*state["stays"])] if state["stays"] else []
        self._stays = [one._replace(x=tree_map(lambda leaf: leaf.to(process.device), one.x)) for one in self._stays]
