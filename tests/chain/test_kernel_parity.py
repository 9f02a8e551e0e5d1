"""Whole chains of discrete diffusion against matrix products of the textbook's own matrices.

Everything on the textbook's side is numpy on the joint law of a few dependent sites: forward matrices Q, Bayes' rule over
all clean strings, concrete scores as ratios of the noisy joint law. Nothing of it knows how a transition is computed.
"""

import itertools

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from svdd.chain.denoisers import ScoreEntropy, from_leave_one_out, from_score_entropy
from svdd.chain.distributions import Categorical
from svdd.chain.schedules import geometric, masked_cosine, masked_log_linear, time_grid
from svdd.chain.transitions import (
    masked_ancestral,
    remasking,
    score_entropy_analytic,
    uniform_joint,
    uniform_marginal,
)

V, LENGTH = 3, 2
CLEAN = np.array(list(itertools.product(range(V), repeat=LENGTH)))
DATA = np.random.default_rng(5).dirichlet(0.4 * np.ones(len(CLEAN)))
SCHEDULES = {
    "log-linear": masked_log_linear(),
    "log-linear, eps": masked_log_linear(1e-3),
    "cosine": masked_cosine(1e-3),
    "geometric": geometric(1e-3, 8.0),
}


def clock(t):
    return torch.tensor(t, dtype=torch.float64)


class Textbook:
    """A noise on single sites, and what Bayes' rule makes of it for strings."""

    def __init__(self, masked, survival):
        self.symbols = V + masked
        self.masked, self.survival = masked, survival
        self.states = np.array(list(itertools.product(range(self.symbols), repeat=LENGTH)))

    def rate(self):
        """The generator with unit rate: rows are where a token goes."""
        if self.masked:
            jump = np.zeros((V + 1, V + 1))
            jump[:, V] = 1.0
        else:
            jump = np.full((V, V), 1 / V)
        return jump - np.eye(self.symbols)

    def alpha(self, t):
        return float(self.survival(clock(t)))

    def q(self, t, s=None):
        """Forward matrix from s, or from no noise, to t: the generator's exponential, and its limit without signal."""
        ratio = self.alpha(t) / (1.0 if s is None else self.alpha(s))
        if ratio == 0:
            return np.eye(self.symbols) + self.rate()
        return expm(-np.log(ratio) * self.rate())

    def likelihood(self, t):
        """Probability of every noisy string (columns) from every clean one (rows)."""
        q = self.q(t)
        return np.prod([q[CLEAN[:, i]][:, self.states[:, i]] for i in range(LENGTH)], axis=0)

    def noisy(self, t):
        return DATA @ self.likelihood(t)

    def site_posterior(self, t):
        """p(x_0^i = y | x_t), (states, sites, V)."""
        joint = DATA[:, None] * self.likelihood(t)
        return self._sites(joint)

    def leave_one_out(self, t):
        """p(x_0^i = y | the other sites of x_t), (states, sites, V)."""
        q, out = self.q(t), np.zeros((len(self.states), LENGTH, V))
        for i in range(LENGTH):
            others = [j for j in range(LENGTH) if j != i]
            parts = [q[CLEAN[:, j]][:, self.states[:, j]] for j in others]
            joint = DATA[:, None] * np.prod(parts, axis=0)
            out[:, i] = self._sites(joint)[:, i]
        return out

    def _sites(self, joint):
        total = joint.sum(0, keepdims=True)
        law = np.divide(joint, total, out=np.full_like(joint, 1 / len(joint)), where=total > 0)  # even if impossible
        one_hot = np.eye(V)[CLEAN]
        return np.einsum("cs,civ->siv", law, one_hot)

    def score(self, t):
        """p_t(x with site i set to y) / p_t(x), (states, sites, symbols)."""
        law = self.noisy(t)
        where = {tuple(state): k for k, state in enumerate(self.states)}
        out = np.zeros((len(self.states), LENGTH, self.symbols))
        for k, state in enumerate(self.states):
            for i, y in itertools.product(range(LENGTH), range(self.symbols)):
                changed = state.copy()
                changed[i] = y
                out[k, i, y] = law[where[tuple(changed)]] / law[k]
        return out

    def bridge(self, t, s):
        """q(x_s | x_t, x_0) of one site, [x_0, x_t, x_s]; zero where x_t cannot come from x_0."""
        step, before, after = self.q(t, s), self.q(s), self.q(t)
        joint = before[:V, None, :] * step.T[None]
        total = after[:V, :, None]
        return np.divide(joint, total, out=np.zeros_like(joint), where=total > 0)

    def ancestral(self, t, s, bridge=None):
        """The factorised step: every site's bridge averaged over its own posterior."""
        bridge, posterior = self.bridge(t, s) if bridge is None else bridge, self.site_posterior(t)
        sites = [np.einsum("sv,vsy->sy", posterior[:, i], bridge[:, self.states[:, i]]) for i in range(LENGTH)]
        return self.joined(sites)

    def tweedie(self, t, s):
        """SEDD's step from exact scores: (exp(-noise rate) score)_y exp(noise rate)_{y, x_t}."""
        noise = np.log(self.alpha(s) / self.alpha(t))
        forward, back = expm(noise * self.rate()), expm(-noise * self.rate())
        score, sites = self.score(t), []
        for i in range(LENGTH):
            weights = score[:, i] @ back * forward[:, self.states[:, i]].T
            sites.append(weights / weights.sum(1, keepdims=True))
        return self.joined(sites)

    def joined(self, sites):
        """Independent sites as a matrix over strings."""
        return np.prod([sites[i][:, self.states[:, i]] for i in range(LENGTH)], axis=0)

    def start(self):
        law = np.zeros(len(self.states))
        if self.masked:
            law[-1] = 1.0
            return law
        return law + 1 / len(law)

    def finished(self, law):
        clean = (self.states < V).all(1)
        assert law[~clean].sum() < 1e-12
        return law[clean]


def sites_law(kernel):
    p = kernel.log_p.softmax(-1).numpy()
    return [p[:, i] for i in range(LENGTH)]


def chain(book, steps, matrix):
    """The law of x_0 from the textbook's prior."""
    law = book.start()
    for t, s in itertools.pairwise(time_grid(steps).tolist()):
        law = law @ matrix(t, s)
    return book.finished(law)


def ours(book, denoiser, transition):
    """The matrix of one step by the library."""
    states = torch.from_numpy(book.states)

    def matrix(t, s):
        times = clock(t), clock(s)
        return book.joined(sites_law(transition(states, denoiser(states, times[0], ()), *times)))

    return matrix


def table(book, name):
    """A network that is right: it looks its answer up in the textbook, as logarithms."""

    def network(x, t, cond):
        with np.errstate(divide="ignore"):
            return torch.from_numpy(np.log(getattr(book, name)(float(t))))

    return network


def posterior(book):
    network = table(book, "site_posterior")
    return lambda x, t, cond: Categorical(network(x, t, cond))


@pytest.mark.parametrize("schedule", ["log-linear", "log-linear, eps", "cosine"])
@pytest.mark.parametrize("steps", [1, 3, 7])
def test_masked_chains(schedule, steps):
    book = Textbook(True, SCHEDULES[schedule])
    found = chain(book, steps, ours(book, posterior(book), masked_ancestral(book.survival)))
    assert np.abs(found - chain(book, steps, book.ancestral)).max() < 1e-12


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 3, 7])
def test_uniform_chains_by_four_ways(schedule, steps):
    """True posterior and marginal step, leave-one-out and joint step, both together, exact scores and SEDD's step."""
    book = Textbook(False, SCHEDULES[schedule])
    truth = chain(book, steps, book.ancestral)
    log_pi = table(book, "leave_one_out")
    ways = {
        "marginal": (posterior(book), uniform_marginal(book.survival)),
        "joint": (lambda x, t, cond: Categorical(log_pi(x, t, cond)), uniform_joint(book.survival)),
        "converted": (from_leave_one_out(log_pi, book.survival), uniform_marginal(book.survival)),
    }
    for name, way in ways.items():
        assert np.abs(chain(book, steps, ours(book, *way)) - truth).max() < 1e-12, name
    if book.alpha(1.0) > 0:  # scores need signal
        sedd = from_score_entropy(table(book, "score"), book.survival, V, masked=False)
        step = score_entropy_analytic(book.survival, masked=False)
        assert np.abs(chain(book, steps, ours(book, sedd, step)) - truth).max() < 1e-9
        assert np.abs(chain(book, steps, book.tweedie) - truth).max() < 1e-9


@pytest.mark.parametrize("schedule", ["log-linear, eps", "cosine"])
@pytest.mark.parametrize("steps", [2, 5])
def test_masked_chains_from_scores(schedule, steps):
    """SEDD's absorbing step from exact concrete scores is the textbook's, and masked diffusion's."""
    book = Textbook(True, SCHEDULES[schedule])
    states = torch.from_numpy(book.states)
    sedd = from_score_entropy(table(book, "score"), book.survival, V, masked=True)
    step = score_entropy_analytic(book.survival, masked=True)
    library = ours(book, sedd, step)
    for t, s in itertools.pairwise(time_grid(steps).tolist()):
        # a clean string may be impossible: its scores are 0/0, and no chain is ever there
        possible = book.noisy(t) > 0
        assert np.abs(library(t, s) - book.ancestral(t, s))[possible].max() < 1e-9
        assert np.abs(book.tweedie(t, s) - book.ancestral(t, s))[possible].max() < 1e-9
    answer = sedd(states, clock(0.5), ())
    assert isinstance(answer, ScoreEntropy)
    assert np.abs(answer.log_p.exp().numpy() - book.site_posterior(0.5)).max() < 1e-9


@pytest.mark.parametrize("strategy", ["cap", "rescale"])
@pytest.mark.parametrize("eta", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("steps", [2, 6])
def test_remasking_chains(strategy, eta, steps):
    """ReMDM's bridge by its definition: shown tokens return to the mask, masked ones make up for it."""
    book = Textbook(True, masked_cosine(1e-3))

    def bridge(t, s):
        alpha_t, alpha_s = book.alpha(t), book.alpha(s)
        largest = min(1.0, (1 - alpha_s) / alpha_t)
        sigma = min(eta, largest) if strategy == "cap" else eta * largest
        out = np.zeros((V, V + 1, V + 1))
        for x_0 in range(V):
            out[x_0, x_0, [x_0, V]] = 1 - sigma, sigma
            shown = (alpha_s - (1 - sigma) * alpha_t) / (1 - alpha_t)
            out[x_0, V, [x_0, V]] = shown, 1 - shown
        return out

    found = chain(book, steps, ours(book, posterior(book), remasking(book.survival, eta, strategy)))
    assert np.abs(found - chain(book, steps, lambda t, s: book.ancestral(t, s, bridge(t, s)))).max() < 1e-12
    for t, s in itertools.pairwise(time_grid(steps).tolist()):
        q_t, q_s = book.q(t)[:V], book.q(s)[:V]
        moved = np.stack([q_t[x_0] @ bridge(t, s)[x_0] for x_0 in range(V)])
        assert np.abs(moved - q_s).max() < 1e-12, "the definition keeps every marginal"


@pytest.mark.parametrize("masked", [True, False])
def test_chains_reach_the_data_as_steps_grow(masked):
    """Sites move independently within a step: the error falls like 1/T."""
    book = Textbook(masked, masked_log_linear())
    make = masked_ancestral if masked else uniform_marginal
    matrix = ours(book, posterior(book), make(book.survival))
    errors = [np.abs(chain(book, steps, matrix) - DATA).sum() / 2 for steps in (32, 64, 128)]
    assert errors[0] > 1e-3
    assert errors[1:] == pytest.approx([errors[0] / 2, errors[0] / 4], rel=0.2)


# --- the step of D3PM, and conversions --------------------------------------------------------------------------


@pytest.mark.parametrize(("t", "s"), [(0.9, 0.8), (0.6, 0.1), (0.3, 0.0), (1.0, 0.9)])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_joint_step_is_d3pm_and_udlm(t, s, schedule):
    """Q_{t|s}[x_s, x_t] (phi Q_s)[x_s] for any vector, and the closed form that UDLM writes."""
    book = Textbook(False, SCHEDULES[schedule])
    phi = np.random.default_rng(1).dirichlet(np.ones(V), size=(len(book.states), LENGTH))
    states = torch.from_numpy(book.states)
    kernel = uniform_joint(book.survival)(states, Categorical(torch.from_numpy(np.log(phi))), clock(t), clock(s))
    step, before = book.q(t, s), book.q(s)
    alpha_t, alpha_s = book.alpha(t), book.alpha(s)
    ratio = alpha_t / alpha_s
    for i, found in enumerate(sites_law(kernel)):
        x = book.states[:, i]
        weights = step[:, x].T * (phi[:, i] @ before)
        assert np.abs(found - weights / weights.sum(1, keepdims=True)).max() < 1e-12
        e = np.eye(V)[x]
        top = alpha_t * V * phi[:, i] * e + (ratio - alpha_t) * e + (alpha_s - alpha_t) * phi[:, i]
        top = top + (1 - ratio) * (1 - alpha_s) / V
        bottom = alpha_t * V * phi[np.arange(len(x)), i, x] + 1 - alpha_t
        assert np.abs(found - top / bottom[:, None]).max() < 1e-12


def test_with_the_same_vector_marginal_and_joint_are_two_chains():
    """The posterior belongs to the marginal step: in the joint step it counts the seen token twice."""
    book = Textbook(False, masked_log_linear())
    truth = chain(book, 6, book.ancestral)
    wrong = chain(book, 6, ours(book, posterior(book), uniform_joint(book.survival)))
    log_pi = table(book, "leave_one_out")
    also = chain(book, 6, ours(book, lambda x, t, c: Categorical(log_pi(x, t, c)), uniform_marginal(book.survival)))
    assert np.abs(wrong - truth).sum() / 2 > 0.02
    assert np.abs(also - truth).sum() / 2 > 0.02


@pytest.mark.parametrize("t", [0.9, 0.5, 0.1])
def test_scores_posteriors_and_leave_one_out_laws_are_one_thing(t):
    """Uniform noise: mu = score / sum = alpha pi + (1 - alpha)/V, and Bayes' rule makes the posterior of pi."""
    book = Textbook(False, geometric(1e-3, 4.0))
    states, time = torch.from_numpy(book.states), clock(t)
    alpha, score, pi = book.alpha(t), book.score(t), book.leave_one_out(t)
    mu = score / score.sum(-1, keepdims=True)
    assert np.abs(mu - (alpha * pi + (1 - alpha) / V)).max() < 1e-12
    found = from_score_entropy(table(book, "score"), book.survival, V, masked=False)(states, time, ())
    converted = from_leave_one_out(table(book, "leave_one_out"), book.survival)(states, time, ())
    for answer in (found, converted):
        assert np.abs(answer.log_p.exp().numpy() - book.site_posterior(t)).max() < 1e-9


@pytest.mark.parametrize("t", [0.9, 0.5, 0.1])
def test_absorbing_scores_are_posteriors_times_the_odds_of_being_shown(t):
    """p_y = score_y (e^sigma - 1) at masked sites."""
    book = Textbook(True, masked_log_linear(1e-3))
    alpha = book.alpha(t)
    score, p = book.score(t)[..., :V] * (1 / alpha - 1), book.site_posterior(t)
    hidden = book.states == V
    assert np.abs(score[hidden] - p[hidden]).max() < 1e-12


def test_the_converted_step_is_the_joint_one_even_for_a_wrong_network():
    book = Textbook(False, masked_log_linear())
    log_phi = torch.from_numpy(np.log(np.random.default_rng(2).dirichlet(np.ones(V), size=(len(book.states), LENGTH))))
    states, t, s = torch.from_numpy(book.states), clock(0.7), clock(0.4)
    converted = from_leave_one_out(lambda *_: log_phi, book.survival)(states, t, ())
    marginal = uniform_marginal(book.survival)(states, converted, t, s)
    joint = uniform_joint(book.survival)(states, Categorical(log_phi), t, s)
    assert torch.allclose(marginal.log_p.softmax(-1), joint.log_p.softmax(-1), atol=1e-12)
