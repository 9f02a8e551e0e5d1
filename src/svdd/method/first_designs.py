"""First designs: what the moves of `refine` begin with, beside the noise that they came from."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

from svdd.chain.process import Particles, Process
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree
from svdd.messages import check
from svdd.method.cadence import only_last
from svdd.method.denoised_again import NOISE
from svdd.method.loop import Step, begin, search
from svdd.method.selectors import top
from svdd.method.values import Value
from svdd.scoring.numbers import checked

Seen: TypeAlias = Callable[[Particles], Particles]


def first_designs(
    process: Process,
    value: Value,
    best_of: int,
    population: int,
    seen: Seen,
    *,
    chains: int,
    cond: Tree,
    rng: Rng,
    start: Step | None,
) -> Iterator[Step]:
    """The steps to the first designs of every chain: one that the process is `given`, or the best of several of the model.

    Args:
        process: the pretrained chain.
        value: asked for the true reward of finished designs alone.
        best_of: how many times as many designs of the model the best are taken of.
        population: how many designs a chain has; copies where it begins with a given one.
        seen: adds to particles what is to be remembered of them.
        chains: how many chains.
        cond: one row a chain.
        rng: one stream a chain.
        start: a step on the way to go on from.

    Raises:
        ValueError: for several designs of the model where the process is given others.
    """
    if process.given is not None:
        check(
            best_of == 1,
            f"best_of={best_of} takes the best of {best_of} designs of the model, and this run begins with given ones; leave "
            "out best_of",
        )
        step = _given(process, value, population, chains, cond, rng)
        yield step._replace(particles=seen(step.particles))
        return
    scored = only_last(process)
    step = start or _begun(process, best_of * population, seen, chains, cond, rng)
    while not step.particles.final:
        taken = search(
            process, value, top, particles=lambda number: population * (1 if scored(number) else best_of),
            chains=chains, cond=cond, rng=rng, start=step, scored=scored,
        )  # fmt: skip
        step = next(taken)
        step = step._replace(particles=seen(step.particles))
        yield step


def _begun(process: Process, designs: int, seen: Seen, chains: int, cond: Tree, rng: Rng) -> Step:
    step = begin(process, chains=chains, particles=designs, cond=cond, rng=rng)
    return step._replace(particles=seen(replace(step.particles, memory={NOISE: step.particles.x})))


def _given(process: Process, value: Value, population: int, chains: int, cond: Tree, rng: Rng) -> Step:
    assert process.given is not None, "the process was looked at"
    step = begin(process, chains=chains, particles=population, cond=cond, rng=rng)
    x_0, x_T = process.given(chains * population, rng)
    particles = Particles(process, process.steps, x_0, step.particles.cond, {NOISE: x_T}, rng)
    v = checked(value(particles), x_0, len(particles), "value").view(chains, population)
    return step._replace(particles=particles, value=v)
