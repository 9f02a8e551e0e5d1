"""A fitted value: the model and the reward that it is of, and the settings of the fit that are given."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic.types import NonNegativeInt, PositiveInt

from svdd.messages import check_known
from svdd.runs.guided import Guided, flat
from svdd.runs.job import Job, read_settings
from svdd.runs.settings import Setting


class ValueJob(Guided):
    """A fit; what is None is left to `svdd.fit_value`, whose settings these are."""

    called: ClassVar[str] = "a fitted value"

    target: Annotated[str | None, Setting("mean (the default), soft or soft-q.", "Value", daily=True)] = None
    temperature: Annotated[
        float | None,
        Setting("Selection temperature of the runs, in units of the reward (soft, soft-q).", "Value", daily=True),
    ] = None
    network: Annotated[
        str | None,
        Setting("convolutional (default up to 64 letters), pooled (beyond), transformer, graph or image.", "Value"),
    ] = None
    network_options: Annotated[
        dict[str, Any],
        Setting("Sizes of the network, NAME=VALUE; repeat for more.", "Value", flag="network_option"),
    ] = Field(default_factory=dict)
    rollouts: Annotated[
        int | None, Setting("Unguided chains to learn from; 2000 unless given.", "Value", daily=True)
    ] = None
    states: Annotated[int | None, Setting("States kept of each; 8 unless given.", "Value")] = None
    children: Annotated[int | None, Setting("Children of a state (soft-q); 8 unless given.", "Value")] = None
    train_steps: Annotated[int | None, Setting("Optimiser steps; 1000 unless given.", "Value")] = None
    learning_rate: Annotated[float | None, Setting("Its peak; 0.002 unless given.", "Value")] = None
    forward_noise: Annotated[
        bool | None, Setting("Learn from the chains' designs masked again, not from their states.", "Value")
    ] = None
    invalid: Annotated[
        float | None, Setting("The reward that an invalid design counts as; target mean needs it to meet one.", "Value")
    ] = None

    held_out: Annotated[int | None, Setting("Roll-outs to measure on; 256 unless given, 0 for none.", "Card")] = None
    candidates: Annotated[int | None, Setting("M of the break-even; 10 unless given.", "Card")] = None

    seed: Annotated[NonNegativeInt | None, Setting("Seed; 0 unless given.", daily=True)] = None
    chunks: Annotated[
        dict[str, PositiveInt],
        Setting("Rows at a time, network=64, decode=... or reward=...; repeat.", flag="chunk"),
    ] = Field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """What is given of the settings of `svdd.fit_value`, under its names."""
        fitting = {*ValueJob.model_fields} - {*Guided.model_fields} | {"cache"}
        said = {name: getattr(self, name) for name in ValueJob.model_fields if name in fitting}
        return {name: value for name, value in said.items() if value is not None and value != {}}


def of_job(path: Path) -> dict[str, Any]:
    """The model and the reward of a job file, without what else the job says.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is no job file, or has an unknown setting.
    """
    given = flat(read_settings(path))
    for name in given:
        check_known("setting", name, Job.model_fields)
    return {
        name: value for name, value in given.items() if name in Guided.model_fields and name not in ("out", "cache")
    }
