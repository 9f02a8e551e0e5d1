"""What a plan is of: a model, a reward and a budget, in the settings of the run that it recommends."""

from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic.types import PositiveInt

from svdd.runs.job import Started
from svdd.runs.settings import Setting


class PlanJob(Started):
    """A run whose method is not chosen yet."""

    called: ClassVar[str] = "a plan"

    budget: Annotated[
        dict[str, Any],
        Setting("rewards=2000, rows=... (of the network) or seconds=...; repeat. An hour unless given.", daily=True),
    ] = Field(default_factory=dict)
    samples: Annotated[PositiveInt, Setting("Designs; 64 unless given.", daily=True)] = 64
    batch: Annotated[PositiveInt | None, Setting("Chains at once; all unless given.")] = None
    chunks: Annotated[
        dict[str, PositiveInt],
        Setting("Rows at a time, network=64, decode=... or reward=...; repeat.", flag="chunk"),
    ] = Field(default_factory=dict)
