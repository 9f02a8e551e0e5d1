r"""Losses: what a network learns from the reward a state led to.

With residual $z = (r - f)/a$ the LINEX loss $e^z - z - 1$ is stationary in the mean where $E[e^{(r - f)/a}] = 1$, which is
$f = a \log E[e^{r/a}]$: the soft value. At high temperature it is half the squared error in units of $a^2$.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.method.values import log_mean_exp


def squared(prediction: Float[Tensor, " n"], target: Float[Tensor, " n"], unit: float) -> Float[Tensor, ""]:
    """Half the mean squared error, in units of `unit` squared; stationary at the mean of the targets."""
    return ((target - prediction) / unit).square().mean() / 2


def linex(
    prediction: Float[Tensor, " n"], target: Float[Tensor, " n"], unit: float, temperature: float, clip: float
) -> Float[Tensor, ""]:
    r"""The mean of $(a/u)^2 (e^z - z - 1)$, $z = (r - f)/a$; beyond `clip` the exponential goes on as its tangent.

    The tangent keeps a gradient where a reward is far above the prediction; it lowers the stationary point only where z
    exceeds `clip` there too. A target of -inf has $e^z = 0$, as an invalid design has weight 0.

    Args:
        prediction: f.
        target: r, or the soft value of children.
        unit: u, the spread of rewards.
        temperature: a.
        clip: largest z of the exponential.
    """
    z = (target - prediction) / temperature
    exponential = z.clamp(max=clip).exp() * (1 + (z - clip).relu())
    known = torch.where(target.isneginf(), prediction.detach(), target)  # only a constant: it keeps the loss a number
    linear = (known - prediction) / temperature
    return (temperature / unit) ** 2 * (exponential - linear - 1).mean()


def soft_backup(children: Float[Tensor, "n K"], temperature: float) -> Float[Tensor, " n"]:
    r"""The soft Bellman target $y_t = a \log \frac1K \sum_k e^{v(x_s^k)/a}$ of K children.

    Low by O(1/K) as an estimate of the soft value; but `linex` averages $e^{y/a}$, which is unbiased for any K.
    """
    return log_mean_exp(children, temperature)


def effective(rewards: Float[Tensor, " n"], temperature: float) -> float:
    r"""How many roll-outs carry $E[e^{r/a}]$: $(\sum w)^2 / \sum w^2$, $w = e^{r/a}$."""
    w = (rewards / temperature).softmax(0)
    return float(1 / w.square().sum())


def level(rewards: Float[Tensor, " n"], temperature: float | None) -> float:
    """Where a fit starts: the mean of the roll-outs' rewards, or their log-mean-exp."""
    if temperature is None:
        return float(rewards.mean())
    assert temperature > 0 and math.isfinite(temperature), "checked with the settings"
    return float(log_mean_exp(rewards, temperature))
