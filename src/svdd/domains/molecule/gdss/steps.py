r"""Steps of GDSS: noise on node features and bonds, scores, the predictor and the Langevin corrector.

A state is `x` (n, N, F), `adj` (n, N, N) symmetric with zero diagonal, and `flags` (n, N), 1 for real nodes, which come first.
Both variables are noised as $x_t = \alpha(t) x_0 + s(t) z$ on one clock (VP or VE), and each has its own score. One step is
the corrector, a move of both from the same pair, and then the predictor, a Gaussian of both from the same corrected pair.

References:
    Jo et al., Score-based generative modeling of graphs via the system of stochastic differential equations, arXiv 2202.02514.
    Song et al., Score-based generative modeling through stochastic differential equations, arXiv 2011.13456.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.distributions import Dirac
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree, repeat, take

Graphs: TypeAlias = dict[str, Tensor]
Networks: TypeAlias = Callable[[Graphs], Graphs]
PARTS = ("x", "adj")


@dataclass(frozen=True)
class _Noise:
    """Noise between two strengths.

    Args:
        smallest: beta or sigma at t = 0.
        largest: the same at t = 1.
        steps: K.
    """

    smallest: float
    largest: float
    steps: int


class VP(_Noise):
    r"""$\alpha(t) = e^{c(t)}$, $c = -t^2 (\beta_1 - \beta_0)/4 - t \beta_0/2$, $s = \sqrt{1 - \alpha^2}$, of beta.

    The network says -z.
    """

    def marginal(self, t: float) -> tuple[float, float]:
        """alpha(t) and s(t)."""
        c = -(t**2) * (self.largest - self.smallest) / 4 - t * self.smallest / 2
        return math.exp(c), math.sqrt(-math.expm1(2 * c))

    def score(self, output: Tensor, t: float) -> Tensor:
        """Of what the network says."""
        return output / -self.marginal(t)[1]

    def retained(self, k: int, then: int) -> float:
        """a, the product of 1 - beta from step `then` + 1 to k; `then` is k - 1 but for coarse steps, and -1 at the end."""
        return math.exp(self._log_retained(k, then))

    def variance(self, k: int, then: int) -> float:
        """G^2 of a step from k to `then`."""
        return -math.expm1(self._log_retained(k, then))

    def _log_retained(self, k: int, then: int) -> float:
        return float(self._logs[then + 1 : k + 1].sum())

    @cached_property
    def _logs(self) -> Float[Tensor, " K"]:
        betas = torch.linspace(self.smallest, self.largest, self.steps, dtype=torch.float64, device="cpu") / self.steps
        return (-betas).log1p()


class VE(_Noise):
    r"""$\alpha = 1$, $s(t) = \sigma_0 (\sigma_1/\sigma_0)^t$, of sigma; the network says the score itself."""

    def marginal(self, t: float) -> tuple[float, float]:
        return 1.0, self.smallest * (self.largest / self.smallest) ** t

    def score(self, output: Tensor, t: float) -> Tensor:
        return output

    def retained(self, k: int, then: int) -> float:
        return 1.0

    def variance(self, k: int, then: int) -> float:
        return self._squared(k) - self._squared(then)

    def _squared(self, k: int) -> float:
        return self.marginal(k / max(self.steps - 1, 1))[1] ** 2 if k >= 0 else 0.0


Noise: TypeAlias = VP | VE


def graph_noise(flags: Float[Tensor, "n N"], features: int, rng: Rng) -> Graphs:
    """Standard normal on real nodes and on their pairs i < j, mirrored; every place is drawn, real or not."""
    (n, nodes), real = flags.shape, flags[:, :, None]
    x = rng.normal((n, nodes, features), dtype=flags.dtype, device=flags.device) * real
    upper = rng.normal((n, nodes, nodes), dtype=flags.dtype, device=flags.device).triu(1) * real * real.mT
    return {"x": x, "adj": upper + upper.mT}


@dataclass(frozen=True)
class GraphScores(Dirac):
    """What the networks say of graphs: the denoised graph and the scores.

    Args:
        x: E[x_0 | x_t], a state.
        score: of `x` and `adj`.
    """

    score: Graphs


@dataclass(frozen=True)
class GraphNormal:
    """Independent normals on the features of real nodes and on pairs of real nodes, each pair once.

    Args:
        mean: a state.
        std: of `x` and `adj`, (n,) each.
    """

    mean: Graphs
    std: Graphs

    @property
    def deterministic(self) -> bool:
        return not any(bool(std.any()) for std in self.std.values())

    def mode(self) -> Tree:
        return self.mean

    def sample(self, m: int, rng: Rng) -> Tree:
        mean, std = repeat(self.mean, m), repeat(self.std, m)
        noise = graph_noise(mean["flags"], mean["x"].shape[-1], rng)
        return mean | {part: mean[part] + std[part][:, None, None] * noise[part] for part in PARTS}

    def log_prob(self, x: Tree) -> Float[Tensor, " n"]:
        """Minus infinity for graphs of other sizes; a pair counts once."""
        real = self.mean["flags"] == 1
        counted = {"x": real[:, :, None].expand_as(self.mean["x"]), "adj": (real[:, :, None] & real[:, None]).triu(1)}
        total = torch.zeros(len(real), dtype=self.mean["x"].dtype, device=real.device)
        for part in PARTS:
            normal = torch.distributions.Normal(self.mean[part], self.std[part][:, None, None], validate_args=False)
            total = total + torch.where(counted[part], normal.log_prob(x[part]), 0.0).flatten(1).sum(1)
        return torch.where((self.mean["flags"] == x["flags"]).all(1), total, -torch.inf)

    def __getitem__(self, index: Int64[Tensor, " r"]) -> "GraphNormal":
        return take(self, index)  # type: ignore[no-any-return]


def length(v: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """The Euclidean norm of every row; bonds count in both triangles."""
    return v.flatten(1).square().sum(1).sqrt()


def step_size(
    score: Float[Tensor, "n ..."], noise: Float[Tensor, "n ..."], retained: float, ratio: float, coupled: bool
) -> Float[Tensor, " n"]:
    r"""Of a Langevin step: $h = 2 a (\mathrm{snr} \, \|z\| / \|s\|)^2$, 0 for a graph without a score.

    Args:
        score: s.
        noise: z.
        retained: a.
        ratio: snr.
        coupled: whether the norms are means over the batch.
    """
    of_noise, of_score = length(noise), length(score)
    if coupled:
        of_noise, of_score = (norms.mean().expand_as(norms) for norms in (of_noise, of_score))
    return 2 * retained * (ratio * torch.where(of_score > 0, of_noise / of_score, 0.0)) ** 2


@dataclass(frozen=True)
class GraphDiffusion:
    """The chain: K steps from t = 1 down to `smallest`, and the last mean at t = 0.

    Args:
        noise: of `x` and `adj`, both for K steps.
        steps: K.
        smallest: the time of the last step.
    """

    noise: Mapping[str, Noise]
    steps: int
    smallest: float

    @cached_property
    def times(self) -> Float[Tensor, " T1"]:
        """K evenly spaced times, and 0."""
        grid = torch.linspace(1, self.smallest, self.steps, dtype=torch.float64, device="cpu")
        return torch.cat([grid, torch.zeros(1, dtype=torch.float64, device="cpu")])

    def number(self, t: Tensor) -> int:
        """K of a time of the grid: K - 1 at t = 1, 0 at the last step, -1 at the end."""
        return self.steps - 1 - int((self.times - t).abs().argmin())

    def denoiser(self, networks: Networks) -> Callable[[Tree, Tensor, Tree], GraphScores]:
        r"""Scores and Tweedie's $\hat x_0 = (x_t + s(t)^2 \nabla \log p_t) / \alpha(t)$."""

        def denoiser(x: Graphs, t: Tensor, cond: Tree) -> GraphScores:
            outputs, score, mean = networks(x), dict[str, Tensor](), dict[str, Tensor]()
            for part in PARTS:
                alpha, std = self.noise[part].marginal(float(t))
                score[part] = self.noise[part].score(outputs[part], float(t))
                mean[part] = (x[part] + std**2 * score[part]) / alpha
            return GraphScores(mean | {"flags": x["flags"]}, score)

        return denoiser

    def transition(self, x: Graphs, posterior: GraphScores, t: Tensor, s: Tensor) -> GraphNormal:
        r"""The predictor: mean $(2 - \sqrt a) v + G^2 s$ and variance $G^2$; its mean alone at the end."""
        k, then, mean, std = self.number(t), self.number(s), dict[str, Tensor](), dict[str, Tensor]()
        for part in PARTS:
            variance = self.noise[part].variance(k, then)
            drift = 2 - math.sqrt(self.noise[part].retained(k, then))
            mean[part] = drift * x[part] + variance * posterior.score[part]
            std[part] = x["x"].new_full((len(x["x"]),), math.sqrt(variance) if then >= 0 else 0.0)
        return GraphNormal(mean | {"flags": x["flags"]}, std)

    def noising(self, x_0: Graphs, x_T: Graphs, t: Tensor, rng: Rng) -> Graphs:
        r"""$\alpha(t) x_0 + s(t) z$ of both parts; a graph keeps its size."""
        noise, there = graph_noise(x_0["flags"], x_0["x"].shape[-1], rng), dict(x_0)
        for part in PARTS:
            alpha, std = self.noise[part].marginal(float(t))
            there[part] = alpha * x_0[part] + std * noise[part]
        return there

    def corrector(
        self, ratio: float, scale: float, coupled: bool
    ) -> Callable[[Graphs, GraphScores, Tensor, Rng], Graphs]:
        r"""The Langevin move: $v' = v + h s + \lambda \sqrt{2 h} z$, h from `step_size`.

        Args:
            ratio: snr.
            scale: lambda.
            coupled: whether graphs of one batch share a step size, as published.
        """

        def move(x: Graphs, posterior: GraphScores, t: Tensor, rng: Rng) -> Graphs:
            noise, k, there = graph_noise(x["flags"], x["x"].shape[-1], rng), self.number(t), dict(x)
            for part in PARTS:
                score, z = posterior.score[part], noise[part]
                h = step_size(score, z, self.noise[part].retained(k, k - 1), ratio, coupled)[:, None, None]
                there[part] = x[part] + h * score + scale * (2 * h).sqrt() * z
            return there

        return move
