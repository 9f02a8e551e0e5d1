"""What every fuzz test asserts of an input: a result that was asked for, or one sentence that is ours, in bounded time.

`SVDD_FUZZ=20 pytest tests/fuzz` tries twenty times as many inputs, other ones each time; without it the inputs are always the
same, so that CI is stable.
"""

import os
import signal
import traceback
import warnings
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import svdd
from svdd.scoring.reward import RewardError

HERE = Path(svdd.__file__).parent
TIMES = int(os.environ.get("SVDD_FUZZ", "1"))
SECONDS = 60
_KINDS = (ValueError, RewardError, OSError, ImportError)


class RawError(AssertionError):
    """An error that no user should meet: of another kind than those that are documented, or not in our words."""


class Hang(AssertionError):
    """An input took longer than any may."""


def fuzz(examples):
    """The settings of a test that tries so many inputs, or a multiple of them."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def is_a_sentence(error):
    """Whether an error is a ValueError, RewardError, OSError or ImportError that this package raised and words explain.

    An OSError may come from the system, which names the file. Any other must come from a line of this package: what a
    library said of a number or of a character is no sentence about what a user gave.
    """
    if not isinstance(error, _KINDS):
        return False
    if isinstance(error, OSError) and error.strerror:
        return error.filename is not None
    ours = Path(traceback.extract_tb(error.__traceback__)[-1].filename).is_relative_to(HERE)
    return ours and len(str(error).split()) > 2 and len(str(error)) < 2000


@contextmanager
def sentences(seconds=SECONDS):
    """Swallows an error that is a sentence; any other, or one that takes too long, fails the test. Warnings are no errors."""
    with limited(seconds), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            yield
        except Exception as error:
            if isinstance(error, AssertionError) or not is_a_sentence(error):
                raise error if isinstance(error, AssertionError) else RawError(repr(error)) from error


@contextmanager
def limited(seconds):
    """Stops what takes longer."""

    def stop(*_):
        raise Hang(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


AWKWARD = st.sampled_from(
    ["", " ", "\t", "\n", "\r", "\x00", "\ufeff", "\u200b", "\u2028", "é", "ѕ", "-", ":", "=", ",", "'", '"', "#", "*", "&",
     "!", "%", "@", "[", "]", "{", "}", "~", "no", "null", "nan", "inf", "-1", "0", "1e400", "012", "1:30", "1e5", "<<",
     "!!bool x", "!!int x", "9" * 400, "[" * 60, "../..", "/", "$HOME", "\\", "\ud7ff", "x" * 300]
)  # fmt: skip
"""Pieces of text that readers trip over."""


@st.composite
def damaged(draw, whole):
    """A text, or bytes, of which up to three parts are cut out, doubled, moved or replaced by something awkward."""
    text = draw(whole)
    is_bytes = isinstance(text, bytes)
    piece = st.binary(max_size=8) if is_bytes else AWKWARD | st.text(max_size=4)
    for _ in range(draw(st.integers(0, 3))):
        first = draw(st.integers(0, len(text)))
        last = draw(st.integers(first, min(len(text), first + draw(st.sampled_from([0, 1, 8, 10_000])))))
        part = draw(st.sampled_from(["cut", "double", "replace", "truncate"]))
        middle = {"cut": text[:0], "double": text[first:last] * 2, "replace": None, "truncate": text[:0]}[part]
        middle = draw(piece) if middle is None else middle
        text = text[:first] + middle + (text[:0] if part == "truncate" else text[last:])
    return text


NUMBERS = (
    st.integers(-(2**70), 2**70) | st.integers(-3, 12) | st.floats() | st.sampled_from([0, 1, -1, 0.5, 1e-3, 1e300])
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | AWKWARD | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(AWKWARD | st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
"""Anything that YAML and JSON can hold."""
