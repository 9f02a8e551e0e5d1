"""Refusals: why a scheduler cannot be steered, and which one can take its place."""

from collections.abc import Mapping
from typing import Any

_HISTORY = "steps from a history of earlier network calls"
_SEVERAL = "calls the network several times a step"
_STILL = "adds no noise, so all candidates of a step would be equal"
REASONS = {
    "PNDMScheduler": _HISTORY,
    "IPNDMScheduler": _HISTORY,
    "LMSDiscreteScheduler": _HISTORY,
    "DPMSolverMultistepScheduler": _HISTORY,
    "EDMDPMSolverMultistepScheduler": _HISTORY,
    "CosineDPMSolverMultistepScheduler": _HISTORY,
    "UniPCMultistepScheduler": _HISTORY,
    "DEISMultistepScheduler": _HISTORY,
    "SASolverScheduler": _HISTORY,
    "DPMSolverSinglestepScheduler": _HISTORY,
    "HeunDiscreteScheduler": _SEVERAL,
    "KDPM2DiscreteScheduler": _SEVERAL,
    "KDPM2AncestralDiscreteScheduler": _SEVERAL,
    "DPMSolverSDEScheduler": _SEVERAL,
    "FlowMatchHeunDiscreteScheduler": _SEVERAL,
    "EulerDiscreteScheduler": _STILL,
    "EDMEulerScheduler": _STILL,
    "DDIMInverseScheduler": _STILL,
}
"""Why not, by the name of a scheduler."""
_INSTEAD = {
    "EulerDiscreteScheduler": "EulerAncestralDiscreteScheduler",
    "TCDScheduler": "LCMScheduler",
    "FlowMatchLCMScheduler": "FlowMatchEulerDiscreteScheduler",
}


def _flows(name: str, config: Mapping[str, Any]) -> bool:
    return (
        name.startswith("FlowM")
        or bool(config.get("use_flow_sigmas"))
        or config.get("prediction_type") == "flow_prediction"
    )


def refusal(name: str, config: Mapping[str, Any]) -> str:
    """One sentence: why the scheduler cannot be steered, and what to use instead."""
    instead = "FlowMatchEulerDiscreteScheduler" if _flows(name, config) else _INSTEAD.get(name, "DDIMScheduler")
    return (
        f"{name} {REASONS.get(name, 'is not known here as a Gaussian step of one network call')}; "
        f"use pipe.scheduler = {instead}.from_config(pipe.scheduler.config)"
    )
