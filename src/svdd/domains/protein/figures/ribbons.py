"""A trace as a ribbon: broad along helices and strands, thin elsewhere, in pieces.

A curve goes through the CA atoms (Catmull and Rom). Where it is broad, its breadth points along the binormal of three
neighbours, which in a helix is its axis and in a strand lies in the sheet; elsewhere it faces the viewer, as a tube does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from svdd.domains.protein.figures.traces import COIL, HELIX, STRAND, Trace, secondary_structure

BREADTH = {HELIX: 1.3, STRAND: 1.1, COIL: 0.28}
"""Half the breadth of a ribbon, Angstrom."""
_HEAD, _HEAD_BREADTH = 1.5, 1.9
"""Residues of a strand's arrow head, and half its breadth at the broadest."""
_LIGHT = np.array([-0.4, 0.5, 0.77])


@dataclass(frozen=True)
class Ribbon:
    """The pieces of a ribbon, seen along the third axis.

    Args:
        corners: of each piece, left and right at its beginning, right and left at its end, Angstrom.
        residue: that each piece belongs to.
        shade: how light falls on each, 0 to 1.
        height: of each above the plane of the picture, Angstrom.
    """

    corners: Float[ndarray, "pieces 4 2"]
    residue: Int64[ndarray, " pieces"]
    shade: Float[ndarray, " pieces"]
    height: Float[ndarray, " pieces"]

    @property
    def depth(self) -> Float[ndarray, " pieces"]:
        """How far back each piece is, from 0 in front to 1."""
        return (self.height.max() - self.height) / max(float(np.ptp(self.height)), 1e-9)


def turned(places: Float[ndarray, "L 3"]) -> Float[ndarray, "L 3"]:
    """Places seen along their shortest axis, the longest one across; a turn, never a mirror."""
    centred = places - places.mean(0)
    axes = np.linalg.svd(centred, full_matrices=True)[2]
    axes[2] *= np.linalg.det(axes)
    return centred @ axes.T


def ribbon(trace: Trace, pieces: int) -> Ribbon:
    """The ribbon of a trace.

    Args:
        trace: turned as it is to be seen.
        pieces: of each residue.
    """
    parts = [_strip(trace.places[where], where.start, pieces) for where in trace.stretches]
    corners, residue, shade = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Ribbon(corners[..., :2], residue, shade, corners[..., 2].mean(1))


def _strip(places: ndarray, first: int, pieces: int) -> tuple[ndarray, ndarray, ndarray]:
    """Corners, residues and shades of a stretch without gaps; a residue alone is a dot."""
    last = first + len(places) - 1
    if len(places) == 1:
        places = places + np.array([[-BREADTH[COIL], 0, 0], [BREADTH[COIL], 0, 0]])
    classes = secondary_structure(places)
    u = np.linspace(0, len(places) - 1, (len(places) - 1) * pieces + 1)
    curve = _curve(_flattened(places, classes), u)
    along = np.gradient(curve, axis=0)
    broad, half = _breadths(classes, u)
    side = _units(broad[:, None] * _sides(places, u) + (1 - broad)[:, None] * _facing(along, _sides(places, u)))
    left, right = curve + half[:, None] * side, curve - half[:, None] * side
    middle = (u[:-1] + u[1:]) / 2
    residue = np.minimum(first + np.floor(middle + 0.5).astype(np.int64), last)
    return _pieces(left, right), residue, _shades(along, side)[:-1]


def _pieces(left: ndarray, right: ndarray) -> ndarray:
    """Corners of the pieces between the edges; an end that lies the other way round than the beginning is turned over."""
    straight = np.linalg.norm(np.diff(left, axis=0), axis=1) + np.linalg.norm(np.diff(right, axis=0), axis=1)
    crossed = np.linalg.norm(left[1:] - right[:-1], axis=1) + np.linalg.norm(right[1:] - left[:-1], axis=1)
    over = (crossed < straight)[:, None]
    ends = np.where(over, left[1:], right[1:]), np.where(over, right[1:], left[1:])
    return np.stack([left[:-1], right[:-1], *ends], 1)


def _curve(places: ndarray, u: ndarray) -> ndarray:
    """The curve of Catmull and Rom through places, at each u; the ends go on straight."""
    before, after = 2 * places[:1] - places[1:2], 2 * places[-1:] - places[-2:-1]
    points = np.concatenate([before, places, after])
    start = np.minimum(u.astype(int), len(places) - 2)
    t = (u - start)[:, None]
    a, b, c, d = (points[start + n] for n in range(4))
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def _flattened(places: ndarray, classes: list[str]) -> ndarray:
    """Places without the pleats of strands."""
    flat = places.copy()
    flat[1:-1] = places[:-2] / 4 + places[1:-1] / 2 + places[2:] / 4
    return np.where(np.array(classes)[:, None] == STRAND, flat, places)


def _sides(places: ndarray, u: ndarray) -> ndarray:
    """Directions of a ribbon's breadth at each u, none of which turns over from one residue to the next."""
    steps = np.diff(places, axis=0)
    if len(steps) < 2:
        return np.tile([0.0, 1.0, 0.0], (len(u), 1))
    binormal = _units(np.cross(steps[:-1], steps[1:]))
    for row in range(1, len(binormal)):
        binormal[row] *= np.sign(binormal[row] @ binormal[row - 1]) or 1
    every = np.concatenate([binormal[:1], binormal, binormal[-1:]])
    return _units(np.stack([np.interp(u, np.arange(len(places)), every[:, axis]) for axis in range(3)], 1))


def _facing(along: ndarray, like: ndarray) -> ndarray:
    """Directions across a curve in the plane of the picture, each on the side of another direction."""
    across = _units(np.stack([-along[:, 1], along[:, 0], np.zeros(len(along))], 1))
    return across * np.where((across * like).sum(1) < 0, -1, 1)[:, None]


def _breadths(classes: list[str], u: ndarray) -> tuple[ndarray, ndarray]:
    """How far each place belongs to a helix or strand, 0 to 1, and half the breadth of the ribbon there."""
    numbers = np.arange(len(classes))
    broad = np.interp(u, numbers, [float(one != COIL) for one in classes])
    half = np.interp(u, numbers, [BREADTH[one] for one in classes])
    for last in _last_of(classes, STRAND):
        head = (u > last - _HEAD) & (u <= last)
        half[head] = BREADTH[COIL] + (_HEAD_BREADTH - BREADTH[COIL]) * (last - u[head]) / _HEAD
    return broad, half


def _last_of(classes: list[str], name: str) -> Iterator[int]:
    """The last residue of every run of a class."""
    for one, run in groupby(enumerate(classes), key=lambda pair: pair[1]):
        if one == name:
            yield [number for number, _ in run][-1]


def _shades(along: ndarray, side: ndarray) -> ndarray:
    """How light falls on each place; the side that is turned away is darker, which tells the inside of a helix."""
    normal = _units(np.cross(along, side))
    lit = 0.76 + 0.24 * abs(normal @ _LIGHT)
    return np.where(normal[:, 2] < 0, lit - 0.12, lit)


def _units(vectors: ndarray) -> ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
