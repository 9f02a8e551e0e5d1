"""Who follows a run while it goes on, and may stop it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from svdd.decoding.decoding import Decoding
    from svdd.method.loop import Step

OnStep = Callable[[int, "Step"], None]
"""Called after every step with the number of steps done."""


class RunWarning(UserWarning):
    """A part of a run's folder could not be written, or the run ended early; the designs are safe."""


class RunStopped(Exception):
    """A run stopped between two steps because its watch said so; the message says how to go on."""


class Watch:
    """Follows a run; this one shows nothing and never stops it. Others replace some of the methods."""

    def tell(self, sentence: str) -> None:
        """Is given what is about to be done."""

    def plan(self, sentence: str) -> None:
        """Is given the sizes that a budget leads to."""

    @contextmanager
    def steps(self, decoding: "Decoding") -> Iterator[OnStep]:
        """Opens with the first step of a run, closes after its last one; gives what is called after each."""
        yield lambda done, step: None

    def stops(self) -> bool:
        """Whether the run is to stop now that a step is over."""
        return False


NOBODY = Watch()
