r"""Search: the one loop. Propose children, value them, select survivors.

For T steps: every particle gets m children from $p(x_s | x_t)$, each child's weight is
$\log w + (v_{child} - v_{parent})/a$, and a selector keeps n of the n m in every chain. All algorithms are settings of it.
`search` is an iterator: progress, early stops, logging and saving belong to whoever iterates.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.distributions import is_deterministic
from svdd.chain.equal_rows import EqualRows
from svdd.chain.process import Particles, Process
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree, leaves, repeat, row_hash, rows
from svdd.method.selectors import Selector, keep
from svdd.method.values import Value
from svdd.scoring.numbers import checked

Count: TypeAlias = int | Callable[[int], int]


class Candidates(NamedTuple):
    """What a step chose from, for diagnostics: b chains, n parents, m children each.

    Args:
        value: of each child.
        parent_value: of each parent.
        kind: a number of each child, equal for equal siblings.
    """

    value: Float[Tensor, "b n m"]
    parent_value: Float[Tensor, "b n"]
    kind: Int64[Tensor, "b n m"]

    @property
    def distinct(self) -> Float[Tensor, "b n"]:
        """How many different children every parent has."""
        return 1.0 + (self.kind.cpu().sort(-1).values.diff(dim=-1) != 0).sum(-1)


class Step(NamedTuple):
    """The survivors of one reverse step; `search(start=step)` goes on from it.

    Args:
        particles: b * n rows, chain after chain.
        value: of each survivor, the number the next step's weights are measured against.
        log_w: log-weights.
        ancestor: of each survivor, its position among the candidates of its chain.
        candidates: what was chosen from; None where a step did not score.
        moves: moves of finished designs that were made, see `refine`.
    """

    particles: Particles
    value: Float[Tensor, "b n"]
    log_w: Float[Tensor, "b n"]
    ancestor: Int64[Tensor, "b n"]
    candidates: Candidates | None = None
    moves: int = 0

    @property
    def number(self) -> int:
        """Of the step in its chain: reverse steps, then moves."""
        return self.particles.step + self.moves


def _count(count: Count, step: int) -> int:
    number = count(step) if callable(count) else count
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"particles and candidates must be whole and at least 1, got {number!r} at step {step}")
    return number


def begin(process: Process, *, chains: int, particles: int, cond: Tree, rng: Rng) -> Step:
    """Particles drawn from the prior, not yet valued.

    Raises:
        ValueError: if the conditioning or the streams do not match the chains.
    """
    if chains < 1 or len(rng) != chains:
        raise ValueError(f"got {len(rng)} random streams for {chains} chains; make Rng(seed, chains)")
    if leaves(cond) and rows(cond) != chains:
        raise ValueError(f"conditioning has {rows(cond)} rows, but needs one for each of {chains} chains")
    zeros = torch.zeros(chains, particles, dtype=torch.float64, device="cpu")
    start = process.start(chains * particles, repeat(cond, particles), rng)
    return Step(start, zeros, zeros, torch.arange(particles, device="cpu").expand(chains, particles))


def choose(
    pool: Particles, parent: Step, value: Value, select: Selector, *, particles: int, temperature: float
) -> Step:
    """Values the children of `parent` and selects `particles` of every chain.

    Args:
        pool: children, siblings adjacent.
        parent: whom they came from.
        value: what values them.
        select: who survives.
        particles: survivors a chain.
        temperature: the unit of value in the weights.

    Raises:
        RewardError: if a value is not one usable number a child.
    """
    chains, parents = parent.value.shape
    children = len(pool) // (chains * parents)
    v_pool = checked(value(pool), pool.x, len(pool), "value").view(chains, parents, children)
    pool.check()
    v, log_w_pool = v_pool.flatten(1), _weighed(v_pool, parent, temperature)
    if not pool.final and log_w_pool.numpy().max(1).min() == -np.inf:
        v, log_w_pool = _unscored_without_hope(v, log_w_pool, parent)
    only = log_w_pool.shape[1] == 1  # no choice, no draw: one candidate is the pretrained sampler bit for bit
    ancestor, log_w = (keep if only else select)(log_w_pool, particles, pool.rng)  # type: ignore[arg-type]
    v = v.gather(1, ancestor)
    index = np.arange(0, len(pool), parents * children)[:, None] + ancestor.numpy()
    of = Candidates(v_pool, parent.value, _kinds(pool, children).view(v_pool.shape))
    return Step(pool.take(torch.from_numpy(index.ravel()), pool.rng), v, log_w, ancestor, of)


def _weighed(v_pool: Float[Tensor, "b n m"], parent: Step, temperature: float) -> Float[Tensor, "b nm"]:
    """The log-weights of children, in numpy, whose calls cost less where there are few numbers.

    The difference is taken on the parent's side: a selector that keeps weights as they are (top) then carries exactly
    v / temperature, and equal values stay equal to the last bit.
    """
    value = parent.value.numpy()
    with np.errstate(all="ignore"):  # a value of -inf has no difference, and a small temperature overflows
        base = np.where(value == -np.inf, -np.inf, parent.log_w.numpy() - value / temperature)
        return torch.from_numpy((base[..., None] + v_pool.numpy() / temperature).reshape(len(value), -1))


def _unscored_without_hope(
    v: Float[Tensor, "b nm"], log_w: Float[Tensor, "b nm"], parent: Step
) -> tuple[Float[Tensor, "b nm"], Float[Tensor, "b nm"]]:
    """Values and log-weights of children; in a chain where none has a weight they are those of their own parents."""
    hopeless, children = log_w.isneginf().all(1, keepdim=True), v.shape[1] // parent.value.shape[1]
    value, carried = (one.repeat_interleave(children, 1) for one in (parent.value, parent.log_w))
    return torch.where(hopeless, value, v), torch.where(hopeless, carried, log_w)


def _kinds(pool: Particles, children: int) -> Int64[Tensor, " r"]:
    """A number of each row, equal for equal siblings."""
    if isinstance(pool.equal, EqualRows):
        return pool.equal.kind
    return torch.arange(len(pool), device="cpu") if children == 1 else row_hash(pool.x)


def tilt(start: Step, value: Value, select: Selector, *, candidates: int, temperature: float) -> Step:
    r"""Selects the initial noise too: $p^*_T(x_T) \propto p_T(x_T) \exp(v_T(x_T)/a)$ (Theorem 1 of the SVDD paper).

    Draws `candidates` noises for every particle of `start` in place of its own.

    Cost:
        `candidates` - 1 more network rows a particle, and as many value rows as noises.
    """
    process, (chains, n) = start.particles.process, start.value.shape
    cond = repeat(start.particles.cond, candidates)
    pool = process.start(chains * n * candidates, cond, start.particles.rng)  # type: ignore[arg-type]
    return choose(pool, start, value, select, particles=n, temperature=temperature)


def search(
    process: Process,
    value: Value,
    select: Selector,
    *,
    chains: int,
    particles: Count = 1,
    children: Count = 1,
    temperature: float = 1.0,
    cond: Tree = (),
    rng: Rng,
    start: Step | None = None,
    scored: Callable[[int], bool] = lambda step: True,
) -> Iterator[Step]:
    r"""Proposes, values and selects, and yields the survivors after every reverse step.

    $\log w \leftarrow \log w + (v(x_s) - v(x_t))/a$, then `select` keeps n of the n m candidates of every chain.

    Args:
        process: the pretrained chain.
        value: particles to one number a row.
        select: who survives, and with which weight.
        chains: b, independent runs.
        particles: n, or a function of the step's number.
        children: m, or a function of the step's number.
        temperature: a, above 0.
        cond: conditioning, one row a chain.
        rng: one stream a chain.
        start: a step to go on from instead of the prior.
        scored: which steps value and select; the others let every child live, with its parent's weight and value.

    Yields:
        One `Step` after each reverse step.

    Raises:
        ValueError: for sizes below 1, a temperature that is not positive, or several candidates of a deterministic kernel.

    Cost:
        b n + (T - 1) b n m network rows with a value that looks ahead through the network, T b n with one that does not.
        A process with a move asks for T b n more, or for T b n m more where every child makes its own.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}; svdd, svdd_r and blocks take 0 as argmax")
    step = start or begin(process, chains=chains, particles=_count(particles, 0), cond=cond, rng=rng)
    if len(step.value) != len(rng):
        raise ValueError(
            f"the step to start from has {len(step.value)} chains, but there are {len(rng)} random streams"
        )
    step = step._replace(particles=driven(step.particles, process, rng))
    while not step.particles.final:
        number = step.particles.step
        m = _admissible(step.particles, _count(children, number))
        pool = step.particles.propose(m)
        if scored(number):
            survivors = _count(particles, number)
            step = choose(pool, step, value, select, particles=survivors, temperature=temperature)
        else:
            everyone = keep(step.log_w.repeat_interleave(m, 1), step.log_w.shape[1] * m, rng)
            step = Step(pool, step.value.repeat_interleave(m, 1), everyone.log_w, everyone.ancestor)
        yield step


def driven(particles: Particles, process: Process, rng: Rng) -> Particles:
    """The same particles on this process and these streams: a resumed step brings only its state."""
    driven = replace(particles, process=process, rng=rng)
    return driven.with_posterior(particles.posterior) if particles.has_posterior else driven


def _admissible(parents: Particles, m: int) -> int:
    """`m`, unless the kernel cannot tell siblings apart."""
    own_moves = parents.process.move is not None and parents.process.move_each
    if m == 1 or own_moves or not is_deterministic(parents.kernel):
        return m
    if parents.step == parents.process.steps - 1:
        return 1  # many samplers end without noise: siblings would be one design, paid for m times
    raise ValueError(
        f"the kernel at t = {float(parents.t):.4g} is deterministic, so all {m} candidates of a parent would be equal; "
        "use a stochastic sampler (DDIM with eta > 0, DDPM, Euler ancestral), or 1 candidate and several particles"
    )
