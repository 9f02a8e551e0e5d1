"""Training: the one loop behind every network that is trained here, for one CPU or one accelerator."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Generator, Tensor, nn

Steps: TypeAlias = Iterator[tuple[int, Callable[[str], None]]]


@dataclass(frozen=True)
class TrainingSettings:
    """Numbers of one training run.

    Attributes:
        steps: Optimiser steps.
        learning_rate: Peak of the schedule: linear warm-up, then half a cosine to 1%.
        warm_up: Steps of warm-up.
        weight_decay: AdamW decay, applied to weight matrices only.
        average_decay: Decay of the exponential moving average of the weights.
        clip: Largest gradient norm.
        evaluate_every: Steps between evaluations, each with a checkpoint.
        bfloat16: Whether to run the network in bfloat16 mixed precision.
        seed: Seed of every random draw of the run.
    """

    steps: int
    learning_rate: float = 1.5e-3
    warm_up: int = 200
    weight_decay: float = 0.05
    average_decay: float = 0.998
    clip: float = 1.0
    evaluate_every: int = 200
    bfloat16: bool = True
    seed: int = 0


@dataclass
class TrainingResult:
    """What a training run found.

    Attributes:
        best_step: Step of the evaluation with the smallest value.
        best_value: That value.
        history: One row per evaluation: step, training loss, value, seconds since the start.
    """

    best_step: int = 0
    best_value: float = math.inf
    history: list[dict[str, Any]] = field(default_factory=list)


@contextlib.contextmanager
def isolated_randomness(seed: int) -> Iterator[Generator]:
    """Yield a seeded generator, and seed the global one for the block only.

    Weight initialisation and dropout can draw from nothing but the global generator, so it is
    seeded here and put back afterwards: the caller's random numbers do not change.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield Generator().manual_seed(seed)


def train(
    network: nn.Module,
    loss_of: Callable[[nn.Module, Generator], Tensor],
    value_of: Callable[[nn.Module], float],
    settings: TrainingSettings,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], Steps] | None = None,
) -> TrainingResult:
    """Train a network in place and leave it with the averaged weights of its best evaluation.

    Args:
        network: Module to train, on the device to train on.
        loss_of: Draws a batch with the generator and returns its scalar loss.
        value_of: Evaluates a network; smaller is better.
        settings: Numbers of the run.
        checkpoint: File to write at each evaluation, and to resume from if it exists.
        progress: From the first and the last step to the steps between, each with a function that is told of an
            evaluation; a bar on standard error unless given.

    Returns:
        The history of the run and its best evaluation.
    """
    with isolated_randomness(settings.seed) as generator:
        run = _Run(network, settings, generator)
        if checkpoint is not None and checkpoint.exists():
            run.restore(checkpoint)
        for step, tell in (progress or _bar)(run.step + 1, settings.steps):
            loss = run.advance(step, loss_of)
            if step % settings.evaluate_every == 0 or step == settings.steps:
                tell(run.evaluate(loss, value_of))
                if checkpoint is not None:
                    run.save(checkpoint)
        network.load_state_dict(run.best)
        network.eval()
        return run.result


class _Run:
    """The state of one training run: everything a checkpoint has to hold."""

    def __init__(self, network: nn.Module, settings: TrainingSettings, generator: Generator) -> None:
        self.network = network
        self.settings = settings
        self.generator = generator
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.best = copy.deepcopy(network.state_dict())
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(network, settings.weight_decay), lr=settings.learning_rate, betas=(0.9, 0.98)
        )
        self.step = 0
        self.result = TrainingResult()
        self.losses: list[float] = []
        self.seconds_before = 0.0
        self.started = time.perf_counter()

    def advance(self, step: int, loss_of: Callable[[nn.Module, Generator], Tensor]) -> float:
        """Take one optimiser step and return the mean training loss since the evaluation."""
        self.step = step
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = _learning_rate(step, self.settings)
        with self._precision():
            loss = loss_of(self.network, self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()
        self._update_average()
        self.losses.append(float(loss.detach()))
        return sum(self.losses) / len(self.losses)

    def evaluate(self, loss: float, value_of: Callable[[nn.Module], float]) -> str:
        """Evaluate the averaged weights, keep them if they are the best, and describe them."""
        with torch.no_grad(), self._precision():
            value = value_of(self.average)
        seconds = self.seconds_before + time.perf_counter() - self.started
        row = {"step": self.step, "loss": loss, "value": value, "seconds": round(seconds, 1)}
        self.result.history.append(row)
        self.losses.clear()
        if value < self.result.best_value:
            self.result.best_value = value
            self.result.best_step = self.step
            self.best = copy.deepcopy(self.average.state_dict())
        return f"loss {loss:.4f}, held-out {value:.4f} (best {self.result.best_value:.4f})"

    def save(self, path: Path) -> None:
        """Write the whole state, replacing the old file only once the new one is complete."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "global_generator": torch.get_rng_state(),
            "result": vars(self.result),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint that `save` wrote."""
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.best = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["global_generator"])
        self.result = TrainingResult(**state["result"])
        self.seconds_before = self.result.history[-1]["seconds"]

    def _precision(self) -> torch.autocast:
        device = next(self.network.parameters()).device.type
        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.settings.bfloat16)

    def _update_average(self) -> None:
        # A short memory at the start keeps the random initial weights out of the average.
        decay = min(self.settings.average_decay, (1 + self.step) / (10 + self.step))
        averaged: list[Tensor] = list(self.average.parameters())
        latest: list[Tensor] = list(self.network.parameters())
        with torch.no_grad():
            torch._foreach_lerp_(averaged, latest, 1 - decay)


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Separate matrices, which decay, from biases and norm gains, which do not."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _learning_rate(step: int, settings: TrainingSettings) -> float:
    warm = min(step / max(settings.warm_up, 1), 1.0)
    share = max(step - settings.warm_up, 0) / max(settings.steps - settings.warm_up, 1)
    return settings.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def _bar(first: int, last: int) -> Steps:
    """Yield step numbers under a progress bar, each with a function that prints a line."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=last, completed=first - 1)
        for step in range(first, last + 1):

            def report(text: str, step: int = step) -> None:
                bar.console.print(f"step {step}: {text}")

            yield step, report
            bar.advance(task)
