"""The poses of a run's best designs, where its reward can pose molecules."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from svdd.decoding.result import Result
from svdd.messages import described
from svdd.metrics.measures import makes_molecules
from svdd.runs.watching import RunWarning

if TYPE_CHECKING:
    from svdd.domains.molecule.poses import Poses


def posed(result: Result, reward: Any, tell: Callable[[str], None]) -> "Poses | None":
    """How the best designs sit in their receptor, None where the reward does not know; what fails is a warning."""
    if not makes_molecules(result.about):
        return None
    from svdd.domains.molecule.poses import POSED, poser_of, poses_of

    if poser_of(reward) is not None:  # it may take minutes, when all bars are full
        tell(f"asking for the poses of the {min(POSED, len(set(result.samples)))} best designs")
    try:
        return poses_of(result, reward)
    except Exception as error:  # a finished run is not lost to a picture of it
        warnings.warn(f"no poses of the designs, {described(error)}", RunWarning, stacklevel=2)
        return None
