r"""Gaussian toy models: chains whose soft values, tilted laws and log Z have closed forms.

All rewards here are $r(x) = b x - A x^2 / 2 + c$ of one number, so that $E\,e^{r/a}$ under a normal law is elementary.
Moments and values are those of the discretised chain with the given denoiser: its step is read off the process itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain import transitions
from svdd.chain.defaults import as_tensor
from svdd.chain.denoisers import substituted
from svdd.chain.designs import TensorKind
from svdd.chain.distributions import Categorical, Normal, Product
from svdd.chain.noising import GaussianNoise, MaskedNoise, ProductNoise
from svdd.chain.process import Particles, Process
from svdd.chain.rng import Rng
from svdd.chain.schedules import Schedule, masked_log_linear, time_grid, vp_cosine
from svdd.chain.transitions import Transition, ddpm, masked_ancestral
from svdd.chain.tree import Tree, repeat, take
from svdd.domains.toy.enumeration import choice_law
from svdd.method.values import Value


@dataclass(frozen=True)
class Quadratic:
    r"""$r(x) = b x - A x^2/2 + c$.

    Args:
        slope: b.
        curvature: A, 0 or larger.
        constant: c.
    """

    slope: float = 0.0
    curvature: float = 0.0
    constant: float = 0.0

    @classmethod
    def around(cls, centre: float, curvature: float = 1.0) -> "Quadratic":
        r"""$-A (x - \mathrm{centre})^2 / 2$."""
        return cls(curvature * centre, curvature, -curvature * centre**2 / 2)

    def __call__(self, x: Float[Tensor, "n 1"]) -> Float[Tensor, " n"]:
        return (self.slope * x - self.curvature * x**2 / 2 + self.constant)[:, 0]

    def log_mean_exp(self, mean: Float[Tensor, "..."], variance: Float[Tensor, "..."], temperature: float) -> Tensor:
        r"""$a \log E[e^{r(x)/a}]$ for $x \sim N(m, S)$.

        With $d = 1 + SA/a$ it is $c + \frac{1}{2d}(2mb + S b^2/a - A m^2) - \tfrac{a}{2} \log d$.
        """
        b, precision = self.slope / temperature, self.curvature / temperature
        d = 1 + variance * precision
        exponent = (2 * mean * b + variance * b**2 - precision * mean**2) / (2 * d)
        return temperature * (exponent - d.log() / 2) + self.constant

    def tilted(self, mean: Tensor, variance: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        r"""Mean and variance of $N(m, S) \, e^{r/a}$."""
        d = 1 + variance * self.curvature / temperature
        return (mean + variance * self.slope / temperature) / d, variance / d

    def before(self, gain: float, variance: float, temperature: float) -> "Quadratic":
        r"""$x \mapsto a \log E[e^{r(y)/a}]$ for $y \sim N(gx, S)$, a quadratic again."""
        d = 1 + variance * self.curvature / temperature
        constant = float(
            self.log_mean_exp(
                torch.zeros((), device="cpu", dtype=torch.float32),
                torch.tensor(variance, device="cpu", dtype=torch.float32).double(),
                temperature,
            )
        )
        return Quadratic(gain * self.slope / d, gain**2 * self.curvature / d, constant)


def _standard(n: int, rng: Rng) -> Tensor:
    return rng.normal((n, 1), dtype=torch.float64)


@dataclass(frozen=True)
class Gaussian:
    """A linear Gaussian chain over one number, with a linear or quadratic reward.

    Args:
        process: standard normal prior, linear denoiser; states (n, 1).
        reward: of decoded states.
    """

    process: Process
    reward: Quadratic

    @cached_property
    def gains(self) -> list[tuple[float, float]]:
        """Gain and noise variance of every step: $x_s = g x_t + N(0, S)$."""
        one = torch.ones(1, 1, dtype=torch.float64, device="cpu")
        kernels = [cast(Normal, Particles(self.process, k, one).kernel) for k in range(self.process.steps)]
        return [(float(kernel.mean), float(as_tensor(kernel.std)) ** 2) for kernel in kernels]

    @cached_property
    def ahead(self) -> list[tuple[float, float]]:
        """Gain and variance from the state after k steps to the end: $x_0 | x_k = N(G_k x_k, R_k)$."""
        table = [(1.0, 0.0)]
        for gain, variance in reversed(self.gains):
            to_end, rest = table[-1]
            table.append((to_end * gain, rest + to_end**2 * variance))
        return table[::-1]

    def variance(self) -> float:
        """Of the pretrained law, whose mean is 0; not 1, because the chain is discretised."""
        gain, rest = self.ahead[0]
        return gain**2 + rest

    def log_z(self, temperature: float) -> float:
        r"""$\log E[e^{r/a}]$ under the pretrained chain."""
        variance = torch.tensor(self.variance(), dtype=torch.float64, device="cpu")
        return (
            float(self.reward.log_mean_exp(torch.zeros((), device="cpu", dtype=torch.float32), variance, temperature))
            / temperature
        )

    def tilted(self, temperature: float) -> tuple[float, float]:
        """Mean and variance of the target, a normal law."""
        d = 1 + self.variance() * self.reward.curvature / temperature
        return self.variance() * self.reward.slope / temperature / d, self.variance() / d

    def soft_values(self, temperature: float) -> list[Quadratic]:
        """The exact soft value after each number of steps."""
        return [self.reward.before(gain, rest, temperature) for gain, rest in self.ahead]

    def posterior_mean_values(self) -> list[Quadratic]:
        """The reward of the denoiser's mean after each number of steps: `posterior_mean`."""
        one = torch.ones(1, 1, dtype=torch.float64, device="cpu")
        guesses = [float(self.process.denoiser(one, t, ()).mode()) for t in self.process.times[:-1]]
        return [self.reward.before(guess, 0.0, 1.0) for guess in (*guesses, 1.0)]

    def value(self, temperature: float) -> Value:
        """The exact soft value."""
        tables = self.soft_values(temperature)
        return lambda particles: tables[particles.step](particles.x)

    def policy(self, values: Sequence[Quadratic], temperature: float) -> tuple[float, float]:
        """Mean and variance of the law of SVDD with infinitely many candidates, the initial noise selected too.

        Args:
            values: what it believes the values to be, after each number of steps.
            temperature: a, above 0.
        """
        mean, variance = (torch.tensor(v, dtype=torch.float64, device="cpu") for v in (0.0, 1.0))
        mean, variance = values[0].tilted(mean, variance, temperature)
        for (gain, noise), value in zip(self.gains, values[1:], strict=True):
            d = 1 + noise * value.curvature / temperature
            mean = (gain * mean + noise * value.slope / temperature) / d
            variance = (gain / d) ** 2 * variance + noise / d
        return float(mean), float(variance)

    def finite_moments(self, candidates: int, temperature: float) -> tuple[float, float]:
        r"""Mean and variance of SVDD with M candidates and the exact value of a linear reward, initial noise as drawn.

        Every step picks one of M normals with weight $e^{\kappa z}$, independently of the others.

        Raises:
            ValueError: if the reward is not linear.
        """
        if self.reward.curvature:
            raise ValueError("the picks of different steps are independent only for a linear reward")
        z = torch.linspace(-9, 9, 721, dtype=torch.float64, device="cpu")
        base = (-(z**2) / 2).softmax(0)[None]
        mean, variance = 0.0, self.ahead[0][0] ** 2
        for (_, noise), (to_end, _) in zip(self.gains, self.ahead[1:], strict=True):
            scale = to_end * math.sqrt(noise)
            law = choice_law(base, self.reward.slope * scale * z, candidates, temperature)[0]
            first, second = float(law @ z), float(law @ z**2)
            mean, variance = mean + scale * first, variance + scale**2 * (second - first**2)
        return mean, variance


def _gaussian(steps: int, schedule: Schedule, reward: Quadratic) -> Gaussian:
    """Standard normal data, whose Bayes denoiser is linear, under the DDPM step with x_0 plugged in."""

    def denoiser(x: Tensor, t: Tensor, cond: Tree) -> Normal:
        alpha_t, sigma_t = schedule(t)
        return Normal(alpha_t * x, sigma_t)

    about, kind = {"name": "toy-gaussian"}, TensorKind(domain="toy")
    again = GaussianNoise(schedule)
    process = Process(_standard, denoiser, ddpm(schedule), time_grid(steps), noising=again, kind=kind, about=about)
    return Gaussian(process, reward)


def gaussian_quadratic(steps: int = 50, curvature: float = 4.0, centre: float = 2.0) -> Gaussian:
    r"""Reward $-A(x - c)^2/2$; $\bar\alpha_k = \cos^2(0.98 \pi k / 2T)$. The posterior mean is over-confident early."""
    return _gaussian(steps, vp_cosine(0.98), Quadratic.around(centre, curvature))


def gaussian_linear(steps: int = 40, slope: float = 1.0) -> Gaussian:
    r"""Reward $b x$; $\alpha_t = \cos(0.999 \pi t / 2)$. The posterior mean is exact up to a constant of time."""
    return _gaussian(steps, vp_cosine(), Quadratic(slope))


@dataclass(frozen=True)
class NormalMixture:
    """Mixtures of normals over one number, states (n, 1).

    Args:
        log_w: (n, K), log-weights of the components, normalised.
        mean: (n, K).
        std: (n, K).
    """

    log_w: Float[Tensor, "n K"]
    mean: Float[Tensor, "n K"]
    std: Float[Tensor, "n K"]

    def mode(self) -> Float[Tensor, "n 1"]:
        """The mean: what a denoiser trained on squared errors answers."""
        return (self.log_w.exp() * self.mean).sum(1, keepdim=True)

    def sample(self, m: int, rng: Rng) -> Float[Tensor, "r 1"]:
        which = Categorical(self.log_w[:, None]).sample(m, rng)
        mean, std = (repeat(part, m).gather(1, which) for part in (self.mean, self.std))
        return mean + std * rng.normal(mean.shape, dtype=mean.dtype, device=mean.device)

    def log_prob(self, x: Float[Tensor, "n 1"]) -> Float[Tensor, " n"]:
        normal = torch.distributions.Normal(self.mean, self.std, validate_args=False)
        return (self.log_w + normal.log_prob(x)).logsumexp(1)

    def __getitem__(self, index: Int64[Tensor, " r"]) -> "NormalMixture":
        return take(self, index)  # type: ignore[no-any-return]


def mixture_bridge(schedule: Schedule) -> Transition:
    r"""The exact reverse kernel of a mixture: a component from its responsibility, then its Gaussian bridge.

    $x_s | x_t, x_0$ is the DDPM posterior; with $x_0 | x_t, k \sim N(m_k, S_k)$ the component's law is normal again.
    """

    def transition(x: Tensor, posterior: NormalMixture, t: Tensor, s: Tensor) -> NormalMixture:
        (alpha_t, sigma_t), (alpha_s, sigma_s) = schedule(t), schedule(s)
        ratio = alpha_t / alpha_s
        added = sigma_t**2 - ratio**2 * sigma_s**2
        pull = alpha_s * added / sigma_t**2
        mean = pull * posterior.mean + ratio * sigma_s**2 / sigma_t**2 * x
        variance = pull**2 * posterior.std**2 + sigma_s**2 * added / sigma_t**2
        return NormalMixture(posterior.log_w, mean, variance.sqrt())

    return transition  # type: ignore[return-value]


@dataclass(frozen=True)
class Mixture:
    """A mixture of normals with its exact reverse kernel: the pretrained law is the data's law.

    Args:
        process: states (n, 1).
        data: one row.
        reward: of decoded states.
    """

    process: Process
    data: NormalMixture
    reward: Quadratic

    def log_z(self, temperature: float) -> float:
        r"""$\log E[e^{r/a}]$."""
        return float(self._weights(self.data, temperature).logsumexp(1))

    def _weights(self, law: NormalMixture, temperature: float) -> Float[Tensor, "n K"]:
        return law.log_w + self.reward.log_mean_exp(law.mean, law.std**2, temperature) / temperature

    def tilted(self, temperature: float) -> NormalMixture:
        """The target, a mixture again."""
        mean, variance = self.reward.tilted(self.data.mean, self.data.std**2, temperature)
        return NormalMixture(self._weights(self.data, temperature).log_softmax(1), mean, variance.sqrt())

    def value(self, temperature: float) -> Value:
        r"""The exact soft value $a \log \sum_k \gamma_k(x_t) E[e^{r/a} | x_t, k]$."""

        def value(particles: Particles) -> Float[Tensor, " n"]:
            if particles.final:
                return self.reward(particles.x)
            return temperature * self._weights(cast(NormalMixture, particles.posterior), temperature).logsumexp(1)

        return value


def _mixture_denoiser(data: NormalMixture, schedule: Schedule) -> Callable[[Tensor, Tensor, Tree], NormalMixture]:
    """Bayes' rule: responsibilities and the posterior of x_0 in each component."""

    def denoiser(x: Tensor, t: Tensor, cond: Tree) -> NormalMixture:
        alpha_t, sigma_t = schedule(t)
        variance = alpha_t**2 * data.std**2 + sigma_t**2
        residual = x - alpha_t * data.mean
        log_w = (data.log_w - residual**2 / (2 * variance) - variance.log() / 2).log_softmax(1)
        mean = data.mean + alpha_t * data.std**2 * residual / variance
        return NormalMixture(log_w, mean, (data.std * sigma_t / variance.sqrt()).expand_as(mean))

    return denoiser


def mixture(steps: int = 20, reward: Quadratic | None = None) -> Mixture:
    """Two components, weights (.3, .7), means (-2, 1.5), standard deviations (.5, .8).

    Args:
        steps: T.
        reward: r(x) = x unless given.
    """
    w, mean, std = (
        torch.tensor([row], dtype=torch.float64, device="cpu") for row in ([0.3, 0.7], [-2.0, 1.5], [0.5, 0.8])
    )
    data, schedule = NormalMixture(w.log(), mean, std), vp_cosine()
    alpha, sigma = schedule(torch.ones((), dtype=torch.float64, device="cpu"))
    noised = NormalMixture(data.log_w, alpha * mean, (alpha**2 * std**2 + sigma**2).sqrt())

    def prior(n: int, rng: Rng) -> Tree:
        return noised.sample(n, rng)

    process = Process(
        prior, _mixture_denoiser(data, schedule), mixture_bridge(schedule), time_grid(steps),
        noising=GaussianNoise(schedule),
    )  # fmt: skip
    return Mixture(process, data, reward or Quadratic(slope=1.0))


@dataclass(frozen=True)
class NodesAndEdges:
    r"""A product state: one Gaussian node and some tokens on one clock, with $r = \mathrm{node} \cdot [\mathrm{edge}_0 = 0]$.

    Args:
        process: states `{"nodes": (n, 1), "edges": (n, E)}`.
        nodes: the node's chain.
        edge: P(edge_0 = 0).
    """

    process: Process
    nodes: Gaussian
    edge: float

    def reward(self, designs: Tree) -> Float[Tensor, " n"]:
        """Of decoded states."""
        return designs["nodes"][:, 0] * (designs["edges"][:, 0] == 0)

    def log_z(self, temperature: float) -> float:
        r"""$\log E[e^{r/a}] = \log (p e^{V/2a^2} + 1 - p)$."""
        return math.log(self.edge * math.exp(self.nodes.log_z(temperature)) + 1 - self.edge)

    def tilted(self, temperature: float) -> tuple[float, float]:
        """P(edge_0 = 0) and E[node] under the target."""
        p = self.edge * math.exp(self.nodes.log_z(temperature) - self.log_z(temperature))
        return p, p * self.nodes.tilted(temperature)[0]

    def value(self, temperature: float) -> Value:
        r"""The exact soft value $a \log (p_t \, e^{v_{node}/a} + 1 - p_t)$, $p_t = P(\mathrm{edge}_0 = 0 | x_t)$."""
        tables, mask = self.nodes.soft_values(temperature), 3

        def value(particles: Particles) -> Float[Tensor, " n"]:
            node, edge = tables[particles.step](particles.x["nodes"]) / temperature, particles.x["edges"][:, 0]
            p = torch.where(edge == mask, self.edge, (edge == 0).double())
            return temperature * (p * node.exp() + 1 - p).log()

        return value


def product(steps: int = 20) -> NodesAndEdges:
    """A node as in `gaussian_linear`, and two independent edges of three tokens each."""
    nodes, mask = gaussian_linear(steps), 3
    p = torch.tensor([[0.3, 0.5, 0.2], [0.6, 0.1, 0.3]], dtype=torch.float64, device="cpu")

    def prior(n: int, rng: Rng) -> Tree:
        return {"nodes": _standard(n, rng), "edges": torch.full((n, 2), mask, device="cpu")}

    def denoiser(x: Tree, t: Tensor, cond: Tree) -> Product:
        edges = substituted(p.log().expand(len(x["edges"]), 2, 3), x["edges"], mask)
        return Product({"nodes": nodes.process.denoiser(x["nodes"], t, cond), "edges": edges})

    parts = {"nodes": nodes.process.transition, "edges": masked_ancestral(masked_log_linear())}
    again = ProductNoise({"nodes": GaussianNoise(vp_cosine()), "edges": MaskedNoise(mask, masked_log_linear())})
    process = Process(prior, denoiser, transitions.product(parts), time_grid(steps), noising=again)
    return NodesAndEdges(process, nodes, float(p[0, 0]))
