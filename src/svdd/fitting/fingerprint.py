"""Fingerprints: what a process and a reward answered at a few probes, so that a value is not used with others.

A soft value belongs to the kernels of one chain and to one reward. The prior is no part of it: a chain that starts from a
template has the same values.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from svdd.chain.distributions import Categorical, Distribution
from svdd.chain.process import Particles, Process
from svdd.chain.rng import Rng
from svdd.chain.tree import Tree, leaves, take, tree_map
from svdd.chain.unmasking import Unmasking
from svdd.method.values import evaluate
from svdd.scoring.identity import file_hash
from svdd.scoring.reward import Reward

_FORMAT = "svdd-fingerprint-1"
_TOLERANCE = 0.01  # absolute and relative: far above rounding on any machine, far below another network's answer


class FingerprintError(ValueError):
    """A value belongs to another process or reward."""


@dataclass(frozen=True)
class Fingerprint:
    """Probes and answers.

    Args:
        facts: name of the process and what its designs depend on, for the message.
        times: its grid.
        x: a few states: tokens, or a dictionary of tensors.
        step: how many steps each has taken.
        finished: a few finished designs, as states.
        answers: what the denoiser and the transition said of the states, where a fixed move led them, and the rewards of the
            designs.
    """

    facts: dict[str, Any]
    times: Float[Tensor, " T1"]
    x: Tree
    step: Int64[Tensor, " p"]
    finished: Tree
    answers: dict[str, Tensor]

    def check(self, process: Process, reward: Reward) -> None:
        """Asks the process and the reward the same again.

        Raises:
            FingerprintError: for the first thing that differs.

        Cost:
            1 network row a probed state and what a move costs, 1 decoder row and 1 reward row a probed design; a dozen in all.
        """
        for name, fitted in self.facts.items():
            if process.facts.get(name) != fitted:
                raise _differs(f"{name} {fitted!r}", f"{process.facts.get(name)!r}")
        first = len(self.times) - len(process.times)
        if first < 0 or not torch.allclose(self.times[first:], process.times.to(self.times), atol=1e-6):
            raise _differs(*_grids(self.times, process.times))
        fitted, given = _shapes(self.x), _shapes(process.prior(1, Rng(0, 1)))
        if fitted != given:
            raise _differs(f"states of shape {fitted}", f"states of shape {given}")
        answers = asked(process, reward, self.x, self.step - first, self.finished)
        for name, told in self.answers.items():
            known = self.step >= first if name != "reward" else torch.ones(len(told), dtype=torch.bool, device="cpu")
            if not _close(told[known], answers[name][known]):
                raise _differs(f"another {name}", f"answers that differ at {int(known.sum())} probes")

    def save(self, path: Path, weights: Path) -> None:
        """Writes it, with the hash of the weights that it vouches for."""
        metadata = {"format": _FORMAT, "facts": json.dumps(self.facts), "sha256": file_hash(weights)}
        tensors = {"times": self.times, "step": self.step}
        tensors |= _named("x", self.x) | _named("finished", self.finished)
        tensors |= {f"answer {name}": answer for name, answer in self.answers.items()}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, str(path), metadata=metadata)


def _named(name: str, states: Tree) -> dict[str, Tensor]:
    """The tensors of states under names that tell where they belong."""
    if isinstance(states, Tensor):
        return {name: states}
    return {f"{name}.{key}": leaf for key, leaf in states.items()}


def _states(name: str, tensors: dict[str, Tensor]) -> Tree:
    """What `_named` named.

    Raises:
        KeyError: if it is not there.
    """
    parts = {key.removeprefix(f"{name}."): leaf for key, leaf in tensors.items() if key.startswith(f"{name}.")}
    return parts or tensors[name]


def _differs(fitted: str, given: str) -> FingerprintError:
    return FingerprintError(
        f"this value was fitted for {fitted}, but the run's has {given}; fit a value for it, or force its use"
    )


def _grids(fitted: Tensor, given: Tensor) -> tuple[str, str]:
    ends = [f"{len(times) - 1} steps from t = {times[0]:.4g} to {times[-1]:.4g}" for times in (fitted, given)]
    return ends[0], ends[1] if ends[0] != ends[1] else "as many at other times in between"


def _shapes(states: Tree) -> Any:
    """Of one row, by the names of its parts."""
    return tree_map(lambda leaf: tuple(leaf.shape[1:]), states)


def _close(fitted: Tensor, given: Tensor) -> bool:
    return fitted.shape == given.shape and torch.allclose(
        fitted, given.to(fitted), rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True
    )


@torch.no_grad()
def asked(process: Process, reward: Reward, x: Tree, step: Int64[Tensor, " p"], finished: Tree) -> dict[str, Tensor]:
    """The answers to the probes; a state from before the grid of the process is asked about at its beginning."""
    posteriors, kernels, moves, still = [], [], [], replace(process, move=None)  # a move draws random numbers
    for row, number in enumerate(step.tolist()):
        here = take(x, torch.tensor([row], device="cpu"))
        particles = Particles(still, max(number, 0), here)
        posteriors.append(_flat(particles.posterior))
        kernels.append(_flat(_law(particles.kernel)))
        drawn = Rng(row, 1)
        led = here if process.move is None else process.move(here, particles.posterior, particles.t, drawn)
        moves.append(_flat(_sorted(led)))
    ends = Particles(process, process.steps, finished)
    return {
        "model": torch.cat(posteriors),
        "transition": torch.cat(kernels),
        "move": torch.cat(moves),
        "reward": evaluate(reward, ends, finished),
    }


def _law(kernel: Distribution) -> Distribution:
    """A kernel as what it says of every site, however it is drawn from, and as the probes of earlier versions hold it."""
    return Categorical(kernel.log_p) if isinstance(kernel, Unmasking) else kernel


def _sorted(states: Tree) -> Tree:
    """In the order of the names: a file has none of its own."""
    return dict(sorted(states.items())) if isinstance(states, dict) else states


def _flat(distribution: Any) -> Float[Tensor, "1 d"]:
    return torch.cat([leaf.detach().cpu().double().reshape(1, -1) for leaf in leaves(distribution)], 1)


def deciding_facts(process: Process) -> dict[str, Any]:
    """The name of a process, and what else its designs depend on."""
    decide = ("name", *(process.kind.decides if process.kind is not None else ()))
    return {name: process.facts[name] for name in decide if name in process.facts}


def take_fingerprint(
    process: Process, reward: Reward, x: Tree, step: Int64[Tensor, " p"], finished: Tree
) -> Fingerprint:
    """The fingerprint of a process and a reward at the given states and designs."""
    answers = asked(process, reward, x, step, finished)
    return Fingerprint(deciding_facts(process), process.times, x, step, finished, answers)


def load_fingerprint(path: Path, weights: Path) -> Fingerprint:
    """Reads what `Fingerprint.save` wrote.

    Raises:
        FileNotFoundError: if either file is missing.
        ValueError: if the file is corrupt, or the weights are not those it was saved with.
    """
    if not path.is_file() or not weights.is_file():
        raise FileNotFoundError(f"{path.parent} is not a value that svdd fit-value finished: it has no {path.name}")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        if metadata["format"] != _FORMAT:
            raise KeyError(metadata["format"])
        facts = json.loads(metadata["facts"])
        answers = {name.removeprefix("answer "): t for name, t in tensors.items() if name.startswith("answer ")}
        times, step = tensors["times"], tensors["step"]
        x, finished = _states("x", tensors), _states("finished", tensors)
        fingerprint = Fingerprint(facts, times, x, step, finished, answers)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is damaged or not a fingerprint of a value: {error}") from None
    if file_hash(weights) != metadata.get("sha256"):
        raise ValueError(f"{weights} is not the file that {path.name} was saved with; fit the value again")
    return fingerprint
