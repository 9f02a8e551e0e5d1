"""Boxes: where in a receptor a molecule is searched for."""

import math
import warnings
from collections.abc import Sequence

Point = tuple[float, float, float]
_LEAST = 4.0  # Angstrom; no drug has an edge as short
_WIDE = 27_000  # cubic Angstrom; beyond it AutoDock Vina itself warns
_MOST = 512_000  # cubic Angstrom; maps take 6 GB a million of them in each process, and a process that lacks it ends
_SPACING = 0.375
_POINTS = f"size is in Angstrom: if it was meant in grid points, give each times {_SPACING}"


class BoxWarning(UserWarning):
    """A box is searched as it is, though it may not be what was meant."""


def point(name: str, given: Sequence[float | int]) -> Point:
    """Three numbers of a box.

    Raises:
        ValueError: for anything else, and edges that are not above 0.
    """
    wrong = ValueError(f"{name} is three finite numbers in Angstrom{', above 0' * (name == 'size')}, got {given!r}")
    try:
        x, y, z = () if isinstance(given, str) else (float(one) for one in given)
    except (TypeError, ValueError):
        raise wrong from None
    if name == "size" and min(x, y, z) < 0:
        raise ValueError(f"{wrong}; are center and size the other way round?")
    if not all(map(math.isfinite, (x, y, z))) or (name == "size" and min(x, y, z) <= 0):
        raise wrong
    return x, y, z


def check_box(name: str, atoms: Sequence[Point], center: Point, size: Point) -> None:
    """Looks whether a box can be searched.

    Args:
        name: of the receptor.
        atoms: where its atoms are, Angstrom.
        center: of the box.
        size: its edges.

    Raises:
        ValueError: for a box that holds no atom, and one that is too small or too large.
    """
    if min(size) < _LEAST:
        raise ValueError(f"the box of {shown(size)} Angstrom is too small for a molecule: no edge is below {_LEAST:g}")
    volume = math.prod(size)
    if volume > _MOST:
        raise ValueError(
            f"the box of {shown(size)} Angstrom has {volume:,.0f} cubic Angstrom, and {_MOST:,} are the most that memory is "
            f"taken for; {_POINTS}, here {shown(scaled(size))}"
        )
    if not holds_atom(atoms, center, size):
        nearest = min(math.dist(atom, center) for atom in atoms)
        turned = min(center) > 0 and holds_atom(atoms, size, center)
        raise ValueError(
            f"the box round {shown(center)} holds no atom of the receptor {name}: the nearest is {nearest:.1f} Angstrom from "
            f"its centre, and the receptor's own centre is {shown(centre(atoms))}"
            f"{'; center and size seem to be the other way round' * turned}"
        )


def warn_of_width(size: Point) -> None:
    """Warns of a box that a search finds less in, as AutoDock Vina does."""
    volume = math.prod(size)
    if volume > _WIDE:
        warnings.warn(
            f"the box of {shown(size)} Angstrom has {volume:,.0f} cubic Angstrom, where {_WIDE:,} are usual: a search finds "
            f"less in it; {_POINTS}",
            BoxWarning,
            stacklevel=3,
        )


def holds_atom(atoms: Sequence[Point], center: Point, size: Point) -> bool:
    """Whether an atom is in a box."""
    half = [edge / 2 for edge in size]
    return any(all(abs(a - c) <= h for a, c, h in zip(atom, center, half, strict=True)) for atom in atoms)


def scaled(size: Point) -> Point:
    """Edges in Angstrom of as many grid points."""
    x, y, z = (edge * _SPACING for edge in size)
    return x, y, z


def centre(atoms: Sequence[Point]) -> Point:
    """The mean place."""
    x, y, z = (sum(along) / len(atoms) for along in zip(*atoms, strict=True))
    return x, y, z


def shown(place: Point) -> str:
    """A place, or edges, as sentences have them."""
    return "({:.1f}, {:.1f}, {:.1f})".format(*place)
