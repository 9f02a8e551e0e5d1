"""Denoisers: predictions of every kind say the same thing about x_0."""

import pytest
import torch

from support.processes import streams
from svdd.chain.denoisers import (
    classifier_free_guidance,
    from_epsilon,
    from_logits,
    from_score,
    from_score_entropy,
    from_v,
    from_x0,
    substituted,
)
from svdd.chain.distributions import Categorical, Dirac
from svdd.chain.schedules import geometric, masked_log_linear, vp_cosine, vp_linear
from svdd.chain.tree import repeat

V = 4


def time(t):
    return torch.tensor(t, dtype=torch.float64)


@pytest.mark.parametrize("schedule", [vp_cosine(), vp_linear()], ids=["cosine", "linear"])
@pytest.mark.parametrize("t", [0.05, 0.5, 0.97])
def test_every_prediction_of_a_gaussian_agrees(schedule, t):
    mean, var = 1.5, 0.3  # data; everything known about x_0 follows
    alpha, sigma = schedule(time(t))
    x = streams().normal((5, 2), dtype=torch.float64)
    total = alpha**2 * var + sigma**2
    score = -(x - alpha * mean) / total
    x0 = mean + alpha * var / total * (x - alpha * mean)
    epsilon = (x - alpha * x0) / sigma
    predictions = {
        from_x0: (lambda *_: x0,),
        from_epsilon: (lambda *_: epsilon, schedule),
        from_v: (lambda *_: alpha * epsilon - sigma * x0, schedule),
        from_score: (lambda *_: score, schedule),
    }
    for wrap, arguments in predictions.items():
        answer = wrap(*arguments)(x, time(t), ())
        assert isinstance(answer, Dirac)
        assert torch.allclose(answer.mode(), x0, atol=1e-10), wrap.__name__


def test_predictions_keep_the_dtype_of_the_state():
    x = torch.ones(2, 3)
    for wrap in (from_epsilon, from_v, from_score):
        assert wrap(lambda x, t, cond: x, vp_cosine())(x, time(0.5), ()).x.dtype == torch.float32


def test_networks_are_given_state_time_and_conditioning():
    seen = []
    denoiser = from_epsilon(lambda *arguments: seen.append(arguments) or arguments[0], vp_cosine())
    x, t, cond = torch.ones(2, 3), time(0.5), {"prompt": torch.arange(2)}
    denoiser(x, t, cond)
    assert seen == [(x, t, cond)]


def test_revealed_tokens_are_their_own_prediction():
    x = torch.tensor([[0, V, 3], [V, V, 1]])
    logits = streams().normal((2, 3, V + 1))
    log_p = substituted(logits, x, V).log_p
    assert log_p.shape == (2, 3, V)
    assert torch.allclose(log_p.exp().sum(-1), torch.ones(2, 3))
    assert torch.equal(log_p.argmax(-1)[x < V], x[x < V])
    assert torch.equal(log_p[x < V].exp().amax(-1), torch.ones(3))
    masked = logits[..., :V].log_softmax(-1)
    assert torch.allclose(log_p[x == V], masked[x == V])
    assert torch.equal(substituted(logits[..., :V], x, V).log_p, log_p)


def test_half_precision_logits_are_sampled_in_single():
    x = torch.tensor([[V]])
    assert substituted(torch.zeros(1, 1, V, dtype=torch.bfloat16), x, V).log_p.dtype == torch.float32


def test_from_logits_gives_a_categorical():
    x = torch.tensor([[V, 2]])
    answer = from_logits(lambda x, t, cond: torch.zeros(1, 2, V), V)(x, time(0.3), ())
    assert isinstance(answer, Categorical)
    assert answer.mode().tolist() == [[0, 2]]


def test_absorbing_scores_give_their_law():
    log_p = torch.tensor([0.1, 0.2, 0.3, 0.4]).double().log()
    sigma = 0.7
    log_score = torch.cat([log_p - torch.tensor(sigma).expm1().log(), torch.zeros(1)]).expand(1, 2, V + 1)
    survival = masked_log_linear()
    t = time(1 - torch.exp(torch.tensor(-sigma)).item())
    answer = from_score_entropy(lambda *_: log_score, survival, V, masked=True)(torch.tensor([[V, 2]]), t, ())
    assert torch.allclose(answer.log_p[0, 0], log_p)
    assert answer.mode()[0, 1] == 2
    assert torch.equal(answer.log_score, log_score)


@pytest.mark.parametrize("t", [0.2, 0.6, 0.99])
def test_uniform_scores_give_the_bayes_posterior(t):
    prior = torch.tensor([0.1, 0.2, 0.3, 0.4]).double()
    survival = geometric()
    alpha = survival(time(t))
    marginal = alpha * prior + (1 - alpha) / V
    x = torch.arange(V)[:, None]
    log_score = (marginal.log() - marginal.log()[x]).view(V, 1, V)
    answer = from_score_entropy(lambda *_: log_score, survival, V, masked=False)(x, time(t), ())
    likelihood = alpha * torch.eye(V).double() + (1 - alpha) / V
    bayes = prior * likelihood[x[:, 0]]
    assert torch.allclose(answer.log_p[:, 0].exp(), bayes / bayes.sum(-1, keepdim=True), atol=1e-12)


def guided(scale):
    return classifier_free_guidance(lambda x, t, cond: x["a"] + 100 * cond["prompt"], scale)


def test_guidance_mixes_the_two_answers():
    x = {"a": torch.arange(3).double()}
    prompt = torch.tensor([1.0, 2.0, 3.0]).double()
    cond = {"unconditional": {"prompt": 0 * prompt}, "conditional": {"prompt": prompt}}
    for scale in (0.0, 1.0, 2.5):
        assert torch.allclose(guided(scale)(x, time(0.5), cond), x["a"] + scale * 100 * prompt)


def test_a_guided_candidate_meets_its_own_prompt():
    b, m = 3, 4
    prompt = torch.arange(b).double()
    cond = repeat({"unconditional": {"prompt": -prompt}, "conditional": {"prompt": prompt}}, m)
    answer = guided(2.0)({"a": torch.zeros(b * m).double()}, time(0.5), cond)
    assert torch.equal(answer, repeat(-100 * prompt + 2 * 200 * prompt, m))
