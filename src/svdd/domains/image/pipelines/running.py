"""Running: a pipeline's own call, suspended at each of its scheduler's steps.

The call goes on in a greenlet, a second stack in the same thread. When the pipeline steps its scheduler, the greenlet sleeps
and hands over what the network said; it wakes up with the latents it is given as the step's result, and sleeps again at the
next step, or returns the pipeline's output. The pipeline notices nothing of it: its hooks, offloading and progress bar work.
"""

import contextvars
import inspect
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from svdd.cost.ledger import Cost
from svdd.domains.image.pipelines.networks import Settings
from svdd.domains.image.pipelines.steered_scheduler import Question, steered_scheduler, with_attributes
from svdd.messages import module_of

_NETWORKS = ("unet", "transformer")
_LOCKS: weakref.WeakKeyDictionary[Any, threading.RLock] = weakref.WeakKeyDictionary()
_LOCKS_LOCK = threading.Lock()
_NOT_OF_A_CALL = "_interrupt"  # which others set while the pipeline sleeps


class PipelineFailed(Exception):
    """An exception of the pipeline on its way to the user; it holds the original."""

    def __init__(self, original: Exception) -> None:
        super().__init__(str(original))
        self.original = original


def greenlet_module() -> Any:
    """The module `greenlet`.

    Raises:
        ImportError: without it; it names the extra.
    """
    return module_of("images", "greenlet", "steering a pipeline needs greenlet")


def lock_of(pipe: Any) -> threading.RLock:
    """Of a pipeline: its call notes things in itself. A reward may steer the pipeline that it is asked by."""
    with _LOCKS_LOCK:
        return _LOCKS.setdefault(pipe, threading.RLock())


class Running:
    """One call of a pipeline, driven step by step.

    The pipeline has its steered scheduler only while it is awake, and leaving the `with` block ends it wherever it is.

    Args:
        pipe: a diffusers pipeline with a scheduler.
        arguments: of its call.
        silent: whether it shows no progress bar.

    Attributes:
        question: what the pipeline asks now; None before it starts and when it has returned.
        scheduler: a copy of the pipeline's own, whose grid is made by the time of the first question.
        cost: steps, seconds until their answers, and rows of the network, 0 where it is compiled in place.
    """

    def __init__(self, pipe: Any, arguments: dict[str, Any], silent: bool = False) -> None:
        self.pipe, self.arguments, self.silent, self.cost = pipe, arguments, silent, Cost()
        self._own: dict[str, Any] = {}
        self._settings = Settings(pipe)
        self._networks: list[dict[str, Any]] = []  # their settings, when it fell asleep
        self.question: Question | None = None
        self.scheduler = steered_scheduler(pipe.scheduler, self._ask)
        self._greenlet = greenlet_module().greenlet(self._call)
        self._greenlet.gr_context = contextvars.copy_context()
        self._grad = torch.is_grad_enabled()
        self._output: Any = None

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *error: object) -> None:
        if self._greenlet.gr_frame is not None:  # asleep: its own `finally` blocks run
            self._wake(self._greenlet.throw)

    def start(self) -> Question:
        """Runs the pipeline to its first step.

        Raises:
            ValueError: if it never steps its scheduler.
            PipelineFailed: if it raises.
        """
        self._go_on()
        if self.question is None:
            raise ValueError(
                f"{type(self.pipe).__name__} returned without a step of its scheduler, so there is nothing to steer"
            )
        return self.question

    def answer(self, latents: Tensor) -> Question | None:
        """Wakes the pipeline up with the latents of the next step: its next question, None if it has returned.

        Raises:
            PipelineFailed: if it raises.
        """
        self._go_on(latents)
        return self.question

    def finish(self, latents: Tensor) -> Any:
        """Wakes the pipeline up with its last latents: its output.

        Raises:
            ValueError: if it steps again.
            PipelineFailed: if it raises.
        """
        self._go_on(latents)
        if self.question is not None:
            raise ValueError(f"{type(self.pipe).__name__} took more steps than its scheduler has timesteps")
        return self._output

    def _call(self) -> None:
        self._output = self.pipe(**self.arguments)

    def _ask(self, question: Question) -> Tensor:
        self.question = question
        latents: Tensor = self._greenlet.parent.switch()
        return latents

    def _go_on(self, *latents: Tensor) -> None:
        started, self.question = time.perf_counter(), None
        try:
            self._wake(self._greenlet.switch, *latents)
        except Exception as error:
            raise PipelineFailed(error) from error
        if self.question is not None:
            self.cost.seconds += time.perf_counter() - started
            self.cost.calls += 1

    def _wake(self, switch: Any, *given: Any) -> None:
        """Switches over, each side with its own grad mode, which belongs to the thread and not to a stack.

        What the pipeline noted about its call is as it left it, also if someone called it meanwhile, and so are its networks,
        which are as they were while it sleeps and when it has ended.
        """
        mine, before = torch.is_grad_enabled(), self._settings.read()
        self._settings.write(self._networks or before)
        torch.set_grad_enabled(self._grad)
        vars(self.pipe).update(self._own)
        try:
            with with_attributes(self.pipe, scheduler=self.scheduler, **self._bar()), _counted(self.pipe, self.cost):
                switch(*given)
        finally:
            self._own, self._networks = _of_a_call(self.pipe), self._settings.read()
            self._settings.write(before)
            self._grad = torch.is_grad_enabled()
            torch.set_grad_enabled(mine)

    def _bar(self) -> dict[str, Any]:
        """The pipeline's settings of its progress bar, where it shall show none."""
        name = "_progress_bar_config"
        return {name: (vars(self.pipe).get(name) or {}) | {"disable": True}} if self.silent else {}


def _of_a_call(pipe: Any) -> dict[str, Any]:
    """What a pipeline notes about its call, such as `_guidance_scale`, which its property `guidance_scale` tells."""
    return {
        name: value
        for name, value in vars(pipe).items()
        if name.startswith("_") and name != _NOT_OF_A_CALL
        if isinstance(inspect.getattr_static(type(pipe), name[1:], None), property)
    }


@contextmanager
def _counted(pipe: Any, cost: Cost) -> Iterator[None]:
    """Counts the rows that go into a pipeline's network.

    A hook would make a network that is compiled in place compile again.
    """

    def count(module: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        cost.rows += len(args[0] if args else named.get("sample", named.get("hidden_states", ())))

    found = [getattr(pipe, name, None) for name in _NETWORKS]
    networks = [one for one in found if isinstance(one, torch.nn.Module) and one._compiled_call_impl is None]
    hooks = [network.register_forward_pre_hook(count, with_kwargs=True) for network in networks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
