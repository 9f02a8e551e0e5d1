"""Roll-outs: states of a process's own unguided chains, each with the reward its chain ended with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.process import Particles, Process
from svdd.chain.rng import CHILDREN, Rng
from svdd.chain.tree import Tree, concatenate, leaves, rows, take
from svdd.method.values import evaluate
from svdd.scoring.reward import Reward

Tell: TypeAlias = Callable[[str, int, int], None]

Rows = Int64[Tensor, " r"]
AT_ONCE = 256


@dataclass(frozen=True)
class Rollouts:
    """Some states of n chains.

    Args:
        x: r states.
        step: how many reverse steps each has taken.
        chain: which chain each belongs to.
        cond: conditioning of each state.
        reward: of the n finished designs.
        finished: the n finished designs, as states.
        children: K draws from p(x_s | x_t) for every state, siblings adjacent; none unless asked for.
    """

    x: Tree
    step: Rows
    chain: Rows
    cond: Tree
    reward: Float[Tensor, " n"]
    finished: Tree
    children: Tree = ()

    def __len__(self) -> int:
        return len(self.step)

    @property
    def label(self) -> Float[Tensor, " r"]:
        """Of each state, the reward its chain ended with."""
        return self.reward[self.chain]


def silent(words: str, done: int, total: int) -> None:
    """Tells nobody."""


def roll_out(
    process: Process,
    reward: Reward,
    chains: int,
    *,
    states: int,
    seed: int,
    stream: int,
    cond: Tree = (),
    children: int = 0,
    tell: Tell = silent,
) -> Rollouts:
    """Unguided chains, of each of which a few states at uniformly random steps are kept.

    Args:
        process: the chain.
        reward: of finished designs.
        chains: n.
        states: kept of each chain, without repetition; those of one chain are correlated.
        seed: of the streams.
        stream: number of the first stream.
        cond: rows of conditioning; chain i takes row i, counted round.
        children: K, draws of the next state to keep with every state.
        tell: told of the steps taken.

    Cost:
        T network rows, 1 decoder row and 1 reward row a chain; children cost none of them.
    """
    parts = []
    for first in range(0, chains, AT_ONCE):
        ids = torch.arange(first, min(first + AT_ONCE, chains), device="cpu")
        rng = Rng(seed, (stream + ids).tolist())
        kept = rng.uniform((len(ids), process.steps)).argsort(1).argsort(1) < states
        start = process.start(len(ids), take(cond, ids % rows(cond)) if leaves(cond) else (), rng)
        pieces = []
        for particles in unguided(start):
            index = kept[:, particles.step].nonzero().flatten() if not particles.final else ids[:0]
            if len(index):
                pieces.append(_kept(particles, index, ids, seed, children))
            tell("rolling out", first * process.steps + particles.step * len(ids), chains * process.steps)
        ends = evaluate(reward, particles, particles.x)
        parts.append(Rollouts(reward=ends, finished=particles.x, **concatenate(pieces)))
    return concatenate(parts)


def unguided(particles: Particles) -> Iterator[Particles]:
    """The chain of `particles`, from where they are to the end."""
    yield particles
    while not particles.final:
        particles = particles.propose(1)
        yield particles


def _kept(particles: Particles, index: Rows, ids: Int64[Tensor, " n"], seed: int, children: int) -> Tree:
    """The fields of `Rollouts` that belong to states, for the particles at `index`."""
    step = torch.full_like(index, particles.step)
    fields = {"x": take(particles.x, index), "step": step, "chain": ids[index], "cond": take(particles.cond, index)}
    if children:
        streams = CHILDREN + ids[index] * particles.process.steps + particles.step
        fields["children"] = with_streams(particles, index, seed, streams).propose(children).x
    return fields


def with_streams(particles: Particles, index: Rows, seed: int, streams: Rows) -> Particles:
    """Some of the particles, each with a random stream of its own, and with what the network has said of them."""
    posterior = particles.posterior[index]
    return replace(particles[index], rng=Rng(seed, streams.tolist())).with_posterior(posterior)


def at_steps(process: Process, rollouts: Rollouts, seed: int, stream: int, ask: Callable[[Particles], Tree]) -> Tree:
    """What `ask` says of the kept states, asked step by step, in their order.

    Args:
        process: the chain.
        rollouts: whose states.
        seed: of the streams.
        stream: number of the first stream; every state has one of its own.
        ask: from particles at one time to a tree with a row for each.
    """
    index, answers = [], []
    for step in rollouts.step.unique().tolist():
        here = (rollouts.step == step).nonzero().flatten()
        rng = Rng(seed, (stream + here).tolist())
        particles = Particles(process, step, take(rollouts.x, here), take(rollouts.cond, here), rng=rng)
        index.append(here)
        answers.append(ask(particles))
    return take(concatenate(answers), torch.cat(index).argsort())
