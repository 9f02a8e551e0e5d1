"""The bundled uniform-noise RNA model: a denoiser of 5'UTRs.

The data folder holds the reporter library of Sample et al. 2019, as `recipes.rna.data` reads it. Needs the extra
`svdd[recipes]`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

import svdd
from recipes.cards import Card, Panel
from recipes.measures import describe, gc_moments
from recipes.rna.data import LENGTH, UtrData, read_utrs
from recipes.sequence_measures import kmer_correlation
from recipes.trainer import Options, Recipe, Step, option
from svdd.chain.denoisers import from_leave_one_out
from svdd.chain.schedules import masked_log_linear
from svdd.domains.sequence.alphabets import RNA
from svdd.domains.sequence.uniform import timed, uniform_elbo_per_site, uniform_sequences
from svdd.networks.timed import TimedSequenceDenoiser
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train
from svdd.networks.weight_files import load_network

__all__ = ["RECIPE", "UniformOptions", "posterior_cross_entropy", "train_uniform"]

_STEPS = 128
_DRAWS = 32  # at a time


def posterior_cross_entropy(network: nn.Module, tokens: Tensor, generator: Generator) -> Tensor:
    """Return the mean of -log p(x_0 | x_t) over sites, in nats, at one uniform t a row.

    The network's output pi meets the likelihood of the token that is seen, p ~ pi (alpha_t [x_0 = x_t] + (1 - alpha_t)/4),
    before the loss; so it need not learn how far to believe its own input, and p tends to the true posterior.
    """
    rows = len(tokens)
    t = (torch.randperm(rows, generator=generator) + torch.rand(rows, generator=generator)) / rows
    replaced = torch.rand(tokens.shape, generator=generator) < t[:, None]
    noise = torch.randint(len(RNA), tokens.shape, generator=generator)
    noisy = torch.where(replaced, noise, tokens)
    survival = masked_log_linear()
    denoiser = from_leave_one_out(lambda x, time, cond: network(x, time), lambda time: survival(time)[:, None, None])
    answer: Any = denoiser(noisy, t, ())
    return functional.nll_loss(answer.log_p.transpose(1, 2), tokens)


def train_uniform(
    parts: dict[str, UtrData], settings: TrainingSettings, *, batch_size: int = 256, checkpoint: Path | None = None
) -> tuple[TimedSequenceDenoiser, TrainingResult]:
    """Train the denoiser; the history is in bits a site of the cross-entropy.

    Args:
        parts: Of the library: `denoiser_train` and `denoiser_validation`.
        settings: Numbers of the run.
        batch_size: Sequences per step.
        checkpoint: File to write at evaluations and to resume from.
    """
    with isolated_randomness(settings.seed):
        network = TimedSequenceDenoiser(length=LENGTH)
    tokens, held_out = parts["denoiser_train"].tokens, parts["denoiser_validation"].tokens

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        rows = torch.randint(len(tokens), (batch_size,), generator=generator)
        return posterior_cross_entropy(module, tokens[rows], generator) / math.log(2)

    def value_of(module: nn.Module) -> float:
        generator = Generator().manual_seed(0)  # the same noise at every evaluation
        losses = [posterior_cross_entropy(module, part, generator) for part in held_out.split(512)]
        return float(torch.stack(losses).mean()) / math.log(2)

    return network, train(network, loss_of, value_of, settings, checkpoint)


def measure(
    network: TimedSequenceDenoiser, parts: dict[str, UtrData], *, samples: int, rounds: int = 8, seed: int = 0
) -> dict[str, Any]:
    """Measure bits a base on sequences that no network saw, and unguided samples beside them.

    Args:
        network: The denoiser.
        parts: Of the library.
        samples: Unguided samples to draw, and test sequences to measure.
        rounds: Of the bound; each draws 32 steps for every test sequence.
        seed: Seed of samples and noise.
    """
    process = uniform_sequences(timed(network), RNA, length=LENGTH, steps=_STEPS)
    test = parts["test_random"].subset(torch.arange(min(samples, len(parts["test_random"])))).sequences
    train_set = parts["denoiser_train"].subset(torch.arange(min(samples, len(parts["denoiser_train"])))).sequences
    bounds = [uniform_elbo_per_site(process, test, samples=_DRAWS, seed=seed + i) for i in range(rounds)]
    bits = -torch.stack(bounds).mean(0) / math.log(2)
    drawn = svdd.decode(process, lambda s: [0.0] * len(s), method="pretrained", samples=samples, seed=seed).samples
    return {
        "bits_per_base": float(bits.mean()),
        "bits_standard_error": float(bits.std() / len(bits) ** 0.5),
        "composition_bits": _composition_bits(parts["denoiser_train"].tokens, RNA.encode(test)),
        "steps": _STEPS,
        "draws": rounds * _DRAWS,
        "samples": samples,
        "test_sequences": len(test),
        "distinct": len(set(drawn)) / len(drawn),
        "kmer_correlation": {str(k): kmer_correlation(drawn, test, k, alphabet=RNA.letters) for k in (1, 2, 3, 4)},
        "kmer_ceiling": {str(k): kmer_correlation(train_set, test, k, alphabet=RNA.letters) for k in (1, 2, 3, 4)},
        "share": {"samples": _share(drawn), "test": _share(test)},
        "gc": {"samples": _gc(drawn), "test": _gc(test)},
        "largest_position_difference": float(numpy.abs(_by_position(drawn) - _by_position(test)).max()),
        "largest_position_difference_ceiling": float(numpy.abs(_by_position(train_set) - _by_position(test)).max()),
    }


def _composition_bits(training: Tensor, test: Tensor) -> float:
    """Exact bits a base of independent positions with the composition of the training set."""
    shares = functional.one_hot(training, len(RNA)).double().mean(0)
    return float(-shares[torch.arange(LENGTH), test].log2().mean())


def _by_position(sequences: list[str]) -> Any:
    return functional.one_hot(RNA.encode(sequences), len(RNA)).double().mean(0).numpy()


def _share(sequences: list[str]) -> dict[str, float]:
    text = "".join(sequences)
    return {letter: text.count(letter) / len(text) for letter in RNA.letters}


def _gc(sequences: list[str]) -> dict[str, float]:
    mean, sd = gc_moments(sequences)
    return {"mean": mean, "sd": sd}


@dataclass(frozen=True)
class UniformOptions(Options):
    """What a user chooses of this recipe."""

    steps: int = option(2000, "Training steps.")
    samples: int = option(4000, "Unguided samples, and test sequences, that the card measures.")
    rounds: int = option(8, "Rounds of 32 draws per test sequence, for the bound.")


def _read(options: UniformOptions) -> dict[str, UtrData]:
    return read_utrs(options.data)


def _settings(options: UniformOptions) -> TrainingSettings:
    return TrainingSettings(
        steps=options.steps, learning_rate=3e-3, warm_up=100, evaluate_every=250, bfloat16=False, seed=options.seed
    )


def _train(
    parts: dict[str, UtrData], options: UniformOptions, settings: TrainingSettings, checkpoint: Path
) -> tuple[TimedSequenceDenoiser, TrainingResult]:
    return train_uniform(parts, settings, checkpoint=checkpoint)


def _measure(parts: dict[str, UtrData], options: UniformOptions, histories: dict[str, Any]) -> dict[str, Any]:
    network = cast(TimedSequenceDenoiser, load_network(options.out / "denoiser.safetensors"))
    return {
        "rows": {name: len(parts[f"denoiser_{name}"]) for name in ("train", "validation")},
        "network": describe(network),
        "training": histories,
        "measured": measure(network, parts, samples=options.samples, rounds=options.rounds, seed=options.seed),
    }


RECIPE = Recipe(
    about=__doc__,
    options=UniformOptions,
    read=_read,
    stages={"denoiser": [Step("denoiser", _settings, _train)]},
    measure=_measure,
    card=Card(
        Path(__file__).with_name("uniform.md.j2"),
        [Panel("bits per site at a random time", ["denoiser"], training=True)],
    ),
)
