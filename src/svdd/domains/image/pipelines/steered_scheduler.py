"""Steered schedulers: a pipeline's own scheduler, whose `step` asks someone else.

Pipelines look at their scheduler's class and at the signatures of `step` and `set_timesteps` to decide what to pass. So the
scheduler that takes its place for one call is a copy of it, of a class made at run time from its own: everything is inherited
but `step`.
"""

import copy
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, NamedTuple

from torch import Tensor

from svdd.domains.image.pipelines.kernels import owner_of_step


class Question(NamedTuple):
    """What a pipeline asks its scheduler at every step.

    Args:
        output: the network's answer, guidance applied.
        timestep: of the scheduler.
        latents: x_t.
        options: the other arguments of `step`.
    """

    output: Tensor
    timestep: Any
    latents: Tensor
    options: dict[str, Any]


Answer = Callable[[Question], Tensor]


def steered_scheduler(scheduler: Any, answer: Answer) -> Any:
    """A copy of a scheduler whose `step` returns what `answer` says.

    Args:
        scheduler: of a pipeline; it is not changed.
        answer: a question to the latents of the next step, as many rows as there shall be.
    """
    cls = type(scheduler)
    signature = inspect.signature(cls.step)
    owner = owner_of_step(scheduler)
    output: Any = getattr(sys.modules[owner.__module__], f"{owner.__name__}Output")

    @functools.wraps(cls.step)
    def steered(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = dict(list(bound.arguments.items())[1:])
        question = Question(given.pop("model_output"), given.pop("timestep"), given.pop("sample"), given)
        latents = answer(question)
        _count_step(self, question.timestep)
        # a pipeline that reads the look-ahead reads it after the last step, where it is the sample
        made = output(**{field.name: latents for field in fields(output)})
        return made if given["return_dict"] else made.to_tuple()

    names = {"step": steered, "__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    copied = copy.deepcopy(scheduler)
    copied.__class__ = type(cls.__name__, (cls,), names)
    return copied


def _count_step(scheduler: Any, timestep: Any) -> None:
    """Schedulers of noise levels count their steps, and scale the network's input by the count."""
    if not hasattr(scheduler, "_step_index"):
        return
    if scheduler._step_index is None:
        scheduler._init_step_index(timestep)
    scheduler._step_index += 1


@contextmanager
def with_attributes(pipe: Any, **changed: Any) -> Iterator[None]:
    """A pipeline with other attributes, such as its scheduler, and with its own again afterwards.

    The pipeline's own setter would write a scheduler's class into the pipeline's configuration; this does not.
    """
    own = {name: vars(pipe)[name] for name in changed if name in vars(pipe)}
    vars(pipe).update(changed)
    try:
        yield
    finally:
        for name in changed.keys() - own.keys():
            del vars(pipe)[name]
        vars(pipe).update(own)
