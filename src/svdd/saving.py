"""Saving: a step of a run as plain tensors and numbers, and back."""

from typing import Any

from svdd.loop import Step
from svdd.process import Particles, Process
from svdd.rng import Rng


def step_state(step: Step) -> dict[str, Any]:
    """A step as plain tensors and numbers."""
    particles = step.particles
    assert particles.rng is not None, "particles of a run carry their streams"
    return {
        "number": particles.step,
        "x": particles.x,
        "cond": particles.cond,
        "memory": particles.memory,
        "rng": particles.rng.state(),
        "value": step.value,
        "log_w": step.log_w,
        "ancestor": step.ancestor,
    }


def step_from(state: dict[str, Any], process: Process) -> Step:
    """The inverse of `step_state`."""
    rng = Rng.from_state(state["rng"])
    particles = Particles(process, state["number"], state["x"], state["cond"], state["memory"], rng)
    return Step(particles, state["value"], state["log_w"], state["ancestor"])
