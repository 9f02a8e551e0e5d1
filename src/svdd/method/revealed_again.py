r"""Exact proposals of masked chains: a chain remembers when each site was revealed.

The law of a path is $q(\tau) \prod_i p_i(x_0^i | x_{before\ \tau_i})$: the schedule alone says when sites are revealed, the
network what they become. A move of the times proposes $\tau' \sim q$ and accepts with the ratio of the products; a move of the
design keeps what was revealed before a step and draws the rest again, whose law cancels. Together they leave
$p(x_0, \tau) \, e^{r/a}$ as it is, for any network and any grid.
"""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from svdd.chain.noising import MaskedNoise
from svdd.chain.process import Particles, Process
from svdd.chain.tree import repeat
from svdd.chain.unmasking import Unmasking
from svdd.method.denoised_again import NOISE, denoised, streams

REVEALED, LOG_P = "revealed", "log_p"
"""In the memory of a finished sample, for each site the number of the step that revealed it (-1 for none), and its log p."""


def reveals(process: Process) -> bool:
    """Whether the samples of a process are made by revealing masked sites, as far as its forward kernel and move tell."""
    return isinstance(process.noising, MaskedNoise) and process.move is None


class Revealed:
    """Takes back what the last steps have revealed.

    Args:
        process: a chain that `reveals` sites.
    """

    def __init__(self, process: Process) -> None:
        assert isinstance(process.noising, MaskedNoise), "the process was looked at"
        self.mask, self.times = process.noising.mask, process.times
        shares = [process.noising.share(t) for t in process.times[:-1]]
        self.shares = torch.tensor(shares, dtype=torch.float64, device="cpu")

    def seen(self, at: Particles) -> Particles:
        """See `Proposals`: T network rows at most."""
        return self._retimed(at) if at.final else at

    def settled(self, at: Particles) -> Particles:
        """The move of the times: T network rows at most, and no reward."""
        proposed = self._retimed(at)
        before, after = (one.memory[LOG_P].sum(1) for one in (at, proposed))
        chance = streams(at).uniform((len(at),), dtype=torch.float64).log()
        taken = (chance < after - before) | before.isneginf()
        there = {
            name: torch.where(taken[:, None], proposed.memory[name], at.memory[name]) for name in (REVEALED, LOG_P)
        }
        return replace(at, memory=at.memory | there)

    def proposed(self, at: Particles, number: int, tail: Int64[Tensor, " n"], tries: int) -> Particles:
        """The move of the design: `tail` network rows a try."""
        children, first = at.spread(tries), repeat(at.process.steps - tail, tries)
        revealed, log_p = (children.memory[name].clone() for name in (REVEALED, LOG_P))
        hidden = (revealed >= first[:, None]).to(children.x.device)

        def meet(rows: Int64[Tensor, " r"], before: Particles, after: Particles) -> None:
            new = ((before.x == self.mask) & (after.x != self.mask)).cpu()
            revealed[rows] = torch.where(new, before.step, revealed[rows])
            log_p[rows] = torch.where(new, _log_p(before, after.x), log_p[rows])

        x = denoised(children, children.x.masked_fill(hidden, self.mask), first, lambda x, number: x, meet)
        memory = children.memory | {REVEALED: revealed, LOG_P: log_p}
        return Particles(at.process, at.process.steps, x, children.cond, memory, at.rng)

    def _retimed(self, at: Particles) -> Particles:
        """The same samples with times drawn anew from the schedule, and what the network says of their sites at these times."""
        u = streams(at).uniform(at.x.shape, dtype=torch.float64)
        drawn = (u[..., None] < self.shares).sum(-1) - 1
        revealed = torch.where(at.memory[NOISE].cpu() == self.mask, drawn, -1)
        log_p = torch.zeros(revealed.shape, dtype=torch.float64, device="cpu")
        for number in range(at.process.steps):
            here = revealed == number
            rows = here.any(1).nonzero().flatten()
            if len(rows):
                hidden = (revealed[rows] >= number).to(at.x.device)
                some = at.take(rows, None)
                before = Particles(at.process, number, some.x.masked_fill(hidden, self.mask), some.cond)
                log_p[rows] = torch.where(here[rows], _log_p(before, some.x), log_p[rows])
        return replace(at, memory=at.memory | {REVEALED: revealed, LOG_P: log_p})


def _log_p(before: Particles, x: Int64[Tensor, "n L"]) -> Float[Tensor, "n L"]:
    """The log-probability that each site, if it is revealed in the next step, becomes what it is in `x`."""
    kernel: Any = before.kernel
    if not isinstance(kernel, Unmasking):
        raise ValueError(
            "exact moves need a chain whose sites are revealed once and stay: take the model without remasking, or leave out "
            "exact"
        )
    log_token = kernel.log_token.double().log_softmax(-1)
    symbol = x.clamp(max=log_token.shape[-1] - 1)[..., None]
    return log_token.gather(-1, symbol)[..., 0].cpu()
