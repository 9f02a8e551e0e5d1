"""Checks of values that take the parent's answer, each of one property that a plausible mistake would break."""

from functools import lru_cache

import torch

import svdd
from exact.checks import weighted_methods_are_unbiased
from exact.tools import assert_law, drive, histogram
from svdd.chain import transitions
from svdd.chain.distributions import Categorical
from svdd.chain.equal_rows import NoEqualRows
from svdd.chain.filtering import Parents
from svdd.chain.schedules import masked_log_linear
from svdd.domains.toy import toy
from svdd.domains.toy.enumeration import place
from svdd.method import algorithms, filtered_values


@lru_cache
def model(name):
    return getattr(toy, name)()


def children_are_valued_by_their_own_parent(chains=60):
    """Numbers of the run are those of the tables at (parent, child), at every step; uniform noise, where times matter."""
    for name in ("uniform", "enumerable_a"):
        m = model(name)
        tables = m.filtered_values()
        value = filtered_values.filtered(m.reward)
        parent = None
        for step in algorithms.svdd(
            m.process, value, candidates=4, temperature=0.5, chains=chains, rng=svdd.Rng(0, chains)
        ):
            child, table = place(step.particles.x, m.symbols), tables[step.particles.step]
            if parent is not None and table.ndim == 2:
                torch.testing.assert_close(step.value[:, 0], table[parent, child])
            parent = child


def parents_are_gathered_with_their_children():
    m = model("enumerable_a")
    particles = m.process.start(3, (), svdd.Rng(0, 3)).propose(1).propose(1)
    children = particles.propose(4)
    index = torch.tensor([3, 5, 10])
    assert torch.equal(children.take(index, None).filtered.mode(), children.filtered.mode()[index])


def shown_tokens_are_taken_as_they_are():
    m = model("enumerable_a")
    children = m.process.start(3, (), svdd.Rng(0, 3)).propose(20)
    shown = children.x != m.vocabulary
    assert bool(shown.any())
    assert torch.equal(children.filtered.mode()[shown], children.x[shown])


def uniform_noise_is_filtered_as_written():
    r"""$p_j (\alpha_s [x_s = j] + (1 - \alpha_s)/V) / (\alpha_t [j = x_t] + (1 - \alpha_t)/V)$, by hand."""
    survival, t, s = masked_log_linear(), torch.tensor(0.7), torch.tensor(0.4)
    p, x_t, x_s = torch.tensor([0.5, 0.2, 0.3]), torch.tensor([[1]]), torch.tensor([[2]])
    bayes = transitions.uniform_marginal(survival).bayes
    parents = Parents(bayes, x_t, Categorical(p.log()[None, None]), NoEqualRows(1), t, s, 1)
    expected = p * torch.tensor([0.4 / 3, 0.4 / 3, 0.6 + 0.4 / 3]) / torch.tensor([0.7 / 3, 0.3 + 0.7 / 3, 0.7 / 3])
    torch.testing.assert_close(bayes(parents, x_s).log_p.softmax(-1)[0, 0], expected / expected.sum())


def filtered_svdd_has_its_exact_law(chains=6000):
    m = model("enumerable_a")
    step = drive(m, "svdd", filtered_values.filtered(m.reward), chains, seed=41, candidates=5, temperature=0.5)
    assert_law(histogram(m, step.particles.x), m.finite_law(m.filtered_values(), 5, 0.5))


def screened_weights_are_unbiased():
    """Above temperature 0 no candidate gets a weight of zero for being screened out."""
    m = model("enumerable_a")
    value = filtered_values.screened(m.reward, 1, temperature=1.0)
    weighted_methods_are_unbiased("nested-is", candidates=3, value=value)


def a_screen_asks_for_the_best(chains=40):
    """At temperature 0 the winner is the best by the network's own answer among the best by the parent's."""
    m = model("uniform")
    first, second = m.filtered_values(), m.posterior_mean_values()
    seen = []

    def spy(particles):
        v = screen(particles)
        if not particles.final and particles.step > 1:
            seen.append((particles.step, particles.x, particles.parents, v))
        return v

    screen = filtered_values.screened(m.reward, 2)
    for _ in algorithms.svdd(m.process, spy, candidates=5, chains=chains, rng=svdd.Rng(1, chains)):
        pass
    assert seen
    for number, x, parents, v in seen:
        child = place(x, m.symbols).view(chains, 5)
        by_parent = first[number][place(parents.x, m.symbols)[:, None], child]
        by_network = second[number][child]
        for i in range(chains):
            best = by_parent[i].argsort(descending=True, stable=True)[:2]
            expected = torch.full((5,), -torch.inf, dtype=torch.float64)
            expected[best] = by_network[i, best]
            torch.testing.assert_close(v.view(chains, 5)[i], expected)
