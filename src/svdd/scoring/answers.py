"""The one reader of what rewards answer: here, in workers, on other machines and for components it says the same.

An answer is one number per design, in the order of the designs: a list, a tuple, or an array of any package. Nothing here
imports torch or NumPy, so that a worker is as small as its reward.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from svdd.scoring.reward import Failure, Invalid, RewardError

_REMEDIES: dict[type, str] = {
    type(None): "does it end with return?",
    Iterator: "give a list of it",
    Mapping: "give a list in the order of the designs",
    Set: "a set has no order, give a list in that of the designs",
}  # fmt: skip
"""What to do about answers that are no list, by their kind."""
_NO_NUMBERS = ("m", "M", "c")  # kinds of NumPy's types: times, and complex numbers


def plain_numbers(answer: Any, n: int, source: str = "reward") -> list[Any]:
    """An answer as n plain numbers; `Invalid` and `Failure` stay what they are.

    Args:
        answer: whatever a reward returned.
        n: how many designs it was given.
        source: what the reward is called in messages.

    Raises:
        RewardError: for anything but one number per design; it names the first row that is none.
    """
    listed = _listed(answer, n, source)
    if len(listed) != n:
        raise _of_shape((len(listed),), n, source)
    shape = _shape(listed[0]) if listed else None
    if shape and all(_shape(one) == shape for one in listed):
        raise _of_shape((n, *shape), n, source)
    return [_number(one, row, n, source) for row, one in enumerate(listed)]


def _listed(answer: Any, n: int, source: str) -> Sequence[Any]:
    """An answer as a sequence; arrays as lists of plain values."""
    if isinstance(answer, list | tuple):
        return answer
    if isinstance(answer, Sequence) and not isinstance(answer, str | bytes | bytearray):
        return list(answer)
    array = answer if hasattr(answer, "tolist") or not hasattr(answer, "__array__") else _array(answer)
    shape = _shape(array)
    if shape is None or getattr(getattr(array, "dtype", None), "kind", "") in _NO_NUMBERS:
        raise _not_numbers(answer, n, source)
    if shape != (n,):
        raise _of_shape(shape, n, source)
    if _out_of_order(array, n):
        raise RewardError(
            f"the {source} returned a {type(answer).__name__} whose index is a new order of the {n} rows; return numbers in "
            "the order of the designs, such as series.sort_index()"
        )
    try:
        return array.tolist()  # type: ignore[no-any-return]
    except Exception as error:  # sparse and meta tensors, and what other packages raise
        raise _not_numbers(answer, n, source) from error


def _out_of_order(column: Any, n: int) -> bool:
    """Whether a column of a table was sorted by something else than its rows: its index says so."""
    if not hasattr(column, "sort_index"):
        return False
    rows = list(column.index)
    return rows != list(range(n)) and set(rows) == set(range(n))


def _array(answer: Any) -> Any:
    """An array of NumPy of what offers itself as one; what does not give one is left as it is."""
    try:
        return sys.modules["numpy"].asarray(answer)
    except Exception:
        return answer


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of an array or a list; None of anything else."""
    if isinstance(value, list | tuple):
        return (len(value),)
    shape = getattr(value, "shape", None)
    return tuple(shape) if isinstance(shape, Sequence) else None


def _number(one: Any, row: int, n: int, source: str) -> Any:
    if isinstance(one, float | Failure):
        return one if isinstance(one, Invalid | Failure) else float(one)
    try:
        plain = one.item() if _shape(one) == () and not _masked(one) else one
        if isinstance(plain, int) or (hasattr(type(plain), "__float__") and not _masked(plain)):
            return float(plain)
    except OverflowError:
        raise RewardError(f"the {source} returned an integer at row {row} that is too large for a float") from None
    except Exception:  # of an object that says it is a number and is none
        plain = one
    raise RewardError(
        f"the {source} returned {_shown(plain)} at row {row} of {n}, where a number was due; return -inf for an invalid design"
    )


def _masked(one: Any) -> bool:
    """Whether it is a masked element, which would give the number under the mask."""
    return bool(getattr(one, "mask", False)) if type(one).__module__.startswith("numpy.ma") else False


def _shown(value: Any) -> str:
    return f"text, {value!r:.40}," if isinstance(value, str | bytes) else _words(value, 40)


def _words(value: Any, letters: int) -> str:
    """An object as text; it is a user's, and may not be able to say what it is."""
    try:
        return repr(value)[:letters]
    except Exception:
        return f"a {type(value).__name__} that cannot be shown"


def _not_numbers(answer: Any, n: int, source: str) -> RewardError:
    remedy = next((f"; {said}" for kind, said in _REMEDIES.items() if isinstance(answer, kind)), "")
    told = f"a {type(answer).__name__}: {_words(answer, 80)}" if answer is not None else "None"
    return RewardError(f"the {source} must return {n} numbers, one a design, but returned {told}{remedy}")


def _of_shape(shape: tuple[int, ...], n: int, source: str) -> RewardError:
    column = "; take the column out, numbers[:, 0]" if shape == (n, 1) else ""
    return RewardError(
        f"the {source} was given {n} designs and must return {n} numbers of shape ({n},), but returned shape {shape}{column}"
    )
