"""Masked diffusion over sequences: a network and an alphabet become a process, which can also fill in and revise."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from svdd.chain.denoisers import Network, from_logits
from svdd.chain.given import of_chains, states_of
from svdd.chain.noising import MaskedNoise
from svdd.chain.process import Process
from svdd.chain.rng import LIKELIHOOD_BOUND, Rng
from svdd.chain.schedules import Survival, masked_log_linear, time_grid
from svdd.chain.transitions import Transition, masked_ancestral
from svdd.domains.sequence.alphabets import Alphabet
from svdd.domains.sequence.designs import SequenceKind
from svdd.messages import check


class NoLikelihoodBoundError(ValueError):
    """A model whose likelihood bound is not the one of masked networks that ignore time."""


def masked_sequences(
    network: Network,
    alphabet: Alphabet,
    *,
    length: int,
    steps: int = 128,
    survival: Survival | None = None,
    transition: Transition | None = None,
    time_independent: bool = True,
    about: Mapping[str, Any] | None = None,
    device: torch.device | str | None = None,
) -> Process:
    """A process over sequences of one length, from a network that predicts the letters behind masks.

    Args:
        network: `(tokens (n, L), t, cond)` to logits (n, L, V), masks being token V.
        alphabet: what tokens stand for.
        length: L.
        steps: T, on an even grid from all masks to none.
        survival: the schedule; log-linear unless given.
        transition: the reverse step; ancestral unless given.
        time_independent: whether the network ignores t.
        about: facts for files; `steps` is added.
        device: where the network runs and the states live; the CPU unless given.

    Raises:
        ValueError: for a length or steps below 1.
    """
    check(length >= 1, f"length must be at least 1, got {length}")
    survival, kind = survival or masked_log_linear(), SequenceKind(alphabet, length)
    return Process(
        prior=lambda n, rng: torch.full((n, length), len(alphabet), device=device or "cpu"),
        denoiser=from_logits(network, len(alphabet)),
        transition=transition or masked_ancestral(survival),
        times=time_grid(steps),
        decode=alphabet.decode,
        time_independent=time_independent,
        noising=MaskedNoise(len(alphabet), survival),
        encode=lambda sequences: _masked_all(kind, sequences, device),
        kind=kind,
        about={**(about or {}), "steps": steps},
    )


def _kind(process: Process) -> SequenceKind:
    """What the designs of a masked sequence model are."""
    if not isinstance(process.kind, SequenceKind) or not process.kind.masked:
        raise ValueError(
            "fixing, masking or revising letters needs a sequence model with absorbing noise; this model has no mask, its "
            "letters may change at every step"
        )
    return process.kind


def _templates(process: Process, sequences: Sequence[str], masked: bool) -> Int64[Tensor, "k L"]:
    return _kind(process).tokens(sequences, masked)


def _masked_all(
    kind: SequenceKind, sequences: Sequence[str], device: torch.device | str | None
) -> tuple[Int64[Tensor, "k L"], Int64[Tensor, "k L"]]:
    """Sequences as tokens, and as many masks: no site is kept."""
    tokens = kind.tokens(sequences).to(device or "cpu")
    return tokens, torch.full_like(tokens, len(kind.alphabet))


def infill(process: Process, templates: Sequence[str]) -> Process:
    """The same model with some letters fixed: only the sites written as the mask (N for DNA) are designed.

    A revealed site never changes under absorbing noise, so the fixed letters condition the network from the first step.
    Sequences to begin with, or to revise, are given to the process that this makes, and have the fixed letters.

    Args:
        process: a masked sequence model.
        templates: letters and masks; chain i takes template i, counted round.

    Raises:
        ValueError: for a foreign letter, a wrong length, nothing to design, and a process that begins with sequences already.
    """
    kind = _kind(process)
    tokens, letters = _templates(process, templates, masked=True), kind.alphabet
    check(process.given is None, "letters are fixed first: give the sequences to begin with to the process of infill")
    full = (tokens < len(letters)).all(1).nonzero().flatten().tolist()
    if full:
        raise ValueError(
            f"template {full[0]} leaves nothing to design; write {letters.mask} at the sites that are free"
        )
    there = tokens.to(process.device)
    return replace(
        process,
        prior=lambda n, rng: of_chains(there, n, rng),
        encode=lambda sequences: _with_letters(kind, there, sequences),
    )


def _with_letters(
    kind: SequenceKind, templates: Int64[Tensor, "k L"], sequences: Sequence[str]
) -> tuple[Int64[Tensor, "m L"], Int64[Tensor, "m L"]]:
    """Sequences as tokens, each beside the template of its chain: m is the least number that both go into."""
    tokens, mask = kind.tokens(sequences).to(templates.device), len(kind.alphabet)
    both = math.lcm(len(tokens), len(templates))
    x_0, x_T = (one.repeat(both // len(one), 1) for one in (tokens, templates))
    other = ((x_0 != x_T) & (x_T != mask)).nonzero().tolist()
    for row, site in other[:1]:
        raise ValueError(
            f"sequence {row % len(tokens)} has {kind.alphabet.letters[int(x_0[row, site])]} at position {site + 1}, where "
            f"{kind.alphabet.letters[int(x_T[row, site])]} is to be kept; give sequences that have it"
        )
    return x_0, x_T


def from_sequences(process: Process, sequences: Sequence[str], noise: float) -> Process:
    """Revises given sequences: each site is masked with probability `noise`, and decoding goes on from there.

    Args:
        process: a masked sequence model on the log-linear schedule; letters that it keeps are not masked.
        sequences: one length, no N; chain i takes sequence i, counted round.
        noise: the share of sites to redesign, in (0, 1]; also the time decoding starts from.

    Raises:
        ValueError: for a foreign letter, a wrong length, or noise outside (0, 1].
    """
    check(0 < noise <= 1, f"noise is the share of sites to redesign, in (0, 1], got {noise}")
    mask, steps = len(_kind(process).alphabet), max(1, round(noise * process.steps))
    x_0, x_T = states_of(process, sequences)
    there, free = x_0.to(process.device), (x_T == mask).to(process.device)

    def prior(n: int, rng: Rng) -> Int64[Tensor, "n L"]:
        clean, may = of_chains(there, n, rng), of_chains(free, n, rng)
        masked = rng.uniform(clean.shape, device=clean.device) < noise
        return clean.masked_fill(masked & may, mask)

    times = time_grid(steps, start=noise, end=float(process.times[-1]), dtype=process.times.dtype)
    again = replace(process.noising, start=noise) if isinstance(process.noising, MaskedNoise) else None
    return replace(process, prior=prior, times=times, noising=again, encode=None)


def elbo_per_site(
    process: Process, sequences: Sequence[str], *, samples: int = 16, seed: int = 0, rows: int = 256
) -> Float[Tensor, " n"]:
    r"""A lower bound of the log-likelihood in nats a site: $\frac1L E_t[\frac{1}{t}\sum_{masked} \log p(x_0^i | x_t)]$.

    Here t is the share of sites that the noise has masked, so the bound is that of every schedule, as long as the network
    depends on the masks alone. t is stratified over `samples` noisy copies of each sequence. Divide by -log 2 for bits.

    Args:
        process: a masked sequence model whose network ignores time.
        sequences: of the model's length.
        samples: noisy copies a sequence; the standard error falls like their square root.
        seed: of the noise.
        rows: noisy copies at a time.

    Raises:
        NoLikelihoodBoundError: for a model without masks, and a network that is given the time.
        ValueError: for a foreign letter or a wrong length.

    Cost:
        n * samples network rows.

    References:
        Sahoo et al., arXiv 2406.07524.
    """
    if not isinstance(process.kind, SequenceKind) or not process.kind.masked:
        raise NoLikelihoodBoundError("the bound is of masked sequences of one length, and this model makes none")
    x_0 = _templates(process, sequences, masked=False)
    return bound_per_site(
        process, x_0, torch.ones_like(x_0, dtype=torch.bool), len(process.kind.alphabet),
        samples=samples, seed=seed, rows=rows,
    )  # fmt: skip


def bound_per_site(
    process: Process,
    x_0: Int64[Tensor, "n L"],
    free: Bool[Tensor, "n L"],
    mask: int,
    *,
    samples: int = 16,
    seed: int = 0,
    rows: int = 256,
) -> Float[Tensor, " n"]:
    """The bound of `elbo_per_site` for tokens, over the sites that the model's noise may mask.

    Args:
        process: a masked model.
        x_0: clean tokens.
        free: sites that may be masked, at least one a row; the others are always shown.
        mask: the token of a masked site.
        samples: noisy copies a row.
        seed: of the noise.
        rows: noisy copies at a time.

    Raises:
        NoLikelihoodBoundError: for a network that is given the time, of which each copy would need its own.
    """
    if not process.time_independent:
        raise NoLikelihoodBoundError(
            "the bound is of networks that ignore time, and this one is given it (time_independent=False): a copy with a share "
            "t of masks would need the time at which the model's schedule has masked that share"
        )
    n, count = len(x_0), free.sum(1, keepdim=True)
    rng = Rng(seed, range(LIKELIHOOD_BOUND, LIKELIHOOD_BOUND + n))
    t = (torch.arange(samples, device="cpu") + rng.uniform((n, 1))) / samples
    # at least one mask in expectation: below that the estimator's variance explodes and its mean hardly changes
    t = t.maximum(1 / count).flatten()[:, None]
    clean, may = x_0.repeat_interleave(samples, 0), free.repeat_interleave(samples, 0)
    masked = (rng.uniform(clean.shape) < t) & may
    noisy = clean.masked_fill(masked, mask)
    total = torch.empty(len(clean), device="cpu", dtype=torch.float32)
    with torch.no_grad():
        for part in torch.arange(len(clean), device="cpu").split(rows):  # type: ignore[no-untyped-call]
            x, truth, hidden = (one[part].to(process.device) for one in (noisy, clean, masked))
            posterior: Any = process.denoiser(x, process.times[0], ())
            log_p = posterior.log_p.gather(-1, truth[..., None])[..., 0]
            total[part] = (log_p.masked_fill(~hidden, 0).sum(1).cpu() / t[part, 0]).float()
    return total.view(n, samples).mean(1) / count[:, 0]
