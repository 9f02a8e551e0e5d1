"""Uniform diffusion over sequences: no masks; noise replaces letters, and every letter may change at every step."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from svdd.chain.denoisers import Network, from_leave_one_out
from svdd.chain.distributions import Categorical
from svdd.chain.noising import UniformNoise
from svdd.chain.process import Process
from svdd.chain.rng import LIKELIHOOD_BOUND, Rng
from svdd.chain.schedules import Survival, masked_log_linear, time_grid
from svdd.chain.transitions import uniform_marginal
from svdd.chain.tree import Tree
from svdd.cost.batches import FullBatches
from svdd.domains.sequence.alphabets import Alphabet
from svdd.domains.sequence.designs import SequenceKind
from svdd.networks.timed import TimedSequenceDenoiser

_ROWS = 64  # at a time


def uniform_sequences(
    network: Network,
    alphabet: Alphabet,
    *,
    length: int,
    steps: int = 128,
    survival: Survival | None = None,
    about: Mapping[str, Any] | None = None,
    device: torch.device | str | None = None,
) -> Process:
    """A process over sequences of one length under uniform noise.

    Args:
        network: `(tokens (n, L), t, cond)` to logits (n, L, V) of x_0 at each site given the *other* sites (what plug-in
            losses train); the site's own token is accounted for by `from_leave_one_out`.
        alphabet: what tokens stand for.
        length: L.
        steps: T, on an even grid from noise to none.
        survival: the schedule; log-linear unless given.
        about: facts for files; `steps` is added.
        device: where the network runs and the states live; the CPU unless given.

    Raises:
        ValueError: for steps below 1.
    """
    survival, kind = survival or masked_log_linear(), SequenceKind(alphabet, length, masked=False)
    return Process(
        prior=lambda n, rng: (rng.uniform((n, length), dtype=torch.float64) * len(alphabet)).long().to(device or "cpu"),
        denoiser=from_leave_one_out(network, survival),
        transition=uniform_marginal(survival),
        times=time_grid(steps),
        decode=alphabet.decode,
        noising=UniformNoise(len(alphabet), survival),
        encode=lambda sequences: (kind.tokens(sequences).to(device or "cpu"),) * 2,
        kind=kind,
        about={**(about or {}), "steps": steps},
    )


def timed(network: TimedSequenceDenoiser) -> Network:
    """The network as processes call it, on batches of one shape."""
    where = network.head.weight.device
    batches = FullBatches(network, _ROWS)

    @torch.no_grad()
    def logits(x: Tensor, t: Tensor, cond: Tree) -> Tensor:
        now = torch.full((1,), float(t), dtype=torch.float32, device=where)
        return batches(x.to(where), now).to(x.device)

    return logits


def uniform_elbo_per_site(
    process: Process, sequences: Sequence[str], *, samples: int = 16, seed: int = 0, survival: Survival | None = None
) -> Float[Tensor, " n"]:
    r"""A lower bound of the log-likelihood of the process's own T steps, in nats a site.

    $-\frac{T}{L} E_k [ KL(q(x_s | x_t, x_0) \| p(x_s | x_t)) ]$ over a uniform step $t \to s$ and $x_t \sim q(x_t | x_0)$; the
    last step's KL is $-\log p(x_0 | x_t)$, and nothing is lost at t = 1, where no signal is left. Divide by -log 2 for bits.

    Args:
        process: a uniform sequence model whose schedule ends without signal.
        sequences: of the model's length.
        samples: steps drawn for each sequence, stratified.
        seed: of the noise.
        survival: the process's schedule; log-linear unless given.

    Cost:
        n * samples network rows.

    References:
        Austin et al., Structured denoising diffusion models in discrete state-spaces, arXiv 2107.03006.
    """
    survival = survival or masked_log_linear()
    assert isinstance(process.kind, SequenceKind), "a uniform model makes sequences"
    clean = process.kind.alphabet.encode(sequences)
    rng = Rng(seed, range(LIKELIHOOD_BOUND, LIKELIHOOD_BOUND + len(clean)))
    draws = (torch.arange(samples, device="cpu") + rng.uniform((len(clean), 1))) / samples
    steps = (draws * process.steps).long().clamp(max=process.steps - 1)
    total = torch.zeros(len(clean), dtype=torch.float64, device="cpu")
    noise = rng.uniform((len(clean), samples, 2, clean.shape[1]))
    for k in steps.unique().tolist():
        row, draw = (steps == k).nonzero().T
        replaced, token = noise[row, draw].unbind(1)
        alpha_t = float(survival(process.times[k]))
        x = torch.where(replaced < alpha_t, clean[row], (token * len(process.kind.alphabet)).long())
        total.index_add_(0, row, _divergence(process, k, x.to(process.device), clean[row].to(process.device)).cpu())
    return -total * process.steps / (samples * clean.shape[1])


def _divergence(process: Process, step: int, x: Tensor, clean: Tensor) -> Float[Tensor, " n"]:
    """KL of the bridge q(x_s | x_t, x_0) from the process's own step, summed over sites."""
    t, s = process.times[step], process.times[step + 1]
    answer: Any = process.denoiser(x, t, ())
    truth = torch.nn.functional.one_hot(clean, answer.log_p.shape[-1]).double().log()
    log_q, log_p = (
        process.transition(x, Categorical(log_p), t, s).log_p.log_softmax(-1)  # type: ignore[attr-defined]
        for log_p in (truth, answer.log_p.double())
    )
    return torch.where(log_q.isneginf(), 0.0, log_q.exp() * (log_q - log_p)).sum((1, 2))
