"""Bayes' rule of a step, against all triples of x_0, x_t and x_s at a site; whom children remember; what is refused."""

import gc
import weakref

import pytest
import torch

from exact.tools import assert_law
from support.processes import VOCABULARY, gaussian, masked, mixed, streams
from svdd.chain.denoisers import from_score_entropy
from svdd.chain.distributions import Categorical, Dirac, Product
from svdd.chain.equal_rows import NoEqualRows
from svdd.chain.filtering import Parents, UnfilteredStepError
from svdd.chain.process import Particles, Process
from svdd.chain.schedules import masked_log_linear
from svdd.chain.transitions import (
    masked_ancestral,
    product,
    remasking,
    score_entropy_analytic,
    uniform_joint,
    uniform_marginal,
)
from svdd.domains.toy import toy

V, MASK = 3, 3
T, S = torch.tensor(0.7, dtype=torch.float64), torch.tensor(0.4, dtype=torch.float64)
SURVIVAL = masked_log_linear()
ALPHA_T, ALPHA_S = float(SURVIVAL(T)), float(SURVIVAL(S))
PI = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)  # of x_0 at the site, before the site itself is looked at


def uniform_noise(alpha):
    """q(x | x_0), x_0 in rows."""
    return alpha * torch.eye(V, dtype=torch.float64) + (1 - alpha) / V


def uniform_step(x_t):
    """q(x_s | x_t, x_0), x_0 in rows."""
    joint = uniform_noise(ALPHA_S) * uniform_noise(ALPHA_T / ALPHA_S)[:, x_t]
    return joint / joint.sum(1, keepdim=True)


def masked_step(x_t, sigma):
    """q(x_s | x_t, x_0) of remasking, x_0 in rows; a token that is shown is x_0."""
    step = torch.zeros(V, V + 1, dtype=torch.float64)
    if x_t == MASK:
        reveal = (ALPHA_S - (1 - sigma) * ALPHA_T) / (1 - ALPHA_T)
        step[:, :V], step[:, MASK] = reveal * torch.eye(V), 1 - reveal
    else:
        step[:, x_t], step[:, MASK] = 1 - sigma, sigma
    return step


def of_masks(x_t):
    """p(x_0 | x_t) under SUBS."""
    return PI if x_t == MASK else torch.eye(V, dtype=torch.float64)[x_t]


def of_noise(x_t):
    """p(x_0 | x_t): Bayes' rule with the site's own noise."""
    p = PI * uniform_noise(ALPHA_T)[:, x_t]
    return p / p.sum()


def known(p):
    return lambda x: Categorical(torch.stack([p(int(token)) for token in x[:, 0]])[:, None].log())


def scored(of_state):
    """What a score-entropy network with the right ratios leads to; `of_state` is p_t at the site."""
    has_mask = len(of_state) > V

    def network(x, t, cond):
        return (of_state / of_state[x][..., None]).log()

    denoiser = from_score_entropy(network, SURVIVAL, V, masked=has_mask)
    return lambda x: denoiser(x, T, ())


MASKED_STATE = torch.cat([ALPHA_T * PI, torch.tensor([1 - ALPHA_T], dtype=torch.float64)])
KERNELS = {
    "masked": (masked_ancestral(SURVIVAL), known(of_masks), of_masks, lambda x: masked_step(x, 0.0)),
    "remasking": (remasking(SURVIVAL, 0.3), known(of_masks), of_masks, lambda x: masked_step(x, 0.3)),
    "uniform, marginal": (uniform_marginal(SURVIVAL), known(of_noise), of_noise, uniform_step),
    "uniform, joint": (uniform_joint(SURVIVAL), known(lambda x: PI), of_noise, uniform_step),
    "score entropy, uniform": (
        score_entropy_analytic(SURVIVAL, masked=False), scored(PI @ uniform_noise(ALPHA_T)), of_noise, uniform_step,
    ),
    "score entropy, masked": (
        score_entropy_analytic(SURVIVAL, masked=True), scored(MASKED_STATE), of_masks, lambda x: masked_step(x, 0.0),
    ),
}  # fmt: skip


def pairs(name):
    """Every parent, its law of x_0, its step, and the children that the step can lead to."""
    _, _, p, step = KERNELS[name]
    symbols = V if "uniform" in name else V + 1
    for x_t in range(symbols):
        joint = p(x_t)[:, None] * step(x_t)
        yield x_t, joint, [x_s for x_s in range(symbols) if joint[:, x_s].sum() > 1e-12]


def filtered(name, x_t, children):
    transition, answer, *_ = KERNELS[name]
    x = torch.tensor([[x_t]])
    row = torch.zeros(len(children), dtype=torch.int64)
    return transition.bayes(Parents(transition.bayes, x, answer(x), NoEqualRows(1), T, S, 1, row), children)


@pytest.mark.parametrize("name", KERNELS)
def test_the_steps_written_down_here_are_those_of_the_kernel(name):
    transition, answer, *_ = KERNELS[name]
    for x_t, joint, children in pairs(name):
        x = torch.tensor([[x_t]])
        kernel = transition(x, answer(x), T, S).log_p.softmax(-1)[0, 0]
        torch.testing.assert_close(kernel, joint.sum(0)[: len(kernel)])
        assert children


@pytest.mark.parametrize("name", KERNELS)
def test_a_child_says_of_x0_what_all_triples_say(name):
    for x_t, joint, children in pairs(name):
        law = filtered(name, x_t, torch.tensor(children)[:, None])
        expected = (joint / joint.sum(0)).T[children]
        torch.testing.assert_close(law.log_p.softmax(-1)[:, 0], expected)
        best = expected.gather(1, law.mode())[:, 0]
        torch.testing.assert_close(best, expected.amax(1))


@pytest.mark.parametrize("name", KERNELS)
def test_draws_have_that_law(name):
    n = 4000
    for x_t, joint, children in pairs(name):
        law = filtered(name, x_t, torch.tensor(children)[:, None])
        drawn = law.sample(n, streams(len(children))).view(len(children), n)
        for i, x_s in enumerate(children):
            expected, counts = joint[:, x_s] / joint[:, x_s].sum(), torch.bincount(drawn[i], minlength=V).double()
            if expected.max() < 1:
                assert_law(counts, expected)
            else:
                assert torch.equal(counts, n * expected)


def test_a_site_that_returns_to_the_mask_keeps_the_token_of_its_parent():
    assert filtered("remasking", 1, torch.tensor([[MASK]])).mode().tolist() == [[1]]


# --- whom children remember --------------------------------------------------------------------------------------------


def by_hand(parents, children, row):
    """Shown tokens, and the parent's guess elsewhere."""
    guess = parents.posterior.mode()[row]
    return torch.where(children.x == VOCABULARY, guess, children.x)


def test_children_are_filtered_by_the_answer_of_their_own_parent():
    particles = masked(steps=5).start(3, (), streams(3))
    for _ in range(4):
        children = particles.propose(4)
        row = torch.arange(len(particles)).repeat_interleave(4)
        assert torch.equal(children.filtered.mode(), by_hand(particles, children, row))
        assert not children.has_posterior
        index = torch.tensor([1, 5, 10])
        chosen = children.take(index, streams(3))
        assert torch.equal(chosen.filtered.mode(), by_hand(particles, chosen, row[index]))
        particles = chosen


def test_particles_of_the_prior_are_asked_for_themselves():
    particles = masked().start(2, (), streams(2))
    assert torch.equal(particles.filtered.mode(), particles.posterior.mode())


def test_children_do_not_keep_their_ancestors_alive():
    particles = masked(steps=5).start(2, (), streams(2))
    first = weakref.ref(particles.posterior.log_p)
    for _ in range(3):
        particles = particles.propose(2)[torch.tensor([0, 2])]
    gc.collect()
    assert first() is None


def test_the_answers_of_parents_are_not_copied():
    particles = masked().start(3, (), streams(3))
    children = particles.propose(4)
    assert children.parents.answers is particles._answers[0]


# --- what is refused ----------------------------------------------------------------------------------------------------


def conditioned():
    """A Gaussian part, and one that stays, as the prompts of images do."""
    nodes = gaussian()
    prior = lambda n, rng: {"latents": nodes.prior(n, rng), "condition": torch.zeros(n, 1)}  # noqa: E731
    transition = product({"latents": nodes.transition, "condition": lambda x, posterior, t, s: Dirac(x)})

    def denoiser(x, t, cond):
        return Product({"latents": nodes.denoiser(x["latents"], t, cond), "condition": Dirac(x["condition"])})

    return Process(prior, denoiser, transition, nodes.times)


def plain_transition():
    process = masked()
    step = process.transition
    object.__setattr__(process, "transition", lambda x, posterior, t, s: step(x, posterior, t, s))
    return process


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (gaussian, "a Gaussian step adds white noise to its parent's look-ahead and nothing else"),
        (conditioned, "a Gaussian step adds white noise to its parent's look-ahead and nothing else"),
        (mixed, "a state of several parts, such as nodes and edges, has no rule of Bayes"),
        (plain_transition, r"this transition is no svdd.chain.TokenStep, so nothing says q\(x_s \| x_t, x_0\)"),
    ],
)
def test_other_steps_are_refused_with_the_reason(make, said):
    children = make().start(2, (), streams(2)).propose(2)
    with pytest.raises(
        UnfilteredStepError, match=f"^the value filtered does not work here: {said}.*; use posterior-mean$"
    ):
        children[torch.tensor([0])].filtered  # noqa: B018


def test_some_answers_are_completed_by_those_that_are_missing():
    from svdd.chain.some_answers import SomeAnswers

    m = toy.enumerable_a()
    asked = []
    process = m.process.decoded_by(m.process.decode)
    inner = process.denoiser
    object.__setattr__(process, "denoiser", lambda x, t, cond: asked.append(len(x)) or inner(x, t, cond))
    x = m.states[[255, 12, 80, 140]]
    whole = Particles(process, 2, x).posterior
    asked.clear()
    particles = Particles(process, 2, x)
    particles.keep_some(SomeAnswers(whole[torch.tensor([2, 0])], torch.tensor([1, -1, 0, -1])))
    known = particles.take(torch.tensor([2, 0, 0]), None)
    assert torch.equal(known.posterior.log_p, whole.log_p[[2, 0, 0]])
    assert asked == []
    assert torch.equal(particles.take(torch.tensor([1, 2]), None).posterior.log_p, whole.log_p[[1, 2]])
    assert asked == [1]
