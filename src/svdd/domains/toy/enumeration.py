r"""Enumeration: small discrete models whose every law is a product of matrices.

The states of a model with L sites are listed in lexicographic order, first site slowest, and the reverse kernels are built
from the process itself: what is computed is the discretised chain with the given denoiser, nothing ideal. From the kernels
$P_k$ follow the pretrained law, soft values $e^{v_k/a} = P_k e^{v_{k+1}/a}$, the tilted law and log Z, and the exact law of
Algorithm 1 at any number of candidates.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.distributions import Categorical
from svdd.chain.equal_rows import NoEqualRows
from svdd.chain.filtering import Parents, Revealed, TokenStep
from svdd.chain.process import Particles, Process
from svdd.chain.unmasking import Unmasking
from svdd.method.values import Value

_SPACING = 0.25  # of the quadrature in log u; the integrands are analytic, so the error is far below rounding


def all_strings(length: int, symbols: int) -> Int64[Tensor, "S L"]:
    """All strings of `length` symbols in lexicographic order, first site slowest."""
    axes = [torch.arange(symbols, device="cpu")] * length
    return torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")], 1)


def place(x: Int64[Tensor, "n L"], symbols: int) -> Int64[Tensor, " n"]:
    """Where the rows of `x` stand among `all_strings`."""
    weights = symbols ** torch.arange(x.shape[1] - 1, -1, -1, device="cpu")
    return (x * weights).sum(1)


def _joint(sites: Categorical | Unmasking | Revealed) -> Float[Tensor, "n Y"]:
    """The law of whole strings under independent sites."""
    p = sites.log_p.softmax(-1)
    joint = torch.ones(len(p), 1, dtype=torch.float64, device="cpu")
    for i in range(p.shape[1]):
        joint = (joint[:, :, None] * p[:, i, None, :]).flatten(1)
    return joint


def _floored_exp(exponent: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The exponential, floored at 1e-109: products of two of them stay clear of the slow denormal numbers."""
    return exponent.clamp(min=-250).exp()


def _softmax_choice(kernel: Float[Tensor, "S Y"], log_w: Float[Tensor, " Y"], candidates: int) -> Float[Tensor, "S Y"]:
    lowest = float(log_w[log_w > -torch.inf].min())
    log_u = torch.arange(-40.0, 16.0 - lowest, _SPACING, dtype=torch.float64, device="cpu")
    scaled = (log_w[:, None] + log_u).exp()
    laplace = kernel @ _floored_exp(-scaled)
    nobody = _floored_exp((candidates - 1) * laplace.log())
    return candidates * kernel * (nobody @ (scaled * _floored_exp(-scaled)).T) * _SPACING


def _argmax_choice(
    kernel: Float[Tensor, "S Y"], value: Float[Tensor, " Y"], candidates: int | float
) -> Float[Tensor, "S Y"]:
    _, level = torch.unique(value, return_inverse=True)
    mass = torch.zeros(len(kernel), int(level.max()) + 1, dtype=torch.float64, device="cpu").index_add(1, level, kernel)
    below = torch.nn.functional.pad(mass.cumsum(1), (1, 0))
    won = (below / below[:, -1:]).pow(candidates).diff(dim=1)
    share = torch.where(mass > 0, won / mass.clamp(min=1e-300), 0.0)
    return kernel * share[:, level]


def choice_law(
    kernel: Float[Tensor, "S Y"], value: Float[Tensor, "*S Y"], candidates: int | float, temperature: float
) -> Float[Tensor, "S Y"]:
    r"""The law of the candidate that SVDD keeps, one row for each base law.

    With $w = e^{v/a}$ and $\phi(u) = \sum_y p(y) e^{-u w(y)}$ it is
    $P_M(y) = M p(y) w(y) \int_0^\infty e^{-u w(y)} \phi(u)^{M-1} du$.
    At temperature 0 a level of equal values gets $F(v)^M - F(v^-)^M$, split in proportion to p.

    Args:
        kernel: base laws p, (S, Y).
        value: v, (Y,), or (S, Y) where it depends on the parent.
        candidates: M; infinity gives $p w / \sum p w$.
        temperature: a.
    """
    if value.ndim == 2:
        of_rows = zip(kernel[:, None], value, strict=True)
        return torch.cat([choice_law(of_row, v, candidates, temperature) for of_row, v in of_rows])
    if temperature == 0:
        return _argmax_choice(kernel, value, candidates)
    log_w = (value - value.max()) / temperature
    if math.isfinite(candidates):
        return _softmax_choice(kernel, log_w, int(candidates))
    tilted = kernel * log_w.exp()
    return tilted / tilted.sum(1, keepdim=True)


def _log_mean_exp(kernel: Float[Tensor, "S Y"], value: Float[Tensor, " Y"], temperature: float) -> Float[Tensor, " S"]:
    """$a log sum_y p(y) e^{v(y)/a}$ of every row; the mean at infinite temperature."""
    if math.isinf(temperature):
        return kernel @ value
    top = value.max()
    return top + temperature * (kernel @ ((value - top) / temperature).exp()).log()


@dataclass(frozen=True)
class Enumerable:
    """A discrete process small enough to list, with a reward for every design.

    Tables of values are lists of T + 1 tensors (S,), one for each number of steps taken; the last is the reward.

    Args:
        process: tokens in, tokens out; its kernels factorise over sites.
        length: L, the number of sites.
        vocabulary: V, tokens of a design.
        symbols: tokens of a state, V + 1 with a mask.
        prior: law of x_T over the states, (S,).
        data: the law the denoiser was made from, over the designs, (D,).
        rewards: of the designs, (D,).
    """

    process: Process
    length: int
    vocabulary: int
    symbols: int
    prior: Float[Tensor, " S"]
    data: Float[Tensor, " D"]
    rewards: Float[Tensor, " D"]

    @cached_property
    def states(self) -> Int64[Tensor, "S L"]:
        """All states, masked ones included."""
        return all_strings(self.length, self.symbols)

    @cached_property
    def designs(self) -> Int64[Tensor, "D L"]:
        """All designs, in the order of every law."""
        return all_strings(self.length, self.vocabulary)

    @cached_property
    def _finished(self) -> Int64[Tensor, " D"]:
        return place(self.designs, self.symbols)

    def place(self, designs: Int64[Tensor, "n L"]) -> Int64[Tensor, " n"]:
        """Where designs stand in every law."""
        return place(designs, self.vocabulary)

    def reward(self, designs: Int64[Tensor, "n L"]) -> Float[Tensor, " n"]:
        """The reward of decoded designs."""
        return self.rewards[self.place(designs)]

    def _posterior(self, step: int) -> Categorical:
        return cast(Categorical, self.process.denoiser(self.states, self.process.times[step], ()))

    def kernel(self, step: int) -> Float[Tensor, "S S"]:
        """The transition matrix of one reverse step."""
        t, s = self.process.times[step : step + 2]
        kernel = cast(Categorical | Unmasking, self.process.transition(self.states, self._posterior(step), t, s))
        return _joint(kernel)

    def _propagated(self, kernels: Callable[[int], Tensor], law: Float[Tensor, " S"]) -> Float[Tensor, " D"]:
        for step in range(self.process.steps):
            law = law @ kernels(step)
        return law[self._finished]

    @cached_property
    def _pretrained(self) -> Float[Tensor, " D"]:
        return self._propagated(self.kernel, self.prior)

    def p_pre(self) -> Float[Tensor, " D"]:
        """The law of the pretrained chain, which is not `data` where sites are revealed in parallel."""
        return self._pretrained

    def log_z(self, temperature: float) -> float:
        r"""$\log E[e^{r/a}]$ under the pretrained chain."""
        return float(_log_mean_exp(self.p_pre()[None], self.rewards, temperature)) / temperature

    def tilted(self, temperature: float) -> Float[Tensor, " D"]:
        r"""The target $p_a \propto p \, e^{r/a}$."""
        return choice_law(self.p_pre()[None], self.rewards, math.inf, temperature)[0]

    def soft_values(self, temperature: float) -> list[Tensor]:
        r"""Tables of $v_k = a \log E[e^{r/a} | x_k]$ by the soft Bellman recursion; $E[r | x_k]$ at infinite temperature."""
        # Masked states cannot be final: any finite number does for them.
        tables = [
            torch.zeros(len(self.states), dtype=torch.float64, device="cpu").index_copy(0, self._finished, self.rewards)
        ]
        for step in reversed(range(self.process.steps)):
            tables.append(_log_mean_exp(self.kernel(step), tables[-1], temperature))
        return tables[::-1]

    def mean_reward_values(self) -> list[Tensor]:
        """Tables of $E[r | x_k]$, what regressing rewards learns."""
        return self.soft_values(math.inf)

    def mean_field_values(self, temperature: float) -> list[Tensor]:
        r"""Tables of $a \log E_q[e^{r/a}]$ under the factorised posterior: `monte_carlo` at K = infinity."""
        joints = (_joint(self._posterior(step)) for step in range(self.process.steps))
        return [*(_log_mean_exp(q, self.rewards, temperature) for q in joints), self.soft_values(math.inf)[-1]]

    def posterior_mean_values(self) -> list[Tensor]:
        """Tables of the reward of the most likely token at every site: `posterior_mean`."""
        guesses = (self._posterior(step).mode() for step in range(self.process.steps))
        return [*(self.reward(x0) for x0 in guesses), self.soft_values(math.inf)[-1]]

    def filtered_law(self, step: int) -> Revealed | Categorical:
        """q(x_0 | x_t, x_s) of all parents, and of all children of each."""
        count, (t, s) = len(self.states), self.process.times[step : step + 2]
        of_each = torch.arange(count, device="cpu").repeat_interleave(count)
        bayes = cast(TokenStep, self.process.transition).bayes
        parents = Parents(bayes, self.states, self._posterior(step), NoEqualRows(count), t, s, 1, of_each)
        return cast(Revealed | Categorical, bayes(parents, self.states.repeat(count, 1)))

    def filtered_values(self, temperature: float | None = None) -> list[Tensor]:
        """Tables of `filtered`, (S, S), parents in rows: of the mode, or with a temperature of infinitely many draws."""
        count = len(self.states)
        tables = [torch.zeros(count, dtype=torch.float64, device="cpu")]
        for law in map(self.filtered_law, range(self.process.steps - 1)):
            of_mode = temperature is None
            v = (
                self.reward(law.mode())
                if of_mode
                else _log_mean_exp(_joint(law), self.rewards, cast(float, temperature))
            )
            tables.append(v.view(count, count))
        return [*tables, self.soft_values(math.inf)[-1]]

    def as_value(self, tables: Sequence[Tensor]) -> Value:
        """A value that looks its numbers up."""

        def value(particles: Particles) -> Float[Tensor, " n"]:
            return tables[particles.step][place(particles.x, self.symbols)]

        return value

    def value(self, temperature: float) -> Value:
        """The exact soft value."""
        return self.as_value(self.soft_values(temperature))

    def mean_reward_value(self) -> Value:
        """$E[r | x_t]$ as a value."""
        return self.as_value(self.mean_reward_values())

    def mean_field_value(self, temperature: float) -> Value:
        """`mean_field_values` as a value."""
        return self.as_value(self.mean_field_values(temperature))

    def finite_law(
        self, tables: Sequence[Tensor], candidates: int | float, temperature: float, prior_candidates: int | float = 1
    ) -> Float[Tensor, " D"]:
        """The exact law of SVDD with M candidates a step (see `choice_law`).

        Args:
            tables: what it believes the values to be, of states, or of parents and children.
            candidates: M, or infinity.
            temperature: a; 0 is the argmax.
            prior_candidates: how many initial noises it selects from.
        """
        law = choice_law(self.prior[None], tables[0], prior_candidates, temperature)[0]
        return self._propagated(
            lambda step: choice_law(self.kernel(step), tables[step + 1], candidates, temperature), law
        )

    def best_of_n_law(self, n: int) -> Float[Tensor, " D"]:
        """The exact law of the best of n samples."""
        return choice_law(self.p_pre()[None], self.rewards, n, 0.0)[0]
