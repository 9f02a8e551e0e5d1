"""What a network row, a reward call and a step take, from a few of each that are thrown away."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from svdd.chain.distributions import is_deterministic
from svdd.chain.process import Process
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree, leaves
from svdd.cost.batches import count, picked
from svdd.cost.ledger import Cost, Usage
from svdd.decoding.decoding import Decoding
from svdd.decoding.metering import accounted
from svdd.decoding.planning import Forecast
from svdd.runs.pilots import MOST
from svdd.scoring.policy import Policy
from svdd.scoring.reward import Reward, traits_of
from svdd.scoring.scorer import Scorer
from svdd.scoring.signatures import adapted

STEPS = 3
"""Steps of all designs in which the network is timed, at most."""
SECONDS = 10.0
"""After which no further step, and no further call of the reward, is timed."""
_GROUPS = (1, 1, 2, 4, 8)  # designs of a call, MOST in all; a slow reward is asked about the first alone


@dataclass(frozen=True)
class Rates:
    """What things take.

    Args:
        network: seconds per network row.
        reward: seconds per reward call, the decoding of the design among them.
        step: seconds of the rest, per particle and step.
        drawn: whether a step is drawn, so that candidates differ.
        designs: that the reward was asked about.
        spent: what it took to know this.
    """

    network: float
    reward: float
    step: float
    drawn: bool
    designs: int
    spent: Forecast

    def seconds(self, asks: Forecast) -> float:
        """Of a run; each particle and each candidate is a network row, a reward call or both."""
        rest = max(asks.rows, asks.rewards) * self.step
        return asks.rows * self.network + asks.rewards * self.reward + rest


@torch.no_grad()
def rates(process: Process, reward: Reward, samples: int, **settings: Any) -> Rates:
    """Times a model and a reward.

    Args:
        process: the model.
        reward: asked about designs of the model, which nothing guided.
        samples: chains of the run, which the network is timed with.
        **settings: `batch` and `chunks`, as of `svdd.decode`.

    Raises:
        RewardError: for an answer that is not one number per design.

    Cost:
        at most 3 network rows per sample, 1 more, and those of 16 unguided designs, or of fewer, which take 10 s; at most 16
        reward rows, fewer once they have taken 10 s, and at least 1.
    """
    plain, chunks = replace(_waited(process), given=None), settings.get("chunks") or {}
    drawn, first = _drawn(plain)
    network, step, few = _network(plain, samples, settings)
    wanted = min(samples, MOST, max(1, int(SECONDS / (network * process.steps + 1e-9))))
    designs, one = _designs(plain, wanted, chunks)
    each, asked = _reward(adapted(process, reward), designs, chunks.get("reward"))
    decode = one.decode.seconds / max(one.decode.rows, 1)
    return Rates(network, each + decode, step, drawn, asked, Forecast(asked, first + few + one.network.rows))


def _waited(process: Process) -> Process:
    """The same process, whose network has computed its answers when it returns, on devices too that work in the background."""

    def denoiser(x: Tree, t: Tensor, cond: Tree) -> Any:
        answers = process.denoiser(x, t, cond)
        for leaf in leaves(answers):
            leaf.flatten()[:1].cpu()
        return answers

    return replace(process, denoiser=denoiser)


def _drawn(process: Process) -> tuple[bool, int]:
    """Whether a step from the noise is drawn, and the network rows of this look."""
    usage = Usage()
    particles = accounted(process, usage, {}).start(1, (), Rng(0, 1))
    drawn = process.move_each or not is_deterministic(particles.kernel)
    return drawn, usage.network.rows


def _unguided(process: Process, samples: int, **settings: Any) -> Decoding:
    return Decoding(process, _nothing, method="pretrained", samples=samples, share=False, **settings)


def _nothing(designs: Any) -> list[float]:
    return [0.0] * count(designs)


def _network(process: Process, samples: int, settings: Mapping[str, Any]) -> tuple[float, float, int]:
    """Seconds per network row and of the rest, of the quickest of a few steps, and the rows of all of them."""
    decoding, started = _unguided(process, samples, **settings), time.perf_counter()
    usage, before = decoding.usage, (0, 0.0, 0.0)
    network, rest = list[float](), list[float]()
    for number, _ in enumerate(decoding, 1):
        rows, inside, whole = (now - then for now, then in zip(_spent(usage), before, strict=True))
        before = _spent(usage)
        network.append(inside / rows)
        rest.append(max(whole - inside, 0.0) / rows * process.rows_each)
        if number == STEPS or time.perf_counter() - started > SECONDS:
            break
    return min(network), min(rest), usage.network.rows


def _spent(usage: Usage) -> tuple[int, float, float]:
    return usage.network.rows, usage.network.seconds, usage.seconds


def _designs(process: Process, samples: int, chunks: Mapping[str, int]) -> tuple[Any, Usage]:
    """Unguided designs, and what they cost."""
    decoding = _unguided(process, samples, chunks=chunks)
    for _ in decoding:
        pass
    return decoding.result().samples, decoding.usage


def _reward(reward: Reward, designs: Any, at_once: int | None) -> tuple[float, int]:
    """Seconds per call, of the quickest of a few batches of growing size, and the calls of all of them."""
    n, cost, each = count(designs), Cost(), list[float]()
    ask = Scorer(reward, policy=traits_of(reward).policy or Policy(), cost=cost, share=False, at_once=at_once)
    done, began = 0, time.perf_counter()
    for size in (n,) if traits_of(reward).groupwise else _GROUPS:
        rows = list(range(done, min(done + size, n)))
        if not rows or time.perf_counter() - began > SECONDS:
            break
        started = time.perf_counter()
        ask(picked(designs, rows))
        each.append((time.perf_counter() - started) / len(rows))
        done += len(rows)
    return min(each), cost.rows
