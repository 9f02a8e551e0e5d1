"""Small checks of moves of finished designs, each of one property that a plausible mistake would break; see `checks`."""

from dataclasses import replace
from functools import lru_cache

import torch

import svdd
from exact.tools import assert_law, assert_mean, histogram
from svdd.domains.toy import toy
from svdd.domains.toy.enumeration import choice_law, place

A = 0.2


@lru_cache
def model(name="enumerable_a"):
    return getattr(toy, name)()


@lru_cache
def proposals(fraction, name="enumerable_a"):
    """The law of what a move proposes from every design: noise to the level, then the chain's own kernels."""
    m = model(name)
    first = m.process.steps - max(1, round(fraction * m.process.steps))
    t = float(m.process.times[first])
    same, mask = m.designs[:, None] == m.states, m.states == m.vocabulary
    law = torch.where(mask, t, (1 - t) * same.double()).prod(-1)
    for step in range(first, m.process.steps):
        law = law @ m.kernel(step)
    return law[:, place(m.designs, m.symbols)]


def moves(fraction, temperature, name="enumerable_a"):
    """The Metropolis kernel on designs."""
    m = model(name)
    gain = (m.rewards - m.rewards[:, None]) / temperature
    accepted = proposals(fraction, name) * gain.exp().clamp(max=1)
    return accepted + torch.diag(1 - accepted.sum(1))


def law_after(count, fraction=0.5, temperature=A):
    law, kernel = model().p_pre(), moves(fraction, temperature)
    for _ in range(count):
        law = law @ kernel
    return law


def refined(m, chains, seed=0, reward=None, **options):
    """The last step of `refine`."""
    value = svdd.posterior_mean(reward or m.reward)
    return svdd.last(svdd.refine(m.process, value, chains=chains, rng=svdd.Rng(seed, chains), **options))


def moves_have_their_exact_law(chains=4000):
    """After a few moves a chain is where the Metropolis kernel says."""
    for count in (3, 10):
        step = refined(model(), chains, seed=count, moves=count, fraction=0.5, temperature=A)
        assert_law(histogram(model(), step.particles.x[::2]), law_after(count))


def the_best_design_seen_is_kept():
    """No design that was scored in a chain is better than its best, and its best was scored there."""
    chains, tries, seen = 6, 3, []

    def reward(designs):
        scores = model().reward(designs)
        seen.append(scores.view(chains, -1))
        return scores

    value = svdd.posterior_mean(reward)
    step = svdd.last(
        svdd.refine(
            model().process, value, moves=15, fraction=0.5, temperature=2.0, tries=tries, chains=chains,
            rng=svdd.Rng(4, chains),
        )
    )  # fmt: skip
    best = torch.cat(seen, 1).amax(1)
    assert torch.equal(step.value[:, 1], best)
    assert torch.equal(model().reward(step.particles.x[1::2]), best)


def the_best_of_the_first_designs_is_refined(chains=4000):
    """Without a move a chain is at the best of its first designs."""
    best = choice_law(model().p_pre()[None], model().rewards, 4, 0.0)[0]
    assert_law(histogram(model(), refined(model(), chains, moves=0, best_of=4).particles.x[::2]), best)


def law_of_kept_paths(m, count, fraction, temperature):
    """The law of a design after moves that keep the state of its path before the last steps, and then of all steps."""
    first = m.process.steps - round(fraction * m.process.steps)
    before, tail = m.prior, torch.eye(len(m.states), dtype=torch.float64)
    for step in range(m.process.steps):
        before = before @ m.kernel(step) if step < first else before
        tail = tail @ m.kernel(step) if step >= first else tail
    tail = tail[:, place(m.designs, m.symbols)]
    accepted = ((m.rewards - m.rewards[:, None]) / temperature).exp().clamp(max=1)
    anew = before[:, None] * tail
    law = anew
    for number in range(1, count + 1):
        if number % 10:
            taken = tail[:, None] * accepted
            law = (law[:, None] @ taken)[:, 0] + law * (1 - taken.sum(2))
        else:
            law = (law.sum(0) @ accepted) * anew + law * (1 - accepted @ anew.sum(0))
    return law.sum(0)


def kept_paths_have_their_exact_law(chains=6000):
    """Nine moves of the last half of the steps, then one of all, and again, from the path that was accepted."""
    for count in (4, 10, 29):
        step = refined(model("uniform"), chains, seed=count, moves=count, fraction=0.5, temperature=A, exact=True)
        assert_law(
            histogram(model("uniform"), step.particles.x[::2]), law_of_kept_paths(model("uniform"), count, 0.5, A)
        )


def from_the_target(m, temperature, chains):
    """The model whose chains begin with draws of the target."""
    noise = torch.Generator().manual_seed(1)
    given = m.designs[torch.multinomial(m.tilted(temperature), chains, replacement=True, generator=noise)]
    return replace(m, process=replace(m.process, given=lambda n, rng: (given, m.process.prior(n, rng))))


def exact_moves_keep_the_target(chains=3000, **options):
    """Of two steps that reveal four dependent sites, so that the chain is far from reversing its noise."""
    m = toy.enumerable_a(steps=2)
    settings = {"moves": 12, "fraction": 0.5, "temperature": A, "exact": True} | options
    step = refined(from_the_target(m, A, chains), chains, **settings)
    assert_law(histogram(m, step.particles.x[::2]), m.tilted(A))


def weighted_designs_have_the_average_of_their_laws(chains=3000, moves=12):
    """The mean of a function over all designs of a chain, weighted, is that of the laws after 0, 1, ... moves."""
    m = model()
    options = {"moves": moves, "fraction": 0.5, "temperature": A, "samples": chains, "returns": "all"}
    result = svdd.decode(m.process, m.reward, method="refine", seed=5, progress=False, **options)
    chain, weight = torch.tensor(result.chain), result.log_w.exp()
    of_chains = torch.zeros(chains, dtype=torch.float64).index_add(0, chain, weight * result.rewards) / (moves + 1)
    laws = torch.stack([law_after(count) for count in range(moves + 1)])
    assert_mean(of_chains, (laws @ m.rewards).mean())


def populations_are_weighted_right(chains=3000, a=0.5):
    """Where moves keep their targets, mean weights and weighted means of the reward are those of exp(r/a), for any N and K.

    Of all steps again, and of the last half with the state of the path before them.
    """
    for name, options in (("enumerable_b", {"fraction": 1.0}), ("uniform", {"fraction": 0.5, "exact": True})):
        m, p = model(name), model(name).p_pre()
        for size, moves in ((3, 6), (6, 2), (4, 0)):
            step = refined(m, chains, seed=size, moves=moves, population=size, temperature=a, **options)
            log_w, reward = step.log_w[:, :size], step.value[:, :size]
            assert bool(step.log_w[:, size].isneginf().all())
            assert torch.equal(
                reward.flatten(), m.reward(step.particles.x.view(chains, size + 1, -1)[:, :size].flatten(0, 1))
            )
            assert_mean(log_w.exp().mean(1), (p * (m.rewards / a).exp()).sum())
            assert_mean((log_w.exp() * reward).mean(1), (p * (m.rewards / a).exp() * m.rewards).sum())


def best_of_a_population_is_kept(chains=5):
    """No design that a chain has scored is better than its best."""
    seen = []

    def reward(designs):
        scores = model().reward(designs)
        seen.append(scores.view(chains, -1))
        return scores

    options = {"moves": 9, "fraction": 0.5, "temperature": 0.5, "population": 3, "tries": 2, "best_of": 2}
    step = refined(model(), chains, reward=reward, **options)
    assert torch.equal(step.value[:, 3], torch.cat(seen, 1).amax(1))
    assert torch.equal(model().reward(step.particles.x), step.value.flatten())
