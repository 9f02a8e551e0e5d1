"""Fitting: roll out, learn, measure."""

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from svdd.chain.defaults import as_tensor
from svdd.chain.process import Process
from svdd.chain.rng import NOISE, TRAINING, Rng
from svdd.chain.tree import leaves, take
from svdd.cost.ledger import Usage
from svdd.decoding.metering import accounted
from svdd.fitting.break_even import break_even
from svdd.fitting.card import FORMAT, plain
from svdd.fitting.fingerprint import Fingerprint, deciding_facts, take_fingerprint
from svdd.fitting.losses import effective
from svdd.fitting.predictors import of_network, symbols_of
from svdd.fitting.quality import measured
from svdd.fitting.readers import is_savable, reader, suited
from svdd.fitting.regression import fit_network, fit_regressor, renoised
from svdd.fitting.rollouts import Rollouts, Tell, roll_out
from svdd.fitting.settings import AUTOMATIC, TARGETS, Settings, make_settings
from svdd.fitting.value import FittedValue
from svdd.method.features import table
from svdd.method.learned_values import Learned
from svdd.networks.training import isolated_randomness
from svdd.registry import find_process, find_reward, resolve
from svdd.scoring.reward import Reward, name_of
from svdd.scoring.run_scoring import RunScoring
from svdd.scoring.signatures import adapted

PROGRESS = "svdd.report.progress:shown"
_CARRIERS = 30  # fewer roll-outs than this carry no expectation


_PROBES = 8


_FORWARD = "each made again by forward noise from the end of its chain, not met by the chain"


class LowTemperatureWarning(UserWarning):
    """Few roll-outs carry the soft value of so low a temperature."""


def fit_value(
    process: Process | str,
    reward: Reward | str,
    *,
    model_options: Mapping[str, Any] | None = None,
    reward_options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> FittedValue:
    r"""Fits a value to the rewards of the process's own unguided roll-outs (SVDD-MC and its soft variants).

    `mean` regresses $r(x_0)$ on $(x_t, t)$ and learns $E[r | x_t]$. `soft` minimises
    $E[e^z - z - 1]$, $z = (r - f)/a$, which is stationary at $f = a \log E[e^{r/a} | x_t]$. `soft-q` does the same with
    $a \log \frac1K \sum_k e^{f(x_s^k)/a}$ over K children in place of r, and with r itself at the last step.

    Args:
        process: a pretrained model: a name, as `svdd.load` takes it, or a `svdd.Process`.
        reward: a name, or designs to one number each, higher is better; -inf is invalid, which `mean` takes only with
            `invalid`.
        model_options: of a model given by name.
        reward_options: of a reward given by name.
        **settings: `target` (mean, soft or soft-q; mean), `temperature` (a, above 0, of soft and soft-q), `network`
            (convolutional, pooled, transformer, graph, image, a torch module of (x, t), or a regressor with fit and predict;
            by default graph for graphs, image for images and latents, convolutional for up to 64 letters, pooled for more),
            `network_options` (sizes), `features` (of a regressor, `(x_t, t, cond)` to (n, d); `svdd.method.features.table`),
            `rollouts` (2000), `states` kept of each at random steps (8), `train_steps` (1000), `batch` (128),
            `learning_rate` (2e-3), `children` K of soft-q (8), its `sweeps` (T), `cond` (rows of conditioning), `seed` (0),
            `forward_noise` (states by noising the roll-outs' designs again, masked models only; False), `held_out`
            roll-outs to measure on (256), `nested` (states, continuations each; (64, 32)), `candidates` M of the break-even
            (10); 0 measures nothing; `invalid` (the reward that an invalid design counts as), `cache` (a file of scores, so
            that a fit that is made again pays for none twice; the break-even is not measured then), `chunks` as of `decode`,
            `progress` (a bar in a terminal and in a notebook; False shows none, a function is called with words, done, total).

    Returns:
        A value for `decode(value=...)`, with its `card` and `save(folder)`.

    Raises:
        ValueError: for an unknown or impossible setting, and for rewards that nothing can be learned from.

    Cost:
        `rollouts` T network rows and `rollouts` reward rows; as much again a roll-out or continuation to measure.

    References:
        Li et al., arXiv 2408.08252 (Monte Carlo and soft-Q values); Varian, A Bayesian approach to real estate
        assessment, 1975 (LINEX).
    """
    given, usage = make_settings(settings), Usage()
    model, guide = find_process(process, model_options), find_reward(reward, reward_options)
    process, reward, started = model(), guide(), time.perf_counter()
    reward = adapted(process, reward)
    with resolve(PROGRESS)(given.progress, keep=True) as tell:
        return _fit(process, reward, given, usage, started, tell)


def _fit(process: Process, reward: Reward, given: Settings, usage: Usage, started: float, tell: Tell) -> FittedValue:
    with asked(process, reward, usage, given) as (rolled, scored):
        with torch.no_grad():
            rollouts = _collected(rolled, scored, given, tell)
        invalid = int(rollouts.reward.isneginf().sum())
        rollouts = replace(rollouts, reward=counted(rollouts.reward, given))
        if given.network == AUTOMATIC:
            given = replace(given, network=suited(rollouts.x))
        unit = _unit(rollouts.reward, given)
        between = time.perf_counter()
        network, learned, training = _fitted(rolled, counting(scored, given), rollouts, given, unit, tell)
        probes = _probes(process, scored, rollouts) if is_savable(network) else None
    ended = time.perf_counter()
    seconds = {"seconds_rollouts": between - started, "seconds_training": ended - between}
    card = _described(process, reward, rollouts, given, training, invalid) | {"cost": _bill(usage, seconds)}
    card |= _measured(process, reward, learned, given, usage, ended - started, tell)
    return FittedValue(learned.predictor, reward, given.soft, network, plain(card), usage, probes)


def _collected(process: Process, reward: Reward, settings: Settings, tell: Tell) -> Rollouts:
    children = settings.children if settings.target == "soft-q" else 0
    rollouts = roll_out(
        process, reward, settings.rollouts, states=settings.states, seed=settings.seed, stream=TRAINING,
        cond=settings.cond, children=children, tell=tell,
    )  # fmt: skip
    if not settings.forward_noise:
        return rollouts
    if process.kind is None or process.kind.mask is None:
        raise ValueError(
            "forward_noise is for masked sequence models; leave it out to learn from the model's own states"
        )
    rng = Rng(settings.seed, range(NOISE, NOISE + len(rollouts)))
    return Rollouts(**vars(rollouts) | {"x": renoised(process, rollouts, rng.uniform(rollouts.x.shape))})


def _unit(rewards: Tensor, settings: Settings) -> float:
    """The spread of the rewards, once they are known to be worth learning.

    Raises:
        ValueError: for rewards that are all equal or all invalid, or that have no mean.
    """
    valid = rewards[~rewards.isneginf()]
    invalid, n = len(rewards) - len(valid), len(rewards)
    if not len(valid):
        raise ValueError(f"all {n} roll-outs are invalid (reward -inf), so there is nothing to learn")
    if invalid and settings.soft is None:
        raise ValueError(
            f"{invalid} of {n} roll-outs are invalid (reward -inf), so the mean reward is -inf; say what an invalid design "
            "counts as, such as invalid=0, or use target soft or soft-q, where it weighs nothing"
        )
    spread = float(valid.std()) if len(valid) > 1 else 0.0
    if not invalid and spread <= 1e-9 * float(valid.abs().max()):
        raise ValueError(f"the reward is {float(valid[0]):.6g} for all {n} roll-outs, so there is nothing to learn")
    if settings.soft is not None and effective(rewards, settings.soft) < min(_CARRIERS, n / 4):
        warnings.warn(
            f"at temperature {settings.soft:g} only {effective(rewards, settings.soft):.0f} of {n} roll-outs carry the soft "
            "value, which will be learned badly; raise the temperature or the roll-outs, or use target mean",
            LowTemperatureWarning,
            stacklevel=3,
        )
    return spread or float(settings.soft or 1.0)


def _fitted(
    process: Process, reward: Reward, rollouts: Rollouts, settings: Settings, unit: float, tell: Tell
) -> tuple[nn.Module | None, Learned, dict[str, Any]]:
    """The network, if it is one, the value, and what is to be told about the training."""
    network, symbols = settings.network, symbols_of(process, rollouts.x, rollouts.finished)
    if not isinstance(network, str | nn.Module):
        if not (hasattr(network, "fit") and hasattr(network, "predict")):
            raise ValueError(
                f"network must be a name, a torch module or a regressor with fit and predict, got {network!r:.80}"
            )
        predictor = fit_regressor(network, settings.features or table(symbols), process, rollouts, settings)
        return None, Learned(predictor, reward, settings.soft), {}
    if leaves(settings.cond) and isinstance(network, str):
        raise ValueError(
            "the bundled networks do not see conditioning; give a regressor with features of (x_t, t, cond)"
        )
    if isinstance(network, str):
        with isolated_randomness(settings.seed):
            network = reader(network).build(settings.network_options, rollouts.x, symbols)
    network, training = fit_network(network, process, reward, rollouts, settings, unit, tell)
    return network, Learned(of_network(network), reward, settings.soft), training


def _described(
    process: Process, reward: Reward, rollouts: Rollouts, settings: Settings, training: dict[str, Any], invalid: int
) -> dict[str, Any]:
    """The parts of the card that need no further roll-outs."""
    valid = rollouts.reward[~rollouts.reward.isneginf()]
    network = settings.network if isinstance(settings.network, str) else type(settings.network).__name__
    return {
        "format": FORMAT,
        "target": settings.target,
        "temperature": settings.soft,
        "estimates": TARGETS[settings.target],
        "process": deciding_facts(process)
        | {"steps": process.steps, "from_t": float(process.times[0]), "to_t": float(process.times[-1])},
        "reward": name_of(reward),
        "network": network,
        "network_options": dict(settings.network_options),
        "training": training,
        "data": {
            "source": _FORWARD if settings.forward_noise else "each as the chain met it",
            "forward_noise": settings.forward_noise,
            "rollouts": len(rollouts.reward),
            "states": len(rollouts),
            "seed": settings.seed,
            "invalid": invalid,
            "invalid_counts_as": settings.invalid,
            "rewards": {"mean": float(valid.mean()), "std": float(valid.std()), "best": float(valid.max())},
            "effective": None if settings.soft is None else effective(rollouts.reward, settings.soft),
        },
    }


def _bill(usage: Usage, seconds: dict[str, float]) -> dict[str, Any]:
    network, reward = usage.network, usage.reward
    rows_ = {"network_rows_asked": network.asked, "network_rows": network.rows, "reward_rows": reward.rows}
    return rows_ | seconds


def _measured(
    process: Process, reward: Reward, value: Learned, settings: Settings, usage: Usage, seconds: float, tell: Tell
) -> dict[str, Any]:
    """Quality and break-even; their own rows are not those of the fit."""
    quality: dict[str, Any] = {}
    if settings.held_out:
        with asked(process, reward, Usage(), settings) as (alone, scored), torch.no_grad():
            quality = measured(alone, counting(scored, settings), value, settings, tell)
    pays = None
    if settings.candidates > 1 and settings.cache is None:  # what comes from a file has no price
        pays = break_even(process, reward, value, settings, usage, seconds)
    return {"quality": quality, "break_even": pays}


def _probes(process: Process, reward: Reward, rollouts: Rollouts) -> Fingerprint:
    """A fingerprint at some of the kept states, spread over time, and at the first designs that differ."""
    order = rollouts.step.argsort(stable=True)
    index = order[torch.linspace(0, len(order) - 1, _PROBES, device="cpu", dtype=torch.float32).long()]
    finished = take(rollouts.finished, torch.arange(min(_PROBES, len(rollouts.reward)), device="cpu"))
    return take_fingerprint(process, reward, take(rollouts.x, index), rollouts.step[index], finished)


@contextmanager
def asked(process: Process, reward: Reward, usage: Usage, settings: Settings) -> Iterator[tuple[Process, Reward]]:
    """The same process and reward: counted, in chunks, asked once for what is equal, now or in an earlier fit or run.

    Args:
        process: any process.
        reward: any reward.
        usage: where to count.
        settings: of the fit; its `chunks` and `cache`.
    """
    chunk = settings.chunks.get("reward")
    with closing(RunScoring(reward, {}, usage, cache=settings.cache, chunk=chunk)) as scoring:
        yield accounted(process, usage, settings.chunks), scoring.reward


def counted(rewards: Float[Tensor, " n"], settings: Settings) -> Float[Tensor, " n"]:
    """Rewards in which an invalid design, -inf, counts as the number that the settings give for it."""
    return rewards if settings.invalid is None else rewards.masked_fill(rewards.isneginf(), float(settings.invalid))


def counting(reward: Reward, settings: Settings) -> Reward:
    """An asked reward of which `counted` is all that is seen."""
    return lambda designs: counted(as_tensor(reward(designs)), settings)
