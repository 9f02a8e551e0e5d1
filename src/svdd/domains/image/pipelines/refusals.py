"""Refusals: why a scheduler cannot be steered, and which one can take its place."""

from collections.abc import Mapping
from typing import Any

_HISTORY = (
    "PNDMScheduler IPNDMScheduler LMSDiscreteScheduler DPMSolverMultistepScheduler EDMDPMSolverMultistepScheduler "
    "CosineDPMSolverMultistepScheduler UniPCMultistepScheduler DEISMultistepScheduler SASolverScheduler "
    "DPMSolverSinglestepScheduler"
)
_SEVERAL = (
    "HeunDiscreteScheduler KDPM2DiscreteScheduler KDPM2AncestralDiscreteScheduler DPMSolverSDEScheduler "
    "FlowMatchHeunDiscreteScheduler"
)
_STILL = "EulerDiscreteScheduler EDMEulerScheduler DDIMInverseScheduler"
REASONS = {
    **dict.fromkeys(_HISTORY.split(), "steps from a history of earlier network calls"),
    **dict.fromkeys(_SEVERAL.split(), "calls the network several times a step"),
    **dict.fromkeys(_STILL.split(), "adds no noise, so all candidates of a step would be equal"),
}
"""Why not, by the name of a scheduler."""
_INSTEAD = {
    "EulerDiscreteScheduler": "EulerAncestralDiscreteScheduler",
    "TCDScheduler": "LCMScheduler",
    "FlowMatchLCMScheduler": "FlowMatchEulerDiscreteScheduler",
}


def refusal(name: str, config: Mapping[str, Any]) -> str:
    """One sentence: why the scheduler cannot be steered, and what to use instead."""
    flows = config.get("use_flow_sigmas") or config.get("prediction_type") == "flow_prediction"
    in_place = _INSTEAD.get(name, "DDIMScheduler")
    instead = "FlowMatchEulerDiscreteScheduler" if flows or name.startswith("FlowM") else in_place
    return (
        f"{name} {REASONS.get(name, 'is not known here as a Gaussian step of one network call')}; "
        f"use pipe.scheduler = {instead}.from_config(pipe.scheduler.config)"
    )
