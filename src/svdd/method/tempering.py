r"""Tempering: how far look-aheads are trusted at each step.

Particles are resampled towards $p(x_t) \exp(\lambda_t v(x_t)/a)$ with $\lambda$ from 0 to 1, and the last step weighs by the
reward itself. So the target stays $p_a$, whatever the $\lambda$ on the way.
"""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from svdd.chain.process import Particles, Process
from svdd.chain.rng import Rng
from svdd.messages import check, check_known
from svdd.method.selectors import Selection, Selector, adaptive, effective_sample_size, keep
from svdd.method.table import TemperingName
from svdd.method.values import Value, running_max, running_sum, tempered, untempered
from svdd.scoring.numbers import checked

Potential = Literal["difference", "max", "sum"]
Strength = Callable[[float], float]

_MEMORY = "tempering"
_HALVINGS = 40


def weighing(
    value: Value, selector: Selector, potential: str, tempering: str, temperature: float, ess: float, process: Process
) -> tuple[Value, Selector]:
    """The value and the selector of a weighted method.

    Args:
        value: a look-ahead.
        selector: the resampler.
        potential: a name of `POTENTIALS`.
        tempering: `none`, `adaptive` (`Tempering`) or `increase` (`increasing`).
        temperature: a.
        ess: the part of the effective sample size below which a chain is resampled.
        process: whose times count.

    Raises:
        ValueError: for an unknown name, and for a part of the effective sample size that makes no sense.
    """
    check(potential in POTENTIALS, f"potential must be one of {sorted(POTENTIALS)}, got {potential!r}")
    check_known("tempering", tempering, get_args(TemperingName))
    strength = increasing(process) if tempering == "increase" else untempered
    made = POTENTIALS[potential](value, strength)
    if tempering != "adaptive":
        return made, adaptive(selector, ess)
    both = Tempering(made, selector, temperature, ess)
    return both.value, both.select


def _difference(value: Value, strength: Strength) -> Value:
    return value if strength is untempered else tempered(value, strength)


POTENTIALS: dict[str, Callable[[Value, Strength], Value]] = {
    "difference": _difference,
    "max": running_max,
    "sum": running_sum,
}
"""What look-aheads are made into before they weigh, by name."""


def increasing(process: Process) -> Strength:
    r"""The schedule `increase` of BFS: $\lambda_t \propto \bar\alpha_t / \bar\alpha_{t-1}$, with mean 1 over the steps.

    $\bar\alpha$ is here the part of the way from noise to data that is done. That is the signal of masks and of straight paths,
    and stands for it elsewhere.

    References:
        Zhang et al., Inference-time scaling of diffusion models through classical search, arXiv 2505.23614.
    """
    times = process.times.double()
    signal = (times[0] - times) / (times[0] - times[-1])
    ratio = signal[:-1] / signal[1:]
    return dict(zip(process.times[1:].tolist(), (ratio / ratio.mean()).tolist(), strict=True)).__getitem__


class Tempering:
    r"""Adaptive tempering: a value and a selector that go together.

    With $u = v/a$, particles carry on $\log w = \log \tilde w + (1 - \lambda) u$, the weight at $\lambda = 1$, so that the
    weights of the loop are right. The next difference of values leaves $\log \tilde w - \lambda u$ of it: the old $\lambda$ is
    undone exactly.

    Each chain takes the largest $\lambda_k \ge \lambda_{k-1}$ (by bisection) at which the effective sample size of the
    cumulative weights $\tilde w$ is at least `ess` times the candidates, and is resampled by them. Chains that reach 1 are
    resampled as without tempering. At the end $\lambda = 1$ and v is the reward.

    Consistent as N grows, for any value. Its Z is unbiased up to O(1/N), since $\lambda$ depends on the particles.

    Args:
        value: any value.
        resample: the resampler.
        temperature: a.
        ess: between 0 and 1; 0.5 to 0.7 is usual.

    Raises:
        ValueError: unless 0 < ess < 1.

    References:
        Kim et al., Test-time alignment of diffusion models without reward over-optimization, arXiv 2501.05803.
    """

    def __init__(self, value: Value, resample: Selector, temperature: float, ess: float) -> None:
        check(0 < ess < 1, f"adaptive tempering needs an ess between 0 and 1, such as 0.5, got {ess}")
        self._value, self._resample, self.temperature, self.ess = value, resample, temperature, ess
        self._valued: tuple[Particles, Tensor] | None = None

    def value(self, particles: Particles) -> Float[Tensor, " r"]:
        """The value, remembered until `select` needs it."""
        v = checked(self._value(particles), particles.x, len(particles), "value")
        self._valued = particles, v
        return v

    def select(self, log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
        """Resamples the chains whose look-aheads are tempered, and those whose effective sample size is low."""
        assert self._valued is not None, "the value is asked before the selector"
        (particles, v), (b, k) = self._valued, log_w.shape
        u = torch.where(v.isneginf(), 0.0, v / self.temperature).view(b, k)
        before = particles.memory.get(_MEMORY, torch.zeros(b * k, dtype=u.dtype, device="cpu")).view(b, k)[:, 0]
        unscored = v.isneginf().view(b, k).all(1, keepdim=True)
        scored = log_w.masked_fill(unscored, -torch.inf)
        strength, poor = self.strength(scored, u, torch.ones_like(before) if particles.final else before)
        particles.memory[_MEMORY] = strength.repeat_interleave(k)
        log_w = _at(strength, log_w, u)
        chosen = self._resample(log_w, n, rng)
        if n == k:
            chosen = Selection(
                *(torch.where(poor[:, None], a, b) for a, b in zip(chosen, keep(log_w, n, rng), strict=True))
            )
        return Selection(chosen.ancestor, chosen.log_w + (1 - strength)[:, None] * u.gather(1, chosen.ancestor))

    def strength(
        self, log_w: Float[Tensor, "b k"], u: Float[Tensor, "b k"], before: Float[Tensor, " b"]
    ) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        r"""The next $\lambda$ of every chain, and which of them are to be resampled.

        Args:
            log_w: cumulative weights at $\lambda = 1$.
            u: values in units of the temperature.
            before: the last $\lambda$.
        """

        def even(strength: Float[Tensor, " b"]) -> Bool[Tensor, " b"]:
            return effective_sample_size(_at(strength, log_w, u)) >= self.ess * log_w.shape[1]

        low, high = before, torch.ones_like(before)
        poor = ~even(high)
        hopeless = log_w.isneginf().all(1)  # their step counts as not scored
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            fits = even(middle)
            low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
        return torch.where(poor, low, torch.where(hopeless, before, 1.0)), poor


def _at(strength: Float[Tensor, " b"], log_w: Float[Tensor, "b k"], u: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    r"""Weights at another $\lambda$ than 1."""
    return log_w - (1 - strength)[:, None] * u


def scale_free(resample: Selector, deviations: float) -> Selector:
    r"""Resamples by $w \propto \exp((\Delta - mean \Delta)/(c \, std \Delta))$: the scale of the reward does not matter.

    Survivors carry no weight on, so that the next differences are again those of one step. There is no target law.

    Args:
        resample: the resampler.
        deviations: c, how many standard deviations weigh e times as much.

    Raises:
        ValueError: unless it is positive.
    """
    check(deviations > 0, f"deviations must be positive, got {deviations}")

    def select(log_w: Float[Tensor, "b k"], n: int, rng: Rng) -> Selection:
        alive = ~log_w.isneginf()
        count = alive.sum(-1, keepdim=True).clamp(min=1)
        centred = torch.where(alive, log_w, 0.0)
        centred = torch.where(alive, centred - centred.sum(-1, keepdim=True) / count, 0.0)
        spread = (centred.square().sum(-1, keepdim=True) / count).sqrt()
        steps = torch.where(spread > 0, centred / spread, 0.0) / deviations
        ancestor = resample(torch.where(alive, steps, -torch.inf), n, rng).ancestor
        return Selection(ancestor, torch.zeros(ancestor.shape, dtype=log_w.dtype, device="cpu"))

    return select
