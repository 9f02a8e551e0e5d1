r"""Transitions: the reverse kernels $p(x_s | x_t)$, $t > s$, built from a denoiser's answer.

A `Transition` maps `(x_t, posterior, t, s)` to a `Distribution` over $x_s$. It never calls the network, so it is cheap and
any number of candidates can be drawn from it.
"""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.denoisers import ScoreEntropy, analytic_uniform
from svdd.chain.distributions import Categorical, Distribution, Normal, Product
from svdd.chain.filtering import TokenStep, revealed, uniform_leave_one_out, uniform_posterior
from svdd.chain.schedules import Schedule, Survival, as_numbers, scalar_for
from svdd.chain.tree import Tree
from svdd.chain.unmasking import Unmasking
from svdd.messages import check

Transition: TypeAlias = Callable[[Tree, Distribution, Tensor, Tensor], Distribution]


def ddim(schedule: Schedule, eta: float = 1.0) -> Transition:
    r"""The Gaussian step of DDIM; $\eta$ scales the standard deviation, 0 is deterministic, 1 is DDPM.

    $x_s = \alpha_s \hat x_0 + \sqrt{\sigma_s^2 - \tau^2}\, (x_t - \alpha_t \hat x_0)/\sigma_t + \tau z$,
    $\tau = \eta \sigma_s \sqrt{1 - (\alpha_t \sigma_s / (\alpha_s \sigma_t))^2}$.

    Raises:
        ValueError: if eta is negative.

    References:
        Song et al., Denoising diffusion implicit models, arXiv 2010.02502.
    """
    check(eta >= 0, f"eta must be 0 or larger, got {eta}")

    def transition(x: Tensor, posterior: Distribution, t: Tensor, s: Tensor) -> Normal:
        (alpha_t, sigma_t), (alpha_s, sigma_s) = schedule(t), schedule(s)
        ratio = alpha_t * sigma_s / (alpha_s * sigma_t)
        std = eta * sigma_s * (1 - ratio**2).clamp(min=0).sqrt()
        keep = (sigma_s**2 - std**2).clamp(min=0).sqrt() / sigma_t
        x0 = posterior.mode()
        mean = scalar_for(x, alpha_s) * x0 + scalar_for(x, keep) * (x - scalar_for(x, alpha_t) * x0)
        return Normal(mean, scalar_for(x, std))

    return transition


def ddpm(schedule: Schedule) -> Transition:
    """The Gaussian posterior step of DDPM: `ddim` with eta 1.

    References:
        Ho et al., Denoising diffusion probabilistic models, arXiv 2006.11239.
    """
    return ddim(schedule, eta=1.0)


def _with_mask(
    x: Int64[Tensor, "n *sites"],
    log_reveal: Float[Tensor, "n *sites V"],
    reveal: float,
    remask: float,
) -> Categorical:
    """Masked sites: reveal or stay. Revealed sites: keep the token or return to the mask, which is token V.

    Args:
        x: tokens.
        log_reveal: log-probabilities of each token at a masked site.
        reveal: the probability that a masked site is revealed.
        remask: the probability that a revealed site returns to the mask.
    """
    vocabulary, site = log_reveal.shape[-1], x[..., None]
    tokens = torch.arange(vocabulary + 1, device=x.device)
    masked = torch.cat([log_reveal, log_reveal.new_full((*x.shape, 1), _log_of_the_rest(reveal))], -1)
    away = log_reveal.new_full((vocabulary + 1,), -torch.inf)
    away[vocabulary] = _log(remask)
    revealed = torch.where(tokens == site, _log_of_the_rest(remask), away)
    return Categorical(torch.where(site == vocabulary, masked, revealed))


def _log(p: float) -> float:
    return math.log(p) if p > 0 else -math.inf


def _log_of_the_rest(p: float) -> float:
    return math.log1p(-p) if p < 1 else -math.inf


def masked_ancestral(survival: Survival) -> Transition:
    r"""The ancestral step of absorbing diffusion (MDLM).

    A masked site is revealed with probability $(\alpha_s - \alpha_t)/(1 - \alpha_t)$, its token drawn from the posterior; a
    revealed site stays.

    References:
        Sahoo et al., arXiv 2406.07524.
    """
    return remasking(survival, eta=0.0)


def remasking(survival: Survival, eta: float, strategy: Literal["cap", "rescale"] = "cap") -> Transition:
    r"""The remasking step (ReMDM): a revealed token returns to the mask with probability $\sigma$, so it can be corrected.

    $\sigma_{max} = \min(1, (1 - \alpha_s)/\alpha_t)$; `cap`: $\sigma = \min(\eta, \sigma_{max})$; `rescale`:
    $\sigma = \eta \sigma_{max}$. At masked sites
    $P(y) = p_y (\alpha_s - (1 - \sigma)\alpha_t)/(1 - \alpha_t)$. eta 0 is `masked_ancestral`.

    Raises:
        ValueError: unless 0 <= eta <= 1.

    References:
        Wang et al., Remasking discrete diffusion models with inference-time scaling, arXiv 2503.00307.
    """
    check(0 <= eta <= 1, f"eta is a probability, got {eta}")
    level = as_numbers(survival)

    def transition(x: Tensor, posterior: Categorical, t: Tensor, s: Tensor) -> Categorical | Unmasking:
        alpha_t, alpha_s = level(t), level(s)
        largest = min((1 - alpha_s) / alpha_t, 1.0) if eta and alpha_t else float(eta > 0)
        sigma = min(largest, eta) if strategy == "cap" else eta * largest
        # without noise nothing is masked
        reveal = min(max((alpha_s - (1 - sigma) * alpha_t) / (1 - alpha_t), 0.0), 1.0) if alpha_t < 1 else 1.0
        # the rate of revealing is the schedule's, whatever constant log_p carries
        if sigma:
            return _with_mask(x, posterior.log_p.log_softmax(-1) + _log(reveal), reveal, sigma)
        each = posterior.log_p.new_full
        return Unmasking(x, posterior.log_p, each((len(x),), _log(reveal)), each((len(x),), _log_of_the_rest(reveal)))

    return TokenStep(transition, revealed)


def _one_hot(x: Int64[Tensor, "n *sites"], like: Float[Tensor, "n *sites V"]) -> Float[Tensor, "n *sites V"]:
    return torch.nn.functional.one_hot(x, like.shape[-1]).to(like)


def uniform_marginal(survival: Survival) -> Transition:
    r"""The uniform-noise step for a network trained to output the posterior $p(x_0 | x_t)$.

    $P(x_s) = \sum_j p_j \, q(x_s | x_t, x_0 = j)$. With $\alpha_{t|s} = \alpha_t/\alpha_s$ this is
    $(\alpha_{t|s}[x_s = x_t] + \tfrac{1 - \alpha_{t|s}}{V}) \, (\alpha_s w_{x_s} + \tfrac{1 - \alpha_s}{V} \sum_j w_j)$,
    $w_j = p_j / (\alpha_t [j = x_t] + (1 - \alpha_t)/V)$.
    """

    def transition(x: Tensor, posterior: Categorical, t: Tensor, s: Tensor) -> Categorical:
        p = posterior.log_p.softmax(-1)
        here, size = _one_hot(x, p), p.shape[-1]
        alpha_t, alpha_s = scalar_for(p, survival(t)), scalar_for(p, survival(s))
        ratio = alpha_t / alpha_s
        w = p / (alpha_t * here + (1 - alpha_t) / size)
        past = alpha_s * w + (1 - alpha_s) / size * w.sum(-1, keepdim=True)
        return Categorical(((ratio * here + (1 - ratio) / size) * past).log())

    return TokenStep(transition, uniform_posterior(survival))


def uniform_joint(survival: Survival) -> Transition:
    r"""The uniform-noise step that plugs the network's vector $\phi$ into the forward posterior (D3PM, UDLM).

    $P(x_s) \propto (\alpha_{t|s}[x_s = x_t] + \tfrac{1 - \alpha_{t|s}}{V})(\alpha_s \phi_{x_s} + \tfrac{1 - \alpha_s}{V})$.
    It equals `uniform_marginal` only if $\phi$ is the law of $x_0$ at the site given the *other* sites; it is right for
    networks trained with the plug-in loss. `from_leave_one_out` turns such an output into the posterior, which is what
    look-aheads need.

    References:
        Austin et al., Structured denoising diffusion models in discrete state-spaces, arXiv 2107.03006.
    """

    def transition(x: Tensor, posterior: Categorical, t: Tensor, s: Tensor) -> Categorical:
        phi = posterior.log_p.softmax(-1)
        here, size = _one_hot(x, phi), phi.shape[-1]
        alpha_t, alpha_s = scalar_for(phi, survival(t)), scalar_for(phi, survival(s))
        ratio = alpha_t / alpha_s
        like = ratio * here + (1 - ratio) / size
        return Categorical((like * (alpha_s * phi + (1 - alpha_s) / size)).log())

    return TokenStep(transition, uniform_leave_one_out(survival))


def score_entropy_analytic(survival: Survival, masked: bool) -> Transition:
    r"""SEDD's analytic (Tweedie tau-leaping) step from raw log-ratios, for absorbing or uniform noise.

    Absorbing, $\Delta = \sigma_t - \sigma_s$, $\alpha_{t|s} = e^{-\Delta}$, at a masked site:
    $P(y) \propto score_y e^{\Delta} (1 - e^{-\Delta})$ for tokens and
    $P(*) \propto score_* e^{\Delta} + (1 - e^{\Delta}) \sum score$. Under SUBS this is `masked_ancestral`. The ratios are used
    as they are: renormalising them would change the rate at which sites are revealed.

    References:
        Lou et al., arXiv 2310.16834.
    """

    def absorbing(x: Tensor, posterior: ScoreEntropy, ratio: Tensor) -> Categorical:
        score = posterior.log_score.exp()
        tokens = score[..., :-1] * (1 / ratio - 1)
        stay = score[..., -1:] / ratio + (1 - 1 / ratio) * score.sum(-1, keepdim=True)
        weights = torch.cat([tokens, stay.clamp(min=0)], -1)
        return Categorical(torch.where((x == tokens.shape[-1])[..., None], weights, _one_hot(x, weights)).log())

    def uniform(x: Tensor, posterior: ScoreEntropy, ratio: Tensor) -> Categorical:
        return Categorical(analytic_uniform(posterior.log_score, x, ratio))

    def transition(x: Tensor, posterior: ScoreEntropy, t: Tensor, s: Tensor) -> Categorical:
        ratio = scalar_for(posterior.log_score, survival(t) / survival(s))
        return absorbing(x, posterior, ratio) if masked else uniform(x, posterior, ratio)

    return TokenStep(transition, revealed if masked else uniform_posterior(survival))


def product(parts: dict[str, Transition]) -> Transition:
    """Independent transitions of the parts of one state, on one clock."""

    def transition(x: Tree, posterior: Product, t: Tensor, s: Tensor) -> Product:
        return Product({k: part(x[k], posterior.parts[k], t, s) for k, part in parts.items()})

    return transition  # type: ignore[return-value]
