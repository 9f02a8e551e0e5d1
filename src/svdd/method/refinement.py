r"""Refinement: the second loop. Noise a finished design again, denoise it, and accept it by its true reward.

A chain is at a design x with reward r(x). One move draws $x_t \sim q(x_t | x)$ at a level that leaves a share f of the steps,
$x' \sim p(x_0 | x_t)$ by the pretrained chain, and accepts with probability $\min(1, e^{(r(x') - r(x))/a})$. Where the chain
reverses q the move is reversible for p, so its law is $p_a \propto p \, e^{r/a}$. No estimate of a value is in it.
As `search`, `refine` is an iterator of steps: those of the chain that makes the first design, then one a move. From then on
every chain has two particles, the design it is at and, behind it, the best that it has seen.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from svdd.chain.process import Particles, Process
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree, concatenate, row_hash, take, tree_map
from svdd.messages import check
from svdd.method.denoised_again import NOISE, Proposals, Renoised, streams
from svdd.method.first_designs import first_designs
from svdd.method.kept_paths import KEPT, KeptPaths
from svdd.method.loop import Candidates, Step, driven
from svdd.method.revealed_again import Revealed, reveals
from svdd.method.values import Value
from svdd.scoring.numbers import checked

Fraction: TypeAlias = float | int | Literal["adapted"]
Lead: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]

FRACTION = "fraction"
"""In the memory of a finished design, the share of the steps that its chain takes again."""
FIRST, WANTED, SLOWER = 0.2, 0.3, 0.6
"""Of the adapted fraction: where it begins, the acceptance it is led to, and how its changes die out."""


def refine(
    process: Process,
    value: Value,
    *,
    moves: int = 100,
    fraction: Fraction = 0.1,
    temperature: float = 0.0,
    tries: int = 1,
    best_of: int = 1,
    exact: bool = False,
    **kwargs: Any,
) -> Iterator[Step]:
    r"""Refines finished designs: noises a share f of the steps, denoises, and accepts by $\log U < (r' - r)/a$.

    Begins with designs of the pretrained chain, the best of `best_of` each, or with those that the process is `given`. Its law
    tends to p exp(r/a) as far as the chain reverses its noise; at temperature 0 a design is never left for a worse one.

    Args:
        process: the pretrained chain, with its forward kernel `noising`.
        value: asked for the true reward of finished designs alone.
        moves: K, moves of every chain.
        fraction: f, above 0 and at most 1; or `adapted`, for each chain, to accept some 30 % of its moves.
        temperature: a, in units of the reward.
        tries: k designs made of each x_t; one is proposed with its weight, and accepted against the others and x.
        best_of: designs of the pretrained chain of which the best is where a chain begins.
        exact: the law tends to p exp(r/a) whatever the network and the grid. Masked models remember when sites were revealed,
            and test that too; others keep a state of the path, redo the steps after it, and every tenth move all of them.
        **kwargs: `chains`, `rng`, `cond`, `start`.

    Raises:
        ValueError: for a process without a forward kernel, and options out of their range.

    Cost:
        n T + K k round(f T) network rows and n + K k reward rows a chain whose first design is the best of n; where designs
        are given, K k round(f T) and 1 + K k. `exact` asks for (K + 1) T network rows more at most of masked models; of others,
        every tenth of its moves asks for k T in place of k round(f T).

    References:
        CSMC, arXiv 2602.09424; Uehara et al., arXiv 2502.14944; with several tries, IterRef, arXiv 2511.05562.
    """
    _check_options(moves, fraction, temperature, tries, best_of)
    proposals = _exact(process, fraction) if exact else Renoised(process)
    lead = led if fraction == "adapted" else fixed
    share = FIRST if fraction == "adapted" else float(fraction)
    return _steps(
        process, partial(first_designs, process, value, best_of, proposals.seen), moves, share,
        lambda step: _after_a_move(step, value, proposals, temperature, tries, lead), **kwargs,
    )  # fmt: skip


def _steps(
    process: Process,
    begun: Callable[..., Iterator[Step]],
    moves: int,
    fraction: float,
    moved: Callable[[Step], Step],
    *,
    chains: int,
    rng: Rng,
    cond: Tree = (),
    start: Step | None = None,
) -> Iterator[Step]:
    """The loop: designs to begin with, unless `start` has them, then moves."""
    step = start
    if start is None or not start.particles.final:
        for reached in begun(chains=chains, cond=cond, rng=rng, start=start):
            step = _with_best(reached, fraction) if reached.particles.final else reached
            yield step
    assert step is not None, "a chain has a first design"
    step = step._replace(particles=_at_home(driven(step.particles, process, rng)))
    while step.moves < moves:
        step = moved(step)
        yield step


def _check_options(moves: int, fraction: Fraction, temperature: float, tries: int, best_of: int) -> None:
    check(moves >= 0, f"moves must be 0 or more, got {moves}")
    check(tries >= 1, f"tries must be at least 1, got {tries}")
    check(best_of >= 1, f"best_of must be at least 1 design, got {best_of}")
    finite = 0 <= temperature < math.inf
    check(finite, f"temperature must be 0 or larger, and finite, got {temperature}")
    share = fraction == "adapted" or (isinstance(fraction, int | float) and 0 < fraction <= 1)
    check(share, f"fraction is the share of the steps to take again, in (0, 1], or 'adapted', got {fraction!r}")


def _exact(process: Process, fraction: Fraction) -> Proposals:
    if reveals(process):
        return Revealed(process)
    check(fraction != "adapted", "exact moves keep one state of a path, which fraction tells: give it a number")
    return KeptPaths(process, int(tails(torch.tensor([fraction], device="cpu"), process.steps)))


def tails(fraction: Float[Tensor, " n"], steps: int) -> Int64[Tensor, " n"]:
    """How many of the last steps a share of them is, at least one."""
    return (fraction.double() * steps).round().long().clamp(1, steps)


def _with_best(step: Step, fraction: float) -> Step:
    """The first designs, which are the best so far; a draw by weight takes the design that a chain is at."""
    chains = len(step.value)
    share = torch.full((chains,), fraction, dtype=torch.float64, device="cpu")
    particles = replace(step.particles, memory=step.particles.memory | {FRACTION: share}).spread(2)
    log_w = torch.tensor([0.0, -torch.inf], dtype=torch.float64, device="cpu").expand(chains, 2)
    value, ancestor = (one.expand(chains, 2).clone() for one in (step.value, step.ancestor))
    return Step(particles, value, log_w, ancestor, step.candidates)


def _at_home(particles: Particles) -> Particles:
    """The same particles with the states in their memory where their own are: a saved step has them on the CPU."""
    there = {
        name: tree_map(lambda leaf, own: leaf.to(own.device), particles.memory[name], particles.x)
        for name in {NOISE, KEPT} & particles.memory.keys()
    }
    return replace(particles, memory=particles.memory | there)


def _after_a_move(step: Step, value: Value, proposals: Proposals, temperature: float, tries: int, lead: Lead) -> Step:
    """One move of every chain."""
    here, chains = step.particles, len(step.value)
    at = proposals.settled(here[2 * torch.arange(chains, device="cpu")])
    tail = tails(at.memory[FRACTION], here.process.steps)
    proposed = proposals.proposed(at, step.moves + 1, tail, tries)
    v = checked(value(proposed), proposed.x, len(proposed), "value").view(chains, tries)
    choice = propose(v, step.value[:, 0], temperature, streams(here))
    share = lead(at.memory[FRACTION], choice.accepted, step.moves + 1).clamp(1 / here.process.steps, 1.0)
    best, place = best_seen(v, choice)
    # among the candidates of both particles, each of which may stay or become one of the tries
    ancestor = torch.stack(
        [(choice.place + 1) * choice.accepted, tries + 1 + (place + 1) * (best > step.value[:, 1])], 1
    )
    pool = _pool(at, here[2 * torch.arange(chains, device="cpu") + 1], proposed, tries)
    index = (torch.arange(chains, device="cpu")[:, None] * 2 * (tries + 1) + ancestor).flatten()
    x, cond, memory = take((pool.x, pool.cond, pool.memory), index)
    values = torch.cat([step.value[..., None], v[:, None].expand(-1, 2, -1)], 2)
    kind = row_hash(pool.x).view(values.shape)
    particles = replace(here, x=x, cond=cond, memory=memory | {FRACTION: share.repeat_interleave(2)})
    return Step(
        particles,
        values.flatten(1).gather(1, ancestor),
        step.log_w,
        ancestor,
        Candidates(values, step.value, kind),
        step.moves + 1,
    )


def _pool(at: Particles, best: Particles, proposed: Particles, tries: int) -> Particles:
    """What the two particles of every chain may become: for each itself, then the tries."""
    parts = [(one.x, one.cond, one.memory) for one in (at, best, proposed)]
    chain = torch.arange(len(at), device="cpu")[:, None]
    new = 2 * len(at) + chain * tries + torch.arange(tries, device="cpu")
    index = torch.cat([chain, new, len(at) + chain, new], 1).flatten()
    x, cond, memory = take(concatenate(parts), index)
    return replace(at, x=x, cond=cond, memory=memory)


class Choice(NamedTuple):
    """What becomes of the proposals of every chain: which of its tries is taken up, and whether it is accepted."""

    place: Int64[Tensor, " b"]
    accepted: Bool[Tensor, " b"]


def best_seen(v: Float[Tensor, "b k"], choice: Choice) -> tuple[Float[Tensor, " b"], Int64[Tensor, " b"]]:
    """The best design that a move has seen in every chain, whatever became of it, and which of the tries it is."""
    return tuple(v.max(1))  # type: ignore[return-value]


def propose(v: Float[Tensor, "b k"], here: Float[Tensor, " b"], temperature: float, rng: Rng) -> Choice:
    """Takes up one of k tries with its weight, and accepts it or stays.

    Args:
        v: rewards of the tries.
        here: reward of the design that a chain is at.
        temperature: a.
        rng: one stream a chain.
    """
    which, chance = rng.uniform((len(v), 2), dtype=torch.float64).unbind(1)
    log_w = scaled(torch.cat([v, here[:, None]], 1), temperature)
    cdf = scaled(v, temperature).softmax(1).cumsum(1)
    place = (which[:, None] * cdf[:, -1:] >= cdf).sum(1).clamp(max=v.shape[1] - 1)
    return Choice(place, chance.log() < log_acceptance(log_w, place))


def scaled(v: Float[Tensor, "b k"], temperature: float) -> Float[Tensor, "b k"]:
    """$(v - max)/a$ of every chain; at temperature 0 all but the largest are -inf, and so they are if none is usable."""
    best = v.amax(1, keepdim=True)
    return torch.where(v == best, 0.0, (v - best) / temperature)


def log_acceptance(log_w: Float[Tensor, "b k1"], place: Int64[Tensor, " b"]) -> Float[Tensor, " b"]:
    r"""$\log \sum_i w_i - \log (\sum_{i \ne j} w_i + w)$ of k tries, of which j is taken up; with one it is (r' - r)/a.

    All tries are drawn from one x_t, and given it they do not depend on x: x takes the place of the one that is taken up.

    Args:
        log_w: of the k tries, then of the design that the chain is at.
        place: j.
    """
    without = log_w.scatter(1, place[:, None], -torch.inf)
    return log_w[:, :-1].logsumexp(1) - without.logsumexp(1)


def fixed(fraction: Float[Tensor, " b"], accepted: Bool[Tensor, " b"], number: int) -> Float[Tensor, " b"]:
    """The fraction as it is."""
    return fraction


def led(fraction: Float[Tensor, " b"], accepted: Bool[Tensor, " b"], number: int) -> Float[Tensor, " b"]:
    r"""The fraction led to the wanted acceptance: $\log f \mathrel{+}= (accepted - wanted) / k^{0.6}$ after move k."""
    return fraction * ((accepted.double() - WANTED) / number**SLOWER).exp()
