"""The form of a comparison's settings: what is a list, a number or a mapping, looked at before anything is read from them."""

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from svdd.messages import check
from svdd.runs.job import BEGUN, Job

SHARED = ("model", "reward", "reward_options", "objective", "scores", "seed", "out", "budget", *BEGUN)
"""Settings of the job that no method has of its own."""


def _all(kind: type) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        is_list = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
        return is_list and all(_is(kind)(one) for one in value)

    return fits


def _is(kind: type | tuple[type, ...]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind) and not isinstance(value, bool)


def _none_or(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _by_name(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Mapping) and all(map(fits, value.values()))


_MAPPING = _is(Mapping)
_SAID = "a list of methods, or settings by label, {smc: {ess: 0.8}}"
_METHODS = _by_name(_none_or(_MAPPING))
_FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "job": (_is((Job, Mapping, str, Path)), "settings, or a file of them"),
    "methods": (lambda value: _METHODS(value) or _all(str)(value), _SAID),
    "method": (_is(str), "the name of a method"),
    "match": (_is(str), "the name of a cost, such as network-rows"),
    "seeds": (_is(Integral), "a whole number"),
    "temperatures": (_all(Real), "a list of numbers, such as [0, 0.5]"),
    "options": (_by_name(_MAPPING), "options by method: {smc: {ess: 0.8}}"),
    "judge": (_none_or(_is(str)), "the name of a reward"),
    "reference": (_none_or(_is((str, Path))), "the name of a file"),
    "sizes": (_all(Integral), "a list of whole numbers, such as [2, 5]"),
    "pool": (_is(Integral), "a whole number"),
    "fit": (_none_or(_MAPPING), "settings of a fitted value: {rollouts: 2000}"),
    "variants": (_METHODS, "settings by name: {fast: {seeds: 2}}"),
}  # fmt: skip


def check_form(settings: Mapping[str, Any], where: str = "") -> None:
    """Looks whether settings of a comparison, or of one of its methods, have the form that they need.

    Args:
        settings: by name; those without a form of their own are left to the job.
        where: they stand, to begin the sentence.

    Raises:
        ValueError: for one that has not.
    """
    for name in settings.keys() & _FORMS.keys():
        fits, words = _FORMS[name]
        check(fits(settings[name]), f"{where}{name} takes {words}, got {settings[name]!r:.80}")


def check_own(label: str, own: Mapping[str, Any]) -> None:
    """Looks whether the settings of a method can differ between the methods of a comparison.

    Raises:
        ValueError: for one that all share.
    """
    shared = sorted(own.keys() & set(SHARED))
    check(not shared, f"{label}: {', '.join(shared)} is the same for all methods of a comparison; set it in the job")
