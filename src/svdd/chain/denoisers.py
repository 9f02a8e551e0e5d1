r"""Denoisers: every pretrained network, normalised at the border to $q(x_0 | x_t)$.

A denoiser maps `(x_t, t, cond)` to a `Distribution` over $x_0$; it is the only place where the network is called. The
functions here wrap networks that predict something else. A `Network` maps `(x_t, t, cond)` to a tensor.
Tokens are numbered 0 to V - 1 and the mask is V.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.distributions import Categorical, Dirac, Distribution, log_normalised
from svdd.chain.schedules import Schedule, Survival, scalar_for
from svdd.chain.tree import Tree, concatenate

Denoiser: TypeAlias = Callable[[Tree, Tensor, Tree], Distribution]
Network: TypeAlias = Callable[[Any, Tensor, Tree], Tensor]


def from_x0(network: Network) -> Denoiser:
    """A network that predicts x_0 itself."""
    return lambda x, t, cond: Dirac(network(x, t, cond))


def _estimated(network: Network, schedule: Schedule, x0: Callable[..., Tensor]) -> Denoiser:
    """A network whose answer `x0(x, answer, alpha_t, sigma_t)` turns into x_0."""

    def denoiser(x: Tensor, t: Tensor, cond: Tree) -> Dirac:
        alpha, sigma = schedule(t)
        return Dirac(x0(x, network(x, t, cond), scalar_for(x, alpha), scalar_for(x, sigma)))

    return denoiser


def from_epsilon(network: Network, schedule: Schedule) -> Denoiser:
    r"""A network that predicts the noise: $\hat x_0 = (x_t - \sigma_t \epsilon) / \alpha_t$."""
    return _estimated(network, schedule, lambda x, epsilon, alpha, sigma: (x - sigma * epsilon) / alpha)


def from_v(network: Network, schedule: Schedule) -> Denoiser:
    r"""A network that predicts $v = \alpha_t \epsilon - \sigma_t x_0$: $\hat x_0 = \alpha_t x_t - \sigma_t v$ (VP only)."""
    return _estimated(network, schedule, lambda x, v, alpha, sigma: alpha * x - sigma * v)


def from_score(network: Network, schedule: Schedule) -> Denoiser:
    r"""A network that predicts $\nabla \log p_t$: $\hat x_0 = (x_t + \sigma_t^2 \nabla \log p_t) / \alpha_t$ (Tweedie)."""
    return _estimated(network, schedule, lambda x, score, alpha, sigma: (x + sigma**2 * score) / alpha)


def substituted(logits: Float[Tensor, "n *sites W"], x: Int64[Tensor, "n *sites"], vocabulary: int) -> Categorical:
    """SUBS: the mask is never predicted, and a revealed token is its own prediction.

    Args:
        logits: for the V tokens, and perhaps for the mask behind them, which is ignored.
        x: tokens, V where masked.
        vocabulary: V.
    """
    log_p = logits[..., :vocabulary].float() if logits.dtype.itemsize < 4 else logits[..., :vocabulary]
    log_p = log_normalised(log_p)
    shown = torch.arange(vocabulary, device=x.device) == x[..., None]
    revealed = torch.where(shown, 0.0, -torch.inf).to(log_p)
    return Categorical(torch.where((x == vocabulary)[..., None], log_p, revealed))


def from_logits(network: Network, vocabulary: int) -> Denoiser:
    """A masked diffusion network (MDLM, RADD, LLaDA-like) under the SUBS parameterisation.

    References:
        Sahoo et al., Simple and effective masked diffusion language models, arXiv 2406.07524.
    """
    return lambda x, t, cond: substituted(network(x, t, cond), x, vocabulary)


def from_leave_one_out(network: Network, survival: Survival) -> Denoiser:
    r"""A uniform-noise network whose output is the law of x_0 at a site given the *other* sites.

    That is what the plug-in losses of D3PM and UDLM train. Bayes' rule adds what the site itself says:
    $p(x_0 = y | x_t) \propto \pi_y (\alpha_t [y = x_t] + (1 - \alpha_t)/V)$. So the look-ahead is the posterior's, and the
    step `uniform_marginal`, which with this posterior is `uniform_joint` with the bare output.

    Args:
        network: returns log pi up to a constant a site, (n, L, V).
        survival: alpha_t of the noise.

    References:
        Austin et al., Structured denoising diffusion models in discrete state-spaces, arXiv 2107.03006.
        Schiff et al., Simple guidance mechanisms for discrete diffusion models, arXiv 2412.10193.
    """

    def denoiser(x: Tensor, t: Tensor, cond: Tree) -> Categorical:
        log_pi = network(x, t, cond)
        size, alpha_t = log_pi.shape[-1], scalar_for(log_pi, survival(t))
        here = torch.arange(size, device=x.device) == x[..., None]
        return Categorical((log_pi + (alpha_t * here + (1 - alpha_t) / size).log()).log_softmax(-1))

    return denoiser  # type: ignore[return-value]


@dataclass(frozen=True)
class ScoreEntropy(Categorical):
    """A concrete-score prediction: the posterior `log_p` of x_0, and the raw log-ratios the analytic step uses.

    Args:
        log_p: (n, ..., V) normalised, for decoding and scoring.
        log_score: (n, ..., W) log of p_t(x with this site set to y) / p_t(x), W = V + 1 with a mask.
    """

    log_score: Float[Tensor, "n ... W"]


def from_score_entropy(network: Network, survival: Survival, vocabulary: int, masked: bool) -> Denoiser:
    r"""A score-entropy network (SEDD), for absorbing or uniform noise.

    With $\Delta = -\log \alpha_t$: absorbing $p(x_0 = y) \propto score_y$ at masked sites; uniform
    $p(x_0 = y) \propto stag_y \, trans_y$, the analytic step taken down to no noise at all.

    Args:
        network: returns log-ratios, (n, L, V + 1) if `masked`, else (n, L, V).
        survival: alpha_t of the noise.
        vocabulary: V.
        masked: absorbing noise (the mask is token V) or uniform noise.

    References:
        Lou et al., Discrete diffusion modeling by estimating the ratios of the data distribution, arXiv 2310.16834.
    """

    def denoiser(x: Tensor, t: Tensor, cond: Tree) -> ScoreEntropy:
        log_score = network(x, t, cond)
        if masked:
            log_p = substituted(log_score, x, vocabulary).log_p
        else:
            log_p = analytic_uniform(log_score, x, scalar_for(log_score, survival(t))).log_softmax(-1)
        return ScoreEntropy(log_p, log_score)

    return denoiser  # type: ignore[return-value]


def analytic_uniform(
    log_score: Float[Tensor, "n *sites V"], x: Int64[Tensor, "n *sites"], ratio: Float[Tensor, ""]
) -> Float[Tensor, "n *sites V"]:
    r"""Log weights of SEDD's analytic reverse step under uniform noise, $\alpha_{t|s} = e^{-\Delta}$ = `ratio`.

    $stag = score/\alpha_{t|s} + \frac{\alpha_{t|s} - 1}{V \alpha_{t|s}} \sum score$ and
    $trans_y = \alpha_{t|s} [y = x_t] + (1 - \alpha_{t|s})/V$; negative weights of an imperfect network count as 0.
    """
    score, size = log_score.exp(), log_score.shape[-1]
    stag = score / ratio + (ratio - 1) / (size * ratio) * score.sum(-1, keepdim=True)
    here = torch.arange(size, device=x.device) == x[..., None]
    return (stag.clamp(min=0) * (ratio * here + (1 - ratio) / size)).log()


def classifier_free_guidance(network: Network, scale: float) -> Network:
    r"""Guides a conditional network: $\tilde f = f(\varnothing) + scale \cdot (f(c) - f(\varnothing))$.

    The conditioning of a row is the dictionary `{"conditional": c, "unconditional": u}`. Both halves are made from the
    same rows in one call, so a candidate cannot meet another row's prompt. Guidance changes the pretrained law.

    Cost:
        2 network rows a state.

    References:
        Ho and Salimans, Classifier-free diffusion guidance, arXiv 2207.12598.
    """

    def guided(x: Tree, t: Tensor, cond: Tree) -> Tensor:
        both = concatenate([cond["unconditional"], cond["conditional"]])
        without, with_ = network(concatenate([x, x]), t, both).chunk(2)
        return without + scale * (with_ - without)

    return guided
