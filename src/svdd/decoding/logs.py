"""Logs: the steps of a run told to an experiment tracker, while whoever drives the run goes on driving it.

for step in logged(Decoding(...), tensorboard("logs/a")):
...
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from svdd.decoding.decoding import Decoding
from svdd.messages import module_of
from svdd.method.loop import Step

Log = Callable[[Mapping[str, float], int], None]


def numbers(step: Step, decoding: Decoding) -> dict[str, float]:
    """What a step is worth and what the run has cost so far: values of the survivors, rows, rewards, seconds."""
    usage = decoding.usage
    paid = {
        "cost/network rows": float(usage.network.rows),
        "cost/reward rows": float(usage.reward.rows),
        "cost/seconds": usage.seconds,
    }
    value = step.value[~step.value.isneginf()]
    if step.candidates is None or not len(value):
        return paid
    chosen = {
        "value/best": float(value.max()),
        "value/median": float(value.median()),
        "value/valid": len(value) / step.value.numel(),
    }
    distinct = {"candidates/distinct": float(step.candidates.distinct.double().mean())}
    return chosen | distinct | paid


def logged(decoding: Decoding, *logs: Log) -> Iterator[Step]:
    """The steps of a run, each told to every log first.

    Args:
        decoding: a run; its `result()` is there at the end as always.
        *logs: functions of named numbers and the step's number, such as `tensorboard` and `weights_and_biases` make.
    """
    for number, step in enumerate(decoding, 1):
        told = numbers(step, decoding)
        for log in logs:
            log(told, number)
        yield step


def tensorboard(folder: str) -> Log:
    """A log that writes TensorBoard files.

    Args:
        folder: for the files; `tensorboard --logdir` shows it.

    Raises:
        ImportError: without tensorboard.
    """
    writer = module_of("logs", "torch.utils.tensorboard", "TensorBoard logs need tensorboard").SummaryWriter(folder)

    def log(told: Mapping[str, float], number: int) -> None:
        for name, value in told.items():
            writer.add_scalar(name, value, number)
        writer.flush()

    return log


def weights_and_biases(**settings: Any) -> Log:
    """A log that writes to Weights & Biases; `mode="offline"` keeps it on this machine.

    Args:
        **settings: of `wandb.init`, such as `project`, `name`, `dir` and `mode`.

    Raises:
        ImportError: without wandb.
    """
    run = module_of("logs", "wandb", "logs to Weights & Biases need wandb").init(**settings)
    return lambda told, number: run.log(dict(told), step=number)
