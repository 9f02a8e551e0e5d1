"""Discrete toy models: masked and uniform diffusions of a few dependent sites, with ideal networks, enumerable."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from svdd.chain.denoisers import Denoiser, substituted
from svdd.chain.designs import TensorKind
from svdd.chain.distributions import Categorical
from svdd.chain.noising import MaskedNoise, UniformNoise
from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.schedules import masked_log_linear, time_grid
from svdd.chain.transitions import masked_ancestral, uniform_marginal
from svdd.chain.tree import Tree
from svdd.domains.toy.enumeration import Enumerable, all_strings, place

Law = Float[Tensor, " D"]
TOKENS = TensorKind(domain="toy")


def _marginals(joint: Float[Tensor, "S D"], length: int, vocabulary: int) -> Float[Tensor, "S L V"]:
    """The law of every site under unnormalised laws of strings."""
    one_hot = torch.nn.functional.one_hot(all_strings(length, vocabulary), vocabulary).to(joint)
    return torch.einsum("sd,dlv->slv", joint / joint.sum(1, keepdim=True), one_hot)


def _masked_denoiser(data: Float[Tensor, " D"], length: int, vocabulary: int) -> Denoiser:
    """The exact law of every masked site given the revealed ones."""
    states, designs = all_strings(length, vocabulary + 1), all_strings(length, vocabulary)
    fits = ((states[:, None] == designs) | (states[:, None] == vocabulary)).all(-1)
    marginals = _marginals(fits * data, length, vocabulary)
    table = substituted(marginals.log(), states, vocabulary).log_p
    return lambda x, t, cond: Categorical(table[place(x, vocabulary + 1)])


def masked(
    data: Float[Tensor, " D"], rewards: Float[Tensor, " D"], length: int, vocabulary: int, steps: int
) -> Enumerable:
    """A masked diffusion of `data` with an ideal network: exact single-site conditionals, sites revealed in parallel.

    Args:
        data: law of the strings of `length` tokens, in lexicographic order.
        rewards: of the same strings.
        length: L.
        vocabulary: V; the mask is token V.
        steps: T.
    """

    def prior(n: int, rng: Rng) -> Tree:
        return torch.full((n, length), vocabulary, device="cpu")

    denoiser = _masked_denoiser(data, length, vocabulary)
    transition = masked_ancestral(masked_log_linear())
    about = {"name": "toy-masked"}
    noising = MaskedNoise(vocabulary, masked_log_linear())
    process = Process(
        prior, denoiser, transition, time_grid(steps), time_independent=True, noising=noising, kind=TOKENS, about=about
    )
    start = torch.zeros((vocabulary + 1) ** length, dtype=torch.float64, device="cpu")
    start[-1] = 1.0
    return Enumerable(process, length, vocabulary, vocabulary + 1, start, data, rewards)


def _uniform_denoiser(data: Float[Tensor, " D"], length: int, vocabulary: int) -> Denoiser:
    """The exact law of every site of x_0 given all of x_t."""
    strings, survival = all_strings(length, vocabulary), masked_log_linear()

    def denoiser(x: Tensor, t: Tensor, cond: Tree) -> Categorical:
        alpha = survival(t)
        same = strings[:, None] == strings
        likelihood = torch.where(same, alpha + (1 - alpha) / vocabulary, (1 - alpha) / vocabulary).prod(-1)
        return Categorical(_marginals(likelihood * data, length, vocabulary).log()[place(x, vocabulary)])

    return denoiser


def uniform(steps: int = 6) -> Enumerable:
    """A uniform-noise diffusion of the law and reward of `enumerable_b`: no masks, every site may change at every step."""
    length, vocabulary = 3, 3
    data, rewards = _sines(length, vocabulary)

    def prior(n: int, rng: Rng) -> Tree:
        return (rng.uniform((n, length), dtype=torch.float64) * vocabulary).long()

    denoiser = _uniform_denoiser(data, length, vocabulary)
    transition = uniform_marginal(masked_log_linear())
    noising = UniformNoise(vocabulary, masked_log_linear())
    about = {"name": "toy-uniform"}
    process = Process(prior, denoiser, transition, time_grid(steps), noising=noising, kind=TOKENS, about=about)
    start = torch.full_like(data, 1 / len(data))
    return Enumerable(process, length, vocabulary, vocabulary, start, data, rewards)


def one_step() -> Enumerable:
    """One choice among three tokens, small enough for paper: p = (.5, .3, .2), reward log (1, 2, 4)."""
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64, device="cpu")
    return masked(
        p, torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64, device="cpu").log(), length=1, vocabulary=3, steps=1
    )


def enumerable_a(steps: int = 8) -> Enumerable:
    """Four sites of three tokens with strong random couplings: the posterior mean misleads here."""
    length, vocabulary = 4, 3
    r = np.random.default_rng(3)
    joint = 1.2 * r.normal(size=(length, length, vocabulary, vocabulary))
    fields = 0.7 * r.normal(size=(length, vocabulary))
    rewards = r.normal(size=(length, length, vocabulary, vocabulary))
    x = all_strings(length, vocabulary).numpy().T
    energy = sum(fields[i, x[i]] for i in range(length))
    energy = energy + sum(joint[i, j, x[i], x[j]] for j in range(length) for i in range(j))
    after = [(i + 1) % length for i in range(length)]
    reward = 0.5 * sum(rewards[i, j, x[i], x[j]] for i, j in enumerate(after))
    return masked(torch.from_numpy(energy).softmax(0), torch.from_numpy(reward), length, vocabulary, steps)


def _sines(length: int, vocabulary: int) -> tuple[Law, Law]:
    """A law and a reward without random numbers."""
    x = all_strings(length, vocabulary).double().T
    fields = [(1 + 2 * i + 3 * x[i]).sin() for i in range(length)]
    couplings = [(i + 2 * j + 3 * x[i] + 5 * x[j]).cos() for j in range(length) for i in range(j)]
    rewards = [(2 + i + 3 * x[i] + 7 * x[(i + 1) % length]).sin() for i in range(length)]
    return torch.stack(fields + couplings).sum(0).softmax(0), torch.stack(rewards).sum(0)


def enumerable_b(steps: int = 6) -> Enumerable:
    """Three sites of three tokens, defined by sines: the posterior mean is good here."""
    return masked(*_sines(3, 3), 3, 3, steps)


def ties() -> Enumerable:
    """`enumerable_a` with its reward rounded to halves, so that many designs are equally good."""
    toy = enumerable_a()
    return replace(toy, rewards=(2 * toy.rewards).round() / 2)


def independent_tokens(steps: int = 10) -> Enumerable:
    """Five independent sites of four tokens: the factorised posterior is exact, and so is `mean_field_value`."""
    length, vocabulary = 5, 4
    generator = torch.Generator().manual_seed(3)
    log_p = torch.randn(length, vocabulary, generator=generator, dtype=torch.float64, device="cpu").log_softmax(-1)
    x = all_strings(length, vocabulary)
    data = log_p[torch.arange(length, device="cpu"), x].sum(1).exp()
    rewards = ((x[:, :-1] == 0) & (x[:, 1:] == 1)).sum(1) + (x[:, 0] == x[:, -1])
    return masked(data, rewards.double(), length, vocabulary, steps)
