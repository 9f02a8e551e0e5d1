"""Training: a network or a regressor learns the value of the states of roll-outs."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor
from torch.nn import Module

from svdd.chain.defaults import as_tensor, usual_defaults
from svdd.chain.process import Particles, Process
from svdd.chain.tree import Tree, leaves, take
from svdd.fitting.losses import level, linex, soft_backup, squared
from svdd.fitting.predictors import Standardised, of_regressor, readable
from svdd.fitting.rollouts import Rollouts, Tell
from svdd.fitting.settings import Settings
from svdd.method.features import Features
from svdd.method.learned_values import Predictor
from svdd.method.values import evaluate
from svdd.networks.training import TrainingSettings, train
from svdd.scoring.reward import Reward

_VALIDATION = 10  # one chain in so many says which weights are kept
Target = Callable[[Int64[Tensor, " b"], Module], Float[Tensor, " b"]]


@dataclass
class Lesson:
    """What a network is trained on.

    Args:
        rollouts: states and rewards.
        t: the time of every state.
        unit: the spread of rewards.
        settings: of the fit.
    """

    rollouts: Rollouts
    t: Float[Tensor, " r"]
    unit: float
    settings: Settings

    @property
    def split(self) -> tuple[Int64[Tensor, " a"], Int64[Tensor, " b"]]:
        """States to train on, and states of other chains to choose the weights by."""
        held = self.rollouts.chain % _VALIDATION == 0
        return (~held).nonzero().flatten(), held.nonzero().flatten()

    def predict(self, network: Module, index: Int64[Tensor, " b"]) -> Float[Tensor, " b"]:
        """What a network says of some states."""
        return network(readable(take(self.rollouts.x, index)), self.t[index])[:, 0]

    def loss(self, network: Module, index: Int64[Tensor, " b"], target: Float[Tensor, " b"]) -> Float[Tensor, ""]:
        """The loss of the target: LINEX for soft values, squares for the mean."""
        prediction, soft = self.predict(network, index), self.settings.soft
        if soft is None:
            return squared(prediction, target.to(prediction), self.unit)
        return linex(prediction, target.to(prediction), self.unit, soft, self.clip)

    @property
    def clip(self) -> float:
        """No roll-out of n can be known to weigh more than n times the average."""
        return math.log(len(self.rollouts.reward))


def fit_network(
    network: Module, process: Process, reward: Reward, rollouts: Rollouts, settings: Settings, unit: float, tell: Tell
) -> tuple[Module, dict[str, Any]]:
    """Trains a network in place; returns it in the units of the reward, and what is to be told about it.

    Raises:
        ValueError: if the training did not come to finite numbers.
    """
    lesson = Lesson(rollouts, process.times[rollouts.step].float(), unit, settings)
    if not {"scale", "shift"} <= dict(network.named_buffers()).keys():
        with usual_defaults():
            network = Standardised(network)
    network.to(leaves(rollouts.x)[0].device)
    network.scale.fill_(unit)  # type: ignore[operator, union-attr]
    network.shift.fill_(level(rollouts.reward, settings.soft))  # type: ignore[operator, union-attr]
    backed_up = settings.target == "soft-q"
    target = _backups(lesson, process, reward) if backed_up else lambda index, module: rollouts.label[index]
    value_of = _latest() if backed_up else _validated(lesson)
    result = train(network, _drawn(lesson, target), value_of, _schedule(settings), progress=partial(_told, tell=tell))
    if not math.isfinite(result.best_value):
        raise ValueError("training came to numbers that are not finite; use a smaller learning_rate or more roll-outs")
    steps = {"steps": settings.train_steps, "chosen_at": result.best_step}
    return network, steps | {"parameters": sum(p.numel() for p in network.parameters())}


def _schedule(settings: Settings) -> TrainingSettings:
    steps, seed = settings.train_steps, settings.seed
    rate, warm_up, every = settings.learning_rate, min(100, steps // 10), max(1, steps // 20)
    return TrainingSettings(steps, rate, warm_up, average_decay=0.99, evaluate_every=every, bfloat16=False, seed=seed)


def _drawn(lesson: Lesson, target: Target) -> Callable[[Module, Generator], Tensor]:
    """The loss of a batch of training states."""
    training, _ = lesson.split

    def loss_of(network: Module, generator: Generator) -> Tensor:
        index = training[torch.randint(len(training), (lesson.settings.batch,), generator=generator, device="cpu")]
        return lesson.loss(network, index, target(index, network))

    return loss_of


def _validated(lesson: Lesson) -> Callable[[Module], float]:
    """The loss of the states of chains that were not trained on."""
    _, validation = lesson.split

    def value_of(network: Module) -> float:
        parts = validation.split(256)  # type: ignore[no-untyped-call]
        losses = [float(lesson.loss(network, part, lesson.rollouts.label[part])) * len(part) for part in parts]
        return sum(losses) / len(validation)

    return value_of


def _latest() -> Callable[[Module], float]:
    """Prefers later weights: losses against targets that move cannot be compared."""
    evaluations = 0

    def value_of(network: Module) -> float:
        nonlocal evaluations
        evaluations += 1
        return -float(evaluations)

    return value_of


def _backups(lesson: Lesson, process: Process, reward: Reward) -> Target:
    """Soft Bellman targets from the children of states; the network that values them is a copy, renewed every sweep."""
    rollouts, settings, k = lesson.rollouts, lesson.settings, lesson.settings.children
    ends = _rewards_of_children(rollouts, process, reward, k)
    every = max(1, settings.train_steps // (settings.sweeps or min(process.steps, settings.train_steps)))
    after = process.times[rollouts.step + 1].float()
    frozen, calls = Module(), 0

    @torch.no_grad()
    def target(index: Int64[Tensor, " b"], network: Module) -> Float[Tensor, " b"]:
        nonlocal frozen, calls
        if calls % every == 0:
            frozen = copy.deepcopy(network).eval()
        calls += 1
        row = (index[:, None] * k + torch.arange(k, device="cpu")).flatten()
        ahead = frozen(readable(take(rollouts.children, row)), after[index].repeat_interleave(k))[:, 0].double()
        ahead = torch.where(ends[row].isnan(), ahead, ends[row])
        assert settings.soft is not None, "soft-q has a temperature"
        return soft_backup(ahead.view(-1, k), settings.soft)

    return target


@torch.no_grad()
def _rewards_of_children(rollouts: Rollouts, process: Process, reward: Reward, k: int) -> Float[Tensor, " rk"]:
    """The reward of children that are finished designs, NaN of the others."""
    step = rollouts.step.repeat_interleave(k)
    final = (step == process.steps - 1).nonzero().flatten()
    rewards = torch.full((len(step),), torch.nan, dtype=torch.float64, device="cpu")
    if len(final):
        x = take(rollouts.children, final)
        rewards[final] = evaluate(reward, Particles(process, process.steps, x), x)
    return rewards


def _told(first: int, last: int, tell: Tell) -> Iterator[tuple[int, Callable[[str], None]]]:
    for step in range(first, last + 1):
        yield step, lambda text: None
        tell("training", step, last)


def fit_regressor(
    model: Any, features: Features, process: Process, rollouts: Rollouts, settings: Settings
) -> Predictor:
    """Fits anything with `fit(X, y)` and `predict(X)`: to rewards, or to their weights exp((r - best)/a).

    Raises:
        ValueError: for soft-q, which moves its targets as it learns.
    """
    if settings.target == "soft-q":
        raise ValueError(
            "soft-q moves its targets while it trains, so it needs a network; regressors fit mean and soft"
        )
    t = process.times[rollouts.step]
    table = as_tensor(features(rollouts.x, t, rollouts.cond)).cpu().numpy()
    label = rollouts.label
    best, soft = float(rollouts.reward.max()), settings.soft
    if soft is not None:
        label = ((label - best) / soft).exp()
    model.fit(table, label.numpy())
    return of_regressor(model, features, best, soft)


def renoised(process: Process, rollouts: Rollouts, uniform: Float[Tensor, "r L"]) -> Tree:
    r"""States of masked sequence models by forward noise: each site of $x_0$ is masked with probability t."""
    x_0 = take(rollouts.finished, rollouts.chain)
    masked = uniform < process.times[rollouts.step][:, None]
    assert process.kind is not None and process.kind.mask is not None, "the model has masks"
    return x_0.masked_fill(masked, process.kind.mask)
