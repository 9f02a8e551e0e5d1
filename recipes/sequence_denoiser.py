"""The masking-diffusion denoisers of sequences: objective, sampling and held-out bits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from svdd.networks.sequences import SequenceDenoiser
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train

__all__ = [
    "bits_per_base",
    "masked_cross_entropy",
    "reverse_complement",
    "row_bits",
    "sample_unguided",
    "train_denoiser",
]


def reverse_complement(tokens: Tensor) -> Tensor:
    """Return the other strand of tokens (n, L), where A C G T = 0 1 2 3."""
    return 3 - tokens.flip(1)


def masked_cross_entropy(network: nn.Module, tokens: Tensor, generator: Generator) -> Tensor:
    """Return each row's bound on its negative log-likelihood per base, in nats, shape (n,).

    bound = E_k [ -(1/k) sum_{i masked} log p(x_i | unmasked) ],   k uniform on 1..L

    with the k masked sites a uniform random subset. This is the continuous-time bound of
    masking diffusion under the log-linear schedule, E_t [ -(1/t) sum_{i masked} log p / L ]
    with t ~ U(0, 1), after integrating out t given the number of masks: the same expectation
    with less variance, since the weight 1/t is gone.
    """
    rows, length = tokens.shape
    # One k in each of `rows` equal strata, in random order.
    strata = torch.randperm(rows, generator=generator) + torch.rand(rows, generator=generator)
    count = (strata / rows * length).long().clamp(max=length - 1) + 1
    ranks = torch.rand(rows, length, generator=generator).argsort(dim=1).argsort(dim=1)
    masked = (ranks < count[:, None]).to(tokens.device)
    mask = cast(int, network.vocabulary)
    logits = network(torch.where(masked, mask, tokens))
    losses = functional.cross_entropy(logits.float().transpose(1, 2), tokens, reduction="none")
    return (losses * masked).sum(dim=1) / count.to(tokens.device)


def bits_per_base(
    network: nn.Module, tokens: Tensor, *, draws: int = 1, seed: int = 0, batch: int = 256
) -> tuple[float, float]:
    """Estimate the bound in bits per base, and the standard error over sequences.

    Args:
        network: Denoiser.
        tokens: Held-out sequences, shape (n, L).
        draws: Mask draws per sequence.
        seed: Seed of the masks, so that repeated evaluations are paired.
        batch: Rows per network call.

    Returns:
        Mean and standard error over sequences.
    """
    bits = row_bits(network, tokens, draws=draws, seed=seed, batch=batch)
    return float(bits.mean()), float(bits.std() / len(bits) ** 0.5)


def row_bits(network: nn.Module, tokens: Tensor, *, draws: int = 1, seed: int = 0, batch: int = 256) -> Tensor:
    """Each sequence's bound in bits per base, as `bits_per_base` averages it, shape (n,)."""
    generator = Generator().manual_seed(seed)
    rounds = []
    for _ in range(draws):
        parts = [masked_cross_entropy(network, part, generator) for part in tokens.split(batch)]
        rounds.append(torch.cat(parts))
    return torch.stack(rounds).mean(dim=0) / math.log(2)


def train_denoiser(
    train_tokens: Tensor,
    validation_tokens: Tensor,
    settings: TrainingSettings,
    *,
    batch_size: int = 128,
    network: SequenceDenoiser | None = None,
    both_strands: bool = True,
    weights: Tensor | None = None,
    checkpoint: Path | None = None,
) -> tuple[SequenceDenoiser, TrainingResult]:
    """Train a denoiser on sequences and, of double strands, their reverse complements.

    Args:
        train_tokens: Training sequences, shape (n, L).
        validation_tokens: Sequences on which the best checkpoint is chosen, shape (m, L).
        settings: Numbers of the run.
        batch_size: Sequences per step.
        network: Network to train; by default a new one of the bundled DNA model's size.
        both_strands: Whether a sequence may be read from either strand.
        weights: How often to draw each training sequence, up to a factor, shape (n,); all equally unless given.
        checkpoint: File to write at evaluations and to resume from.

    Returns:
        The denoiser with the best averaged weights, and the history in bits per base.
    """
    with isolated_randomness(settings.seed):
        network = network or SequenceDenoiser(dropout=0.1)

    def draw(generator: Generator) -> Tensor:
        if weights is None:
            return torch.randint(len(train_tokens), (batch_size,), generator=generator)
        return torch.multinomial(weights, batch_size, replacement=True, generator=generator)

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        tokens = train_tokens[draw(generator)]
        if both_strands:
            flipped = torch.rand(batch_size, 1, generator=generator) < 0.5
            tokens = torch.where(flipped, reverse_complement(tokens), tokens)
        return masked_cross_entropy(module, tokens, generator).mean() / math.log(2)

    def value_of(module: nn.Module) -> float:
        return bits_per_base(module, validation_tokens, draws=2)[0]

    return network, train(network, loss_of, value_of, settings, checkpoint)


@torch.no_grad()
def sample_unguided(
    network: nn.Module,
    rows: int,
    *,
    length: int = 200,
    steps: int = 128,
    seed: int = 0,
    batch: int = 64,
) -> Tensor:
    """Draw sequences by ancestral unmasking from the all-mask state, shape (rows, length).

    Going from t to s = t - 1/steps, a masked site is revealed with probability (t - s) / t and
    then takes a token drawn from the softmax of its logits.
    """
    generator = Generator().manual_seed(seed)
    mask = cast(int, network.vocabulary)
    tokens = torch.full((rows, length), mask)
    for remaining in range(steps, 0, -1):
        masked = tokens == mask
        reveal = masked & (torch.rand(tokens.shape, generator=generator) < 1 / remaining)
        logits = torch.cat([network(part) for part in tokens.split(batch)]).float()
        # Adding Gumbel noise and taking the largest is an exact draw from the softmax.
        uniform = torch.rand(logits.shape, generator=generator).clamp(min=1e-20)
        drawn = (logits - (-uniform.log()).log()).argmax(dim=-1)
        tokens = torch.where(reveal, drawn, tokens)
    return tokens
