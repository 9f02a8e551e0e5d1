"""How the command line follows a run: sentences and progress on stderr, and Ctrl-C stops it after the step."""

import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType

from svdd.cli.sentences import say
from svdd.decoding.decoding import Decoding
from svdd.report.progress import Tell, bars, lines, silent, steps_told
from svdd.runs.watching import OnStep, Watch


def progress(quiet: bool, keep: bool = False) -> AbstractContextManager[Tell]:
    """What is told of work: it shows a bar on a terminal and a line now and then elsewhere, nothing if `quiet`.

    Args:
        quiet: no progress.
        keep: whether a bar stays where it is once its work is done.
    """
    if quiet:
        return nullcontext(silent)
    return bars(keep) if sys.stderr.isatty() else nullcontext(lines(say))


class Terminal(Watch):
    """Shows a run on stderr.

    Args:
        quiet: no progress.
    """

    def __init__(self, quiet: bool) -> None:
        self.quiet, self._stop = quiet, False

    def tell(self, sentence: str) -> None:
        """Says it, unless quiet."""
        if not self.quiet:
            say(sentence)

    def plan(self, sentence: str) -> None:
        """Says it: a user did not give these sizes."""
        say(sentence)

    @contextmanager
    def steps(self, decoding: Decoding) -> Iterator[OnStep]:
        """Progress, and Ctrl-C is kept until the step is over, since only there a run can be saved."""
        before = signal.signal(signal.SIGINT, self._interrupted)
        try:
            with progress(self.quiet) as tell:
                yield steps_told(decoding, tell)
        finally:
            signal.signal(signal.SIGINT, before)

    def stops(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._stop

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._stop:  # a second one stops at once
            raise KeyboardInterrupt
        self._stop = True
        say("stopping after this step (Ctrl-C again stops at once)")
