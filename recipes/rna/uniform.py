"""Train the bundled uniform-noise RNA model and write its card.

    python -m recipes.rna.uniform --data DIR --out DIR

DIR holds the reporter library of Sample et al. 2019, as `recipes.rna.data` reads it.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy
import torch
import typer
from torch import Generator, Tensor, nn
from torch.nn import functional

import svdd
from recipes.rna.data import LENGTH, UtrData, read_utrs
from svdd.chain.denoisers import from_leave_one_out
from svdd.chain.schedules import masked_log_linear
from svdd.domains.sequence.alphabets import RNA
from svdd.domains.sequence.distances import gc_fraction, kmer_correlation
from svdd.domains.sequence.uniform import timed, uniform_elbo_per_site, uniform_sequences
from svdd.networks.timed import TimedSequenceDenoiser
from svdd.networks.training import TrainingResult, TrainingSettings, isolated_randomness, train
from svdd.networks.weight_files import save_network

__all__ = ["main", "posterior_cross_entropy", "train_uniform"]

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
    values = gc_fraction(sequences)
    return {"mean": float(values.mean()), "sd": float(values.std())}


def render(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    found = card["measured"]
    k, error = found["kmer_correlation"], found["bits_standard_error"]
    shares = "\n".join(
        f"| share of {letter} | {found['share']['samples'][letter]:.4f} | {found['share']['test'][letter]:.4f} |"
        for letter in RNA.letters
    )
    kmers = "\n".join(f"| {n} | {k[n]:.4f} | {found['kmer_ceiling'][n]:.4f} |" for n in k)
    return f"""# rna-utr-uniform

A uniform-noise diffusion model of 5'UTRs of 50 letters: the same library as `rna-utr`, but noise replaces letters by random
ones and there is no mask. It shows the same loop at work on another kind of noise. Every number below is measured by the
recipe that trained it, on sequences that it did not see.

    python -m recipes.rna.uniform --data DIR --out DIR

## Data

The random 5'UTR reporter library of Sample et al. 2019 (Nature Biotechnology 37:803; GEO GSE114002, GSM3130435): 50 random
letters before the start codon of eGFP. No sequence is shipped. {card["rows"]["train"]} rows trained the network,
{card["rows"]["validation"]} chose the checkpoint, and {found["test_sequences"]} of the random test part were measured here.
A random library has composition by position, and little else to learn.

## Network and loss

{card["parameters"]} parameters: dilated convolutions that are told the time and the place of every site. Its output pi stands
for the law of a letter given the *other* letters; with the likelihood of the letter that is seen,
p(x_0 | x_t) ~ pi (alpha_t [x_0 = x_t] + (1 - alpha_t)/4) is the posterior, and p is trained by cross-entropy at uniform t
(log-linear noise). So p goes with the marginal transition (`uniform_marginal`), and p's largest letter is the look-ahead. Best
step {card["training"]["best_step"]} of {card["settings"]["steps"]}, averaged weights, {card["seconds"]:.0f} s on one
thread beside other work.

## Held-out bits per base

| model | bits per base |
| --- | --- |
| **this model, {found["steps"]} steps** (upper bound) | **{found["bits_per_base"]:.4f}** (s.e. {error:.4f}) |
| independent positions, composition of the training part | {found["composition_bits"]:.4f} |
| even letters | 2.0000 |

The bound is that of the decoded chain of {found["steps"]} steps: T times the KL of its step from the true bridge at a random
step, {found["draws"]} draws a sequence. More steps lower it.

## Unguided samples

{found["samples"]} samples in {found["steps"]} steps; distinct: {found["distinct"]:.4f}.

| statistic | samples | test |
| --- | --- | --- |
{shares}
| GC, mean | {found["gc"]["samples"]["mean"]:.4f} | {found["gc"]["test"]["mean"]:.4f} |
| GC, standard deviation | {found["gc"]["samples"]["sd"]:.4f} | {found["gc"]["test"]["sd"]:.4f} |

Largest difference of a letter's share at a position: {found["largest_position_difference"]:.4f}; between as many training and
test sequences: {found["largest_position_difference_ceiling"]:.4f}. Pearson correlation of k-mer frequencies:

| k | samples and test | as many training sequences and test |
| --- | --- | --- |
{kmers}

## Limits

Letters cannot be fixed: under uniform noise every letter may change until the last step, so templates and revising are for
models with masks (`rna-utr`). The network is told the time, so an answer is shared only among equal sequences at one step.
"""


def main(
    data: Annotated[Path, typer.Option(help="Folder with the library, or its file.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    steps: Annotated[int, typer.Option(help="Training steps.")] = 2000,
    samples: Annotated[int, typer.Option(help="Unguided samples, and test sequences, that the card measures.")] = 4000,
    rounds: Annotated[int, typer.Option(help="Rounds of 32 draws a test sequence, for the bound.")] = 8,
    seed: Annotated[int, typer.Option(help="Seed of training and samples.")] = 0,
) -> None:
    """Train the denoiser, and write its weights and its card."""
    out.mkdir(parents=True, exist_ok=True)
    parts = read_utrs(data)
    settings = TrainingSettings(
        steps=steps, learning_rate=3e-3, warm_up=100, evaluate_every=250, bfloat16=False, seed=seed
    )
    network, result = train_uniform(parts, settings, checkpoint=out / "denoiser.checkpoint")
    save_network(network, out / "denoiser.safetensors")
    card = {
        "rows": {name: len(parts[f"denoiser_{name}"]) for name in ("train", "validation")},
        "parameters": sum(p.numel() for p in network.parameters()),
        "config": network.config,
        "settings": asdict(settings),
        "training": asdict(result),
        "seconds": result.history[-1]["seconds"],
        "measured": measure(network, parts, samples=samples, rounds=rounds, seed=seed),
    }
    (out / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    (out / "card.md").write_text(render(card))


if __name__ == "__main__":
    typer.run(main)
