"""The poses of a run's best designs, where its reward can pose molecules."""

from typing import TYPE_CHECKING, Any

from svdd.cli.sentences import say
from svdd.metrics.measures import makes_molecules
from svdd.decoding.result import Result

if TYPE_CHECKING:
    from svdd.domains.molecule.poses import Poses


def posed(result: Result, reward: Any, quiet: bool) -> "Poses | None":
    """How the best designs sit in their receptor, None where the reward does not know; what fails is a note on stderr."""
    if not makes_molecules(result.about):
        return None
    from svdd.domains.molecule.poses import POSED, poser_of, poses_of

    if poser_of(reward) is not None and not quiet:  # it may take minutes, when all bars are full
        say(f"asking for the poses of the {min(POSED, len(set(result.samples)))} best designs")
    try:
        return poses_of(result, reward)
    except Exception as error:  # a finished run is not lost to a picture of it
        say(f"note: no poses of the designs, {type(error).__name__}: {error}")
        return None
