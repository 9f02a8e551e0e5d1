"""The masking-diffusion denoiser of molecules: its objective over symbols, without the padding behind them."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from svdd.domains.molecule.selfies import MASK, PAD
from svdd.networks.sequences import SequenceDenoiser
from svdd.networks.training import TrainingResult, TrainingSettings, train

__all__ = ["bits_per_symbol", "masked_cross_entropy", "row_nats", "train_denoiser"]


def masked_cross_entropy(network: nn.Module, tokens: Tensor, generator: Generator) -> Tensor:
    """Each molecule's bound on its negative log-likelihood given its length, in nats, shape (n,).

    bound = E_k [ -(l/k) sum_{i masked} log p(x_i | unmasked) ],   k uniform on 1..l

    with l its number of symbols and the k masked sites a uniform random subset of them. Padding is never masked, and the
    network may not answer with it: that is the continuous-time bound of masking diffusion under the log-linear schedule,
    after integrating out the time given the number of masks, for a length drawn first.
    """
    rows, sites = tokens.shape
    symbols = tokens != PAD
    lengths = symbols.sum(dim=1)
    # One k in each of `rows` equal strata, in random order; drawn where the generator lives, so a seed means one thing.
    strata = torch.randperm(rows, generator=generator) + torch.rand(rows, generator=generator)
    share = (strata / rows).to(tokens.device)
    count = torch.minimum((share * lengths).long(), lengths - 1) + 1
    noise = torch.rand(rows, sites, generator=generator).to(tokens.device).masked_fill(~symbols, 2.0)
    masked = noise.argsort(dim=1).argsort(dim=1) < count[:, None]
    logits = network(tokens.masked_fill(masked, MASK))[..., :PAD]
    losses = functional.cross_entropy(
        logits.float().transpose(1, 2), tokens.masked_fill(~masked, -1), reduction="none", ignore_index=-1
    )
    return losses.sum(dim=1) * lengths / count


@torch.no_grad()
def row_nats(network: nn.Module, tokens: Tensor, *, draws: int = 1, seed: int = 0, batch: int = 256) -> Tensor:
    """Each molecule's bound in nats over mask draws of one seed, shape (n,)."""
    generator = Generator().manual_seed(seed)
    device = next(network.parameters()).device
    rounds = [
        torch.cat([masked_cross_entropy(network, part.long().to(device), generator) for part in tokens.split(batch)])
        for _ in range(draws)
    ]
    return torch.stack(rounds).mean(dim=0).cpu()


def bits_per_symbol(network: nn.Module, tokens: Tensor, *, draws: int = 1, seed: int = 0) -> float:
    """The bound of all molecules over their symbols, in bits."""
    nats = row_nats(network, tokens, draws=draws, seed=seed)
    return float(nats.sum() / (tokens != PAD).sum()) / math.log(2)


def train_denoiser(
    train_tokens: Tensor,
    validation_tokens: Tensor,
    settings: TrainingSettings,
    *,
    network: SequenceDenoiser,
    batch_size: int = 256,
    checkpoint: Path | None = None,
) -> TrainingResult:
    """Train a denoiser of molecules in place, on the device it is on.

    Args:
        train_tokens: Training molecules, shape (n, L), padded; any integer type.
        validation_tokens: Molecules on which the best checkpoint is chosen, shape (m, L).
        settings: Numbers of the run.
        network: Network to train.
        batch_size: Molecules per step.
        checkpoint: File to write at evaluations and to resume from.

    Returns:
        The history of the run in bits per symbol; the network has its best averaged weights.
    """
    device = next(network.parameters()).device

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        rows = torch.randint(len(train_tokens), (batch_size,), generator=generator)
        tokens = train_tokens[rows].long().to(device)
        nats = masked_cross_entropy(module, tokens, generator)
        return nats.sum() / (tokens != PAD).sum() / math.log(2)

    def value_of(module: nn.Module) -> float:
        return bits_per_symbol(module, validation_tokens)

    return train(network, loss_of, value_of, settings, checkpoint)
