"""Structures as SVG: ribbons side by side, each residue in a colour of its own, with what the colours mean."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from operator import itemgetter

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from svdd.domains.protein.figures.ribbons import ribbon, turned
from svdd.domains.protein.figures.traces import Trace
from svdd.report.looks import GREY, brief

WIDTH = 1000
"""Of the picture."""
_PIECES, _MOST, _FEWEST = 600, 5, 2
"""Pieces of a ribbon, about, and of each residue at most and at least: a longer protein is drawn with fewer."""
_SCALE = 10
"""Units of the picture per unit of its width: places are whole numbers, which keeps the picture small."""
_TITLE, _MARGIN, _LEGEND, _HIGHEST = 34, 3.0, 40, 520
_EDGE, _HALO, _BEHIND = 0.06, 0.7, 1.5
"""Angstrom: how far pieces overlap, how broad the white lines along a ribbon are, and how far behind it they are drawn, so
that neighbours in the chain lie above them and what crosses it below."""
_FADED = 0.4
"""How far the farthest pieces are on their way to white."""


@dataclass(frozen=True)
class Panel:
    """A structure of a picture.

    Args:
        title: above it.
        trace: of it.
        colours: of its residues, `#rrggbb`.
    """

    title: str
    trace: Trace
    colours: Sequence[str]


def structure_drawing(panels: Sequence[Panel], legend: Mapping[str, str]) -> str:
    """Structures side by side, all at one scale, as SVG.

    Args:
        panels: at least one.
        legend: what each colour means, by words.
    """
    seen = [turned(panel.trace.places) for panel in panels]
    room = WIDTH / len(panels)
    across, up = (max(float(np.ptp(places[:, axis])) for places in seen) + 2 * _MARGIN for axis in (0, 1))
    scale = min(room / across, _HIGHEST / up)
    high = up * scale
    parts: list[str] = []
    for number, (panel, places) in enumerate(zip(panels, seen, strict=True)):
        middle = (places.max(0) + places.min(0)) / 2
        centre = np.array([room * (number + 0.5), _TITLE + high / 2])
        parts += _panel(panel, (places - middle) * [scale, -scale, scale], centre, scale)
    height = round(_TITLE + high + _LEGEND)
    body = "".join([*parts, *_legend(legend, height - 14)])
    return f"{_head(height, scale * _SCALE)}{body}</svg>"


def _head(height: int, angstrom: float) -> str:
    size = f'width="{WIDTH}" height="{height}"'
    style = (
        f"path{{stroke-linejoin:round}}.f{{fill:currentColor;stroke:currentColor;stroke-width:{_EDGE * angstrom:.1f}px}}"
        f".h{{fill:none;stroke:#fff;stroke-linecap:round;stroke-width:{_HALO * angstrom:.1f}px}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {size} font-family="system-ui, sans-serif" '
        f'font-size="15"><style>{style}</style><rect {size} fill="#fff"/>'
    )


def _panel(panel: Panel, places: Float[ndarray, "L 3"], centre: ndarray, scale: float) -> Iterator[str]:
    """The pieces of a ribbon from back to front, with white lines along its edges that set it off from what is behind."""
    yield f'<text x="{centre[0]:.0f}" y="22" text-anchor="middle">{escape(brief(panel.title))}</text>'
    upright = replace(panel.trace, places=places * [1, -1, 1] / scale)
    drawn = ribbon(upright, int(np.clip(_PIECES // len(places), _FEWEST, _MOST)))
    corners = np.round((drawn.corners * [scale, -scale] + centre) * _SCALE).astype(int)
    shades = _shaded([panel.colours[row] for row in drawn.residue], drawn.shade, drawn.depth)
    yield f'<g transform="scale({1 / _SCALE})">'
    paths = []
    for (a, b, c, d), colour, height in zip(corners.tolist(), shades, drawn.height.tolist(), strict=True):
        paths.append((height - _BEHIND, f'<path class="h" d="M{_at(a)}L{_at(d)}M{_at(b)}L{_at(c)}"/>'))
        paths.append((height, f'<path class="f" color="{colour}" d="M{_at(a)}L{_at(b)} {_at(c)} {_at(d)}z"/>'))
    yield from (path for _, path in sorted(paths, key=itemgetter(0)))
    yield "</g>"
    yield from _ends(panel.trace, places, centre)


def _ends(trace: Trace, places: ndarray, centre: ndarray) -> Iterator[str]:
    """Which end is which, of a single chain."""
    for letter, row in (("N", 0), ("C", len(trace) - 1)) if trace.chains == 1 else ():
        outward = places[row, :2] / max(float(np.linalg.norm(places[row, :2])), 1e-9)
        x, y = places[row, :2] + centre + 14 * outward
        yield f'<text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle" font-size="13" fill="{GREY}">{letter}</text>'


def _legend(legend: Mapping[str, str], y: int) -> Iterator[str]:
    wide = [30 + 8 * len(words) for words in legend]
    x = (WIDTH - sum(wide)) / 2
    for (words, colour), width in zip(legend.items(), wide, strict=True):
        yield f'<rect x="{x:.0f}" y="{y - 11}" width="13" height="13" rx="3" fill="{colour}"/>'
        yield f'<text x="{x + 19:.0f}" y="{y}" font-size="13">{escape(words)}</text>'
        x += width


def _shaded(colours: Sequence[str], shade: ndarray, depth: ndarray) -> list[str]:
    """Colours darker where less light falls, and paler the farther back they are."""
    plain = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours])
    lit = plain * shade[:, None]
    seen = np.round(lit + (255 - lit) * (_FADED * depth[:, None])).clip(0, 255).astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in seen.tolist()]


def _at(place: list[int]) -> str:
    return f"{place[0]} {place[1]}"
