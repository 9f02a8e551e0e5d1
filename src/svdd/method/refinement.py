r"""Refinement: the second loop. Noise a finished design again, denoise it, and accept it by its true reward.

A chain is at a design x with reward r(x). One move draws $x_t \sim q(x_t | x)$ at a level that leaves a share f of the steps,
$x' \sim p(x_0 | x_t)$ by the pretrained chain, and accepts with probability $\min(1, e^{(r(x') - r(x))/a})$. Where the chain
reverses q the move is reversible for p, so its law is $p_a \propto p \, e^{r/a}$. No estimate of a value is in it.
As `search`, `refine` is an iterator of steps: those of the chain that makes the first design, then one a move. From then on
every chain has two particles, the design it is at and, behind it, the best that it has seen; with a population, its designs and
behind them the best.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from numbers import Integral
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
from svdd.method.population import Population, population_of
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
    population: int = 1,
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
        population: N, designs of a chain that move side by side while the temperature falls to a, and are resampled on the way
            (`svdd.method.population`); then a is above 0.
        exact: the law tends to p exp(r/a) whatever the network and the grid. Masked models remember when sites were revealed,
            and test that too; others keep a state of the path, redo the steps after it, and every tenth move all of them.
        **kwargs: `chains`, `rng`, `cond`, `start`.

    Raises:
        ValueError: for a process without a forward kernel, and options out of their range.

    Cost:
        n T + K k round(f T) network rows and n + K k reward rows a chain whose first design is the best of n; where designs
        are given, K k round(f T) and 1 + K k. `exact` asks for (K + 1) T network rows more at most of masked models; of others,
        every tenth of its moves asks for k T in place of k round(f T). All that N times with a population of N.

    References:
        CSMC, arXiv 2602.09424; Uehara et al., arXiv 2502.14944; with several tries, IterRef, arXiv 2511.05562.
    """
    _check_counts(moves=moves, tries=tries, best_of=best_of, population=population)
    _check_options(fraction, temperature)
    several = population_of(population, moves, temperature)
    proposals = _exact(process, fraction) if exact else Renoised(process)
    lead = led if fraction == "adapted" else fixed
    share = FIRST if fraction == "adapted" else float(fraction)
    return _steps(
        process, partial(first_designs, process, value, best_of, population, proposals.seen), moves,
        lambda step: _with_best(step, share, several),
        lambda step: _after_a_move(step, value, proposals, several, tries, lead), **kwargs,
    )  # fmt: skip


def _steps(
    process: Process,
    begun: Callable[..., Iterator[Step]],
    moves: int,
    finished: Callable[[Step], Step],
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
            step = finished(reached) if reached.particles.final else reached
            yield step
    assert step is not None, "a chain has a first design"
    step = step._replace(particles=_at_home(driven(step.particles, process, rng)))
    while step.moves < moves:
        step = moved(step)
        yield step


def _check_counts(**counts: Any) -> None:
    for name, count in counts.items():
        fewest = 0 if name == "moves" else 1
        whole = isinstance(count, Integral) and not isinstance(count, bool) and int(count) >= fewest
        check(whole, f"{name} must be a whole number, {fewest} or more, got {count!r:.80}")


def _check_options(fraction: Fraction, temperature: float) -> None:
    finite = 0 <= temperature < math.inf
    check(finite, f"temperature must be 0 or larger, and finite, got {temperature}")
    number = isinstance(fraction, int | float) and not isinstance(fraction, bool)
    share = fraction == "adapted" or (number and 0 < fraction <= 1)
    check(share, f"fraction is the share of the steps to take again, in (0, 1], or 'adapted', got {fraction!r}")


def _exact(process: Process, fraction: Fraction) -> Proposals:
    if reveals(process):
        return Revealed(process)
    check(fraction != "adapted", "exact moves keep one state of a path, which fraction tells: give it a number")
    share = torch.tensor([fraction], dtype=torch.float64, device="cpu")
    return KeptPaths(process, int(tails(share, process.steps)))


def tails(fraction: Float[Tensor, " n"], steps: int) -> Int64[Tensor, " n"]:
    """How many of the last steps a share of them is, at least one."""
    return (fraction * steps).round().long().clamp(1, steps)


def _with_best(step: Step, fraction: float, population: Population) -> Step:
    """The first designs, and behind them the best of each chain; a draw by weight takes one that a chain is at."""
    chains, n = step.value.shape
    index = torch.cat([torch.arange(n, device="cpu").expand(chains, n), step.value.argmax(1, keepdim=True)], 1)
    row = (index + n * torch.arange(chains, device="cpu")[:, None]).flatten()
    share = torch.full((chains * n,), fraction, dtype=torch.float64, device="cpu")
    particles = replace(step.particles, memory=step.particles.memory | {FRACTION: share})[row]
    log_w = torch.nn.functional.pad(population.weights(step.value), (0, 1), value=-torch.inf)
    value, ancestor = (one.gather(1, index) for one in (step.value, step.ancestor))
    return Step(particles, value, log_w, ancestor, step.candidates)


def _at_home(particles: Particles) -> Particles:
    """The same particles with the states in their memory where their own are: a saved step has them on the CPU."""
    there = {
        name: tree_map(lambda leaf, own: leaf.to(own.device), particles.memory[name], particles.x)
        for name in {NOISE, KEPT} & particles.memory.keys()
    }
    return replace(particles, memory=particles.memory | there)


def _after_a_move(
    step: Step, value: Value, proposals: Proposals, population: Population, tries: int, lead: Lead
) -> Step:
    """One move of every design of every chain."""
    here, chains, n, number = step.particles, len(step.value), population.size, step.moves + 1
    place = torch.arange(len(here), device="cpu").view(chains, n + 1)
    at = proposals.settled(here[place[:, :n].flatten()])
    proposed = proposals.proposed(at, number, tails(at.memory[FRACTION], here.process.steps), tries)
    v = checked(value(proposed), proposed.x, len(proposed), "value").view(chains * n, tries)
    choice = propose(v, step.value[:, :n].flatten(), population.temperature(number), streams(here))
    share = lead(at.memory[FRACTION], choice.accepted, number).clamp(1 / here.process.steps, 1.0).view(chains, n)
    # of every particle itself, then all tries of its chain
    values = torch.cat([step.value[..., None], v.view(chains, 1, -1).expand(-1, n + 1, -1)], 2)
    ancestor = _taken(v, choice, step.value[:, n], n)
    here_now = values.flatten(1).gather(1, ancestor)[:, :n]
    chosen = population.after(number, here_now, step.log_w[:, :n], streams(here))
    ancestor = torch.cat([ancestor[:, :n].gather(1, chosen.ancestor), ancestor[:, n:]], 1)
    share = torch.cat([share.gather(1, chosen.ancestor), share[:, :1]], 1)
    parts = [(one.x, one.cond, one.memory) for one in (at, here[place[:, n]], proposed)]
    everyone, row = concatenate(parts), _rows(chains, n, tries)
    x, cond, memory = take(everyone, row.flatten(1).gather(1, ancestor).flatten())
    return Step(
        replace(here, x=x, cond=cond, memory=memory | {FRACTION: share.flatten()}),
        values.flatten(1).gather(1, ancestor),
        torch.cat([chosen.log_w, step.log_w[:, n:]], 1),
        ancestor,
        Candidates(values, step.value, row_hash(everyone[0])[row]),
        number,
    )


def _taken(v: Float[Tensor, "r k"], choice: "Choice", best: Float[Tensor, " b"], n: int) -> Int64[Tensor, "b n1"]:
    """What each of n designs of every chain becomes, and the best one, by their places among the candidates of the chain."""
    chains, tries = len(v) // n, v.shape[1]
    first = torch.arange(n, device="cpu") * tries + 1
    seen, place = (one.view(chains, n) for one in best_seen(v, choice))
    top, member = seen.max(1)
    members = (choice.place.view(chains, n) + first) * choice.accepted.view(chains, n)
    better = ((place + first).gather(1, member[:, None])[:, 0] * (top > best))[:, None]
    return torch.cat([members, better], 1) + torch.arange(n + 1, device="cpu") * (1 + n * tries)


def _rows(chains: int, n: int, tries: int) -> Int64[Tensor, "b n1 m"]:
    """Where candidates are among the designs of all chains, behind them the best ones, and behind these all tries."""
    members = torch.arange(chains * n, device="cpu").view(chains, n)
    own = torch.cat([members, chains * n + torch.arange(chains, device="cpu")[:, None]], 1)
    new = chains * (n + 1) + torch.arange(chains * n * tries, device="cpu").view(chains, 1, -1)
    return torch.cat([own[..., None], new.expand(-1, n + 1, -1)], 2)


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
