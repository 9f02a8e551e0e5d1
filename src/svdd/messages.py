"""Sentences about unknown names and missing packages, and numbers as people read them."""

import difflib
import importlib
import unicodedata
from collections.abc import Iterable
from typing import Any

_SHOWN, _MOST = 200, 50
"""Letters of a name, and known names, that messages repeat."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """`unknown KIND 'NAME'`, the nearest known names, or all of them if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name[:_SHOWN], names, n=3, cutoff=0.5)
    remedy = f"did you mean {' or '.join(near)}?" if near else f"known are {_listed(names)}"
    return f"unknown {kind} {name[:_SHOWN]!r}; {remedy}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return (", ".join(names[:_MOST]) or "none") + more


def check(condition: Any, sentence: str) -> None:
    """Raises a ValueError with a sentence, unless a condition holds.

    Raises:
        ValueError: if it does not.
    """
    if not condition:
        raise ValueError(sentence)


def check_known(kind: str, name: Any, known: Iterable[str]) -> None:
    """Looks whether a name is known.

    Raises:
        ValueError: if it is not; it lists the nearest.
    """
    if name not in known:
        raise ValueError(unknown(kind, name, known))


def odd_letter(text: str) -> str | None:
    """The first letter that is not printable ASCII, None if there is none."""
    return next((letter for letter in text if not (letter.isascii() and letter.isprintable())), None)


def letter_name(letter: str) -> str:
    """A letter, and what it is called: many look like others, or like nothing."""
    return f"{letter!r} (U+{ord(letter):04X} {unicodedata.name(letter, 'without a name')})"


class OtherVersionError(ValueError):
    """A file holds what another version of this package wrote, in a way that this version does not know."""


def check_number(name: str, given: Any, known: int, path: Any, remedy: str) -> None:
    """Looks whether this version knows how a file was written.

    Args:
        name: what is numbered: `schema`, what a file holds, or `streams`, how random numbers are drawn.
        given: the number in the file.
        known: the number of this version.
        path: of the file.
        remedy: what to do about another number.

    Raises:
        OtherVersionError: for another number.
    """
    if given != known:
        raise OtherVersionError(
            f"{path} was written by another version of svdd: its {name} number is {'missing' if given is None else given}, "
            f"this version knows {known}; {remedy}"
        )


def described(error: BaseException) -> str:
    """The type of an error and its message."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def needs(purpose: str, module: str, extra: str) -> str:
    """The sentence about a missing module."""
    return f'{purpose} needs {module}, which is not installed: pip install "svdd[{extra}]"'


def module_of(extra: str, module: str, need: str) -> Any:
    """A module that comes with an extra.

    Args:
        extra: its name.
        module: its full name.
        need: the beginning of the sentence that says what needs which package.

    Raises:
        ImportError: without it; it names the extra.
    """
    try:
        importlib.import_module(module.partition(".")[0])  # a part of it may be known where the whole is not
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{need}: pip install 'svdd[{extra}]'") from error


def number(value: Any, digits: int = 3) -> str:
    """A number as reports, tables and pages show it: a few digits, thousands marked; text as it is, `-` for no number.

    Args:
        value: a number, text or None.
        digits: how many are shown of a number that is not whole; those before the point are all shown.
    """
    if value is None or value != value:
        return "-"
    if isinstance(value, str | bool):
        return str(value)
    if abs(value) < _LARGEST and float(value).is_integer():
        return f"{int(value):,}"
    rounded = f"{value:.{digits}g}"  # first, so that 999.6 is a number of four digits
    whole = 10 ** (digits - 1) <= abs(float(rounded)) < _LARGEST
    return f"{value:,.0f}" if whole else rounded


# Numbers from here on are shown in powers of ten.
_LARGEST = 1e15
