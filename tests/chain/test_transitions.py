"""Transitions: reverse kernels against Bayes' rule and against each other."""

import math

import pytest
import torch

from support.processes import streams
from svdd.chain.denoisers import ScoreEntropy, from_score_entropy, substituted
from svdd.chain.distributions import Categorical, Dirac, Normal, Product
from svdd.chain.schedules import geometric, masked_cosine, masked_log_linear, vp_cosine, vp_linear
from svdd.chain.transitions import (
    ddim,
    ddpm,
    masked_ancestral,
    product,
    remasking,
    score_entropy_analytic,
    uniform_joint,
    uniform_marginal,
)

V = 4
PRIOR = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
PAIRS = [(0.9, 0.8), (0.5, 0.1), (0.99, 0.02), (0.3, 0.0)]


def time(t):
    return torch.tensor(t, dtype=torch.float64)


def law(distribution):
    """Probabilities of a Categorical, normalised."""
    return distribution.log_p.softmax(-1)


def tokens(size):
    return torch.arange(size)[:, None]


def one_hot(x, size=V):
    return torch.eye(size, dtype=torch.float64)[x]


def masked_posterior(x, p=PRIOR):
    return substituted(p.log().expand(len(x), x.shape[1], V), x, V)


def absorbing_scores(x, alpha):
    """Exact log-ratios of independent sites under absorbing noise; the mask's entry is 0."""
    log_p = PRIOR.log() + (alpha / (1 - alpha)).log()
    return torch.cat([log_p, torch.zeros(1, dtype=torch.float64)]).expand(*x.shape, V + 1)


def uniform_scores(x, alpha):
    marginal = (alpha * PRIOR + (1 - alpha) / V).log()
    return (marginal - marginal[x][..., None]).expand(*x.shape, V)


def uniform_posterior(x, alpha):
    """p(x_0 | x_t) of independent sites under uniform noise."""
    likelihood = alpha * torch.eye(V, dtype=torch.float64) + (1 - alpha) / V
    return Categorical((PRIOR * likelihood[x]).log().log_softmax(-1))


MASKED = {
    "ancestral": lambda survival: masked_ancestral(survival),
    "remasking, cap": lambda survival: remasking(survival, 0.1, "cap"),
    "remasking, rescale": lambda survival: remasking(survival, 0.7, "rescale"),
}


# --- every kernel is a probability law ---------------------------------------------------------------------------


@pytest.mark.parametrize("survival", [masked_log_linear(), masked_log_linear(1e-3), masked_cosine(1e-3)])
@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize(("t", "s"), [*PAIRS, (1.0, 0.9)])
def test_masked_kernels_sum_to_one_without_being_normalised(survival, name, t, s):
    x = tokens(V + 1)
    p = MASKED[name](survival)(x, masked_posterior(x), time(t), time(s)).log_p.exp()
    assert p.shape == (V + 1, 1, V + 1)
    assert torch.allclose(p.sum(-1), torch.ones(V + 1, 1, dtype=torch.float64), atol=1e-12)
    assert float(p.min()) >= 0


@pytest.mark.parametrize("name", ["marginal", "joint", "analytic uniform", "analytic absorbing"])
@pytest.mark.parametrize(("t", "s"), PAIRS)
def test_other_discrete_kernels_are_laws(name, t, s):
    survival, x = (masked_log_linear(1e-3), tokens(V + 1)) if "absorbing" in name else (geometric(), tokens(V))
    alpha = survival(time(t))
    kernel, posterior = {
        "marginal": (uniform_marginal(survival), uniform_posterior(tokens(V), alpha)),
        "joint": (uniform_joint(survival), Categorical(PRIOR.log().expand(V, 1, V))),
        "analytic uniform": (
            score_entropy_analytic(survival, masked=False),
            ScoreEntropy(torch.zeros(V, 1, V).double(), uniform_scores(tokens(V), alpha)),
        ),
        "analytic absorbing": (
            score_entropy_analytic(survival, masked=True),
            ScoreEntropy(torch.zeros(V + 1, 1, V).double(), absorbing_scores(tokens(V + 1), alpha)),
        ),
    }[name]
    p = law(kernel(x, posterior, time(t), time(s)))
    assert torch.allclose(p.sum(-1), torch.ones(len(x), 1, dtype=torch.float64), atol=1e-12)
    assert bool((p >= 0).all())
    if name in ("marginal", "analytic absorbing"):  # normalised by themselves, with the exact answer
        raw = kernel(x, posterior, time(t), time(s)).log_p.exp().sum(-1)
        assert torch.allclose(raw, torch.ones_like(raw), atol=1e-12)


# --- composition: noise to t, then one reverse step with the true x_0, is noise to s -----------------------------


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize(("t", "s"), PAIRS)
def test_masked_kernels_compose(name, t, s):
    survival = masked_cosine(1e-3)
    x, true = tokens(V + 1), torch.zeros(V, dtype=torch.float64)
    true[2] = 1.0
    posterior = Categorical(torch.where((x == V)[..., None], true.log(), one_hot(x.clamp(max=V - 1)).log()))
    kernel = MASKED[name](survival)(x, posterior, time(t), time(s)).log_p.exp()[:, 0]
    at = lambda u: torch.cat([survival(time(u)) * true, (1 - survival(time(u)))[None]])  # noqa: E731
    assert torch.allclose(at(t) @ kernel, at(s), atol=1e-12)


@pytest.mark.parametrize("transition", [uniform_marginal, uniform_joint])
@pytest.mark.parametrize(("t", "s"), PAIRS)
def test_uniform_kernels_compose(transition, t, s):
    survival, true = geometric(), one_hot(torch.tensor(2))
    x = tokens(V)
    kernel = law(transition(survival)(x, Categorical(true.log().expand(V, 1, V)), time(t), time(s)))[:, 0]
    at = lambda u: survival(time(u)) * true + (1 - survival(time(u))) / V  # noqa: E731
    assert torch.allclose(at(t) @ kernel, at(s), atol=1e-12)


@pytest.mark.parametrize(("t", "s"), PAIRS)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("schedule", [vp_cosine(), vp_linear()], ids=["cosine", "linear"])
def test_gaussian_kernels_compose(schedule, eta, t, s):
    """x_t = alpha_t x_0 + sigma_t e goes through a linear map with the right mean and variance."""
    x0, (alpha_t, sigma_t), (alpha_s, sigma_s) = 1.7, schedule(time(t)), schedule(time(s))
    x = torch.stack([alpha_t * x0, alpha_t * x0 + sigma_t])[:, None]
    kernel = ddim(schedule, eta)(x, Dirac(torch.full((2, 1), x0, dtype=torch.float64)), time(t), time(s))
    middle, moved = kernel.mean[:, 0]
    assert float(middle) == pytest.approx(float(alpha_s * x0), abs=1e-12)
    assert float((moved - middle) ** 2 + kernel.std[0, 0] ** 2) == pytest.approx(float(sigma_s**2), abs=1e-12)


# --- Gaussian ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("t", "s"), PAIRS)
def test_ddpm_is_the_gaussian_posterior_and_ddim_with_eta_one(t, s):
    schedule, x, x0 = vp_cosine(), torch.tensor([[0.3], [2.0]]).double(), torch.tensor([[1.0], [-1.0]]).double()
    (alpha_t, sigma_t), (alpha_s, sigma_s) = schedule(time(t)), schedule(time(s))
    step = alpha_t / alpha_s
    noise = sigma_t**2 - step**2 * sigma_s**2
    mean = (step * sigma_s**2 * x + alpha_s * noise * x0) / sigma_t**2
    kernel, same = (make(x, Dirac(x0), time(t), time(s)) for make in (ddpm(schedule), ddim(schedule, 1.0)))
    assert torch.equal(kernel.mean, same.mean)
    assert torch.equal(kernel.std, same.std)
    assert torch.allclose(kernel.mean, mean, atol=1e-12)
    assert torch.allclose(kernel.std, (noise * sigma_s**2 / sigma_t**2).sqrt().expand(2, 1), atol=1e-9)


def test_the_standard_deviation_is_that_of_diffusers():
    """DDIMScheduler: variance = (1 - bar_s)/(1 - bar_t) (1 - bar_t/bar_s), std = eta sqrt(variance)."""
    bars = torch.linspace(0.99, 0.01, 50, dtype=torch.float64)
    schedule = lambda t: (bars[int(t)].sqrt(), (1 - bars[int(t)]).sqrt())  # noqa: E731
    x = torch.ones(1, 2).double()
    for t, s, eta in ((40, 30, 1.0), (20, 5, 0.3), (3, 2, 0.8)):
        variance = (1 - bars[s]) / (1 - bars[t]) * (1 - bars[t] / bars[s])
        kernel = ddim(schedule, eta)(x, Dirac(x), time(float(t)), time(float(s)))
        assert float(kernel.std[0, 0]) == pytest.approx(eta * float(variance.sqrt()), abs=1e-12)
        epsilon = (x - bars[t].sqrt() * x) / (1 - bars[t]).sqrt()
        direction = (1 - bars[s] - kernel.std[0, 0] ** 2).sqrt() * epsilon
        assert torch.allclose(kernel.mean, bars[s].sqrt() * x + direction, atol=1e-12)


def test_eta_zero_and_the_last_step_are_deterministic():
    x = torch.ones(1, 2)
    assert ddim(vp_cosine(), 0.0)(x, Dirac(x), time(0.5), time(0.4)).deterministic
    assert not ddim(vp_cosine(), 0.1)(x, Dirac(x), time(0.5), time(0.4)).deterministic
    last = ddpm(vp_cosine())(x, Dirac(3 * x), time(0.1), time(0.0))
    assert last.deterministic
    assert torch.allclose(last.mean, 3 * x)


def test_negative_eta_is_refused():
    with pytest.raises(ValueError, match=r"eta must be 0 or larger, got -0\.1"):
        ddim(vp_cosine(), -0.1)


def test_a_state_in_single_precision_stays_so():
    x = torch.ones(2, 3)
    kernel = ddpm(vp_linear())(x, Dirac(x), time(0.5), time(0.4))
    assert kernel.mean.dtype == kernel.std.dtype == torch.float32


# --- absorbing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("t", "s"), PAIRS)
def test_the_ancestral_step_is_mdlm(t, s):
    x, survival = tokens(V + 1), masked_log_linear()
    p = masked_ancestral(survival)(x, masked_posterior(x), time(t), time(s)).log_p.exp()[:, 0]
    expected = torch.eye(V + 1).double()
    expected[V] = torch.cat([PRIOR * (t - s) / t, torch.tensor([s / t]).double()])
    assert torch.allclose(p, expected, atol=1e-12)


@pytest.mark.parametrize(("t", "s"), PAIRS)
def test_score_entropy_under_subs_is_mdlm(t, s):
    survival, x = masked_log_linear(1e-3), tokens(V + 1)
    log_score = absorbing_scores(x, survival(time(t)))
    posterior = from_score_entropy(lambda *_: log_score, survival, V, masked=True)(x, time(t), ())
    analytic = law(score_entropy_analytic(survival, masked=True)(x, posterior, time(t), time(s)))
    mdlm = law(masked_ancestral(survival)(x, masked_posterior(x), time(t), time(s)))
    assert float((analytic - mdlm).abs().max()) < 1e-12


def test_score_entropy_keeps_the_rate_of_its_network():
    """Scores that do not sum to what the noise says reveal at another rate: they must not be normalised."""
    survival, x = masked_log_linear(1e-3), torch.tensor([[V]])
    log_score = absorbing_scores(x, survival(time(0.5)))
    half = log_score - torch.tensor([math.log(2)] * V + [0.0])
    kernel, p = score_entropy_analytic(survival, masked=True), PRIOR.log().expand(1, 1, V)
    laws = [law(kernel(x, ScoreEntropy(p, score), time(0.5), time(0.4))) for score in (log_score, half)]
    reveal = [1 - float(probability[0, 0, V]) for probability in laws]
    assert reveal[1] == pytest.approx(reveal[0] / 2, rel=1e-6)


@pytest.mark.parametrize("strategy", ["cap", "rescale"])
@pytest.mark.parametrize(("t", "s"), PAIRS)
def test_remasking_without_remasking_is_mdlm(strategy, t, s):
    survival, x = masked_cosine(), tokens(V + 1)
    plain = masked_ancestral(survival)(x, masked_posterior(x), time(t), time(s)).log_p
    assert torch.equal(remasking(survival, 0.0, strategy)(x, masked_posterior(x), time(t), time(s)).log_p, plain)


@pytest.mark.parametrize(("strategy", "eta"), [("cap", 0.05), ("cap", 1.0), ("rescale", 0.5), ("rescale", 1.0)])
@pytest.mark.parametrize(("t", "s"), [*PAIRS, (1.0, 0.5)])
def test_remasking_formulas(strategy, eta, t, s):
    survival, x = masked_log_linear(), tokens(V + 1)
    p = remasking(survival, eta, strategy)(x, masked_posterior(x), time(t), time(s)).log_p.exp()[:, 0]
    alpha_t, alpha_s = 1 - t, 1 - s
    largest = min(1.0, (1 - alpha_s) / alpha_t) if alpha_t else 1.0
    sigma = min(eta, largest) if strategy == "cap" else eta * largest
    assert p[0].tolist() == pytest.approx([1 - sigma, 0, 0, 0, sigma], abs=1e-12)
    assert float(p[V, V]) == pytest.approx((1 - alpha_s - sigma * alpha_t) / (1 - alpha_t), abs=1e-12)
    assert torch.allclose(p[V, :V], PRIOR * (alpha_s - (1 - sigma) * alpha_t) / (1 - alpha_t), atol=1e-12)


@pytest.mark.parametrize("eta", [-0.1, 1.1])
def test_remasking_needs_a_probability(eta):
    with pytest.raises(ValueError, match="eta is a probability"):
        remasking(masked_log_linear(), eta)


def test_log_probabilities_up_to_a_constant_do_not_change_the_rate():
    """A Categorical may hold log-probabilities up to a constant a site."""
    survival, x = masked_log_linear(), torch.tensor([[V, 1]])
    posterior = masked_posterior(x)
    shifted = Categorical(posterior.log_p + 3.0)
    for kernel in (masked_ancestral(survival), remasking(survival, 0.2)):
        p, q = (law(kernel(x, answer, time(0.5), time(0.4))) for answer in (posterior, shifted))
        assert torch.allclose(p, q, atol=1e-12)


@pytest.mark.parametrize("bad", [-math.inf, math.nan])
def test_a_masked_site_without_a_possible_token_is_named_by_the_ancestral_step(bad):
    x, log_p = torch.full((2, 3), V), torch.zeros(2, 3, V)
    log_p[1, 2] = bad
    step = masked_ancestral(masked_log_linear())(x, Categorical(log_p), time(0.5), time(0.0))
    with pytest.raises(ValueError, match=r"row, site \[1, 2\]"):
        step.sample(3, streams(2))


@pytest.mark.parametrize(("length", "steps"), [(3, 4), (10, 8)])
def test_a_candidate_equals_its_parent_as_often_as_it_should(length, steps):
    """(1 - 1/T)^L, averaged over the steps of a run: every site is revealed at a uniform step."""
    n, survival = 5000, masked_log_linear()
    x = torch.full((n, length), V)
    rng, same = streams(seed=3), torch.zeros(n).double()
    for step in range(steps):
        t, s = time(1 - step / steps), time(1 - (step + 1) / steps)
        child = masked_ancestral(survival)(x, masked_posterior(x), t, s).sample(1, rng)
        same += (child == x).all(1).double() / steps
        x = child
    z = (float(same.mean()) - (1 - 1 / steps) ** length) / (float(same.std()) / n**0.5)
    assert abs(z) < 5


# --- uniform -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("t", "s"), PAIRS[:3])
def test_marginal_joint_and_analytic_are_one_kernel_with_the_right_vectors(t, s):
    survival, x = geometric(sigma_max=4.0), tokens(V)
    alpha = survival(time(t))
    marginal = law(uniform_marginal(survival)(x, uniform_posterior(x, alpha), time(t), time(s)))
    joint = law(uniform_joint(survival)(x, Categorical(PRIOR.log().expand(V, 1, V)), time(t), time(s)))
    answer = from_score_entropy(lambda *_: uniform_scores(x, alpha), survival, V, masked=False)(x, time(t), ())
    analytic = law(score_entropy_analytic(survival, masked=False)(x, answer, time(t), time(s)))
    assert float((marginal - joint).abs().max()) < 1e-12
    assert float((marginal - analytic).abs().max()) < 1e-12


def test_marginal_and_joint_differ_with_the_same_vector():
    survival, x = geometric(sigma_max=4.0), tokens(V)
    posterior = uniform_posterior(x, survival(time(0.7)))
    kernels = [law(make(survival)(x, posterior, time(0.7), time(0.5))) for make in (uniform_marginal, uniform_joint)]
    assert float((kernels[0] - kernels[1]).abs().max()) > 1e-3


@pytest.mark.parametrize(("t", "s"), PAIRS[:3])
def test_marginal_sums_the_bridge_over_the_posterior(t, s):
    survival = geometric()
    alpha_t, alpha_s = survival(time(t)), survival(time(s))
    q = lambda a: a * torch.eye(V).double() + (1 - a) / V  # noqa: E731
    bridge = q(alpha_t / alpha_s)[None] * q(alpha_s)[:, :, None] / q(alpha_t)[:, None]  # [x_0, x_s, x_t]
    x = tokens(V)
    posterior = uniform_posterior(x, alpha_t)
    expected = torch.einsum("tj,jst->ts", posterior.log_p[:, 0].exp(), bridge)
    assert torch.allclose(law(uniform_marginal(survival)(x, posterior, time(t), time(s)))[:, 0], expected, atol=1e-12)


# --- products ----------------------------------------------------------------------------------------------------


def test_a_product_moves_its_parts_on_one_clock():
    seen = {}

    def spy(name, transition):
        return lambda x, posterior, t, s: seen.update({name: (t, s)}) or transition(x, posterior, t, s)

    moves = product({"n": spy("n", ddpm(vp_cosine())), "e": spy("e", masked_ancestral(masked_log_linear()))})
    x = {"n": torch.ones(2, 3), "e": torch.full((2, 2), V)}
    posterior = Product({"n": Dirac(x["n"]), "e": masked_posterior(x["e"])})
    t, s = time(0.5), time(0.4)
    kernel = moves(x, posterior, t, s)
    assert seen == {"n": (t, s), "e": (t, s)}
    assert isinstance(kernel.parts["n"], Normal)
    assert kernel.sample(3, streams(2))["e"].shape == (6, 2)
