"""Drawings of RNA secondary structure: ViennaRNA's folds and layout as plain SVG, which needs no matplotlib."""

from collections.abc import Sequence
from html import escape

from svdd.domains.rna.folding import as_rna, minimum_free_energy, vienna
from svdd.report.looks import BLUE, GREY

SHORTEST, LONGEST = 2, 300
ACROSS = 3
"""Folds side by side that fill the page; fewer are as large, in the middle."""
_WIDE, _HIGH, _TITLE = 320, 384, 44
_SMALLEST = 240.0
"""Units of the layout, where letters are 15 apart, that fill a panel at least: short designs stay small."""
_MARGIN = 10.0


def structure_drawing(designs: Sequence[str], titles: Sequence[str]) -> str | None:
    """The minimum-free-energy structures of designs side by side, as SVG; the first letter is filled.

    Args:
        designs: RNA sequences, at most a few.
        titles: written above each, with its energy.

    Returns:
        The SVG text, None if a design has more than 300 letters or fewer than 2, or is not RNA.

    Raises:
        ImportError: without ViennaRNA.
    """
    vienna()
    try:
        texts = as_rna(designs)
    except ValueError:
        return None
    if not all(SHORTEST <= len(text) <= LONGEST for text in texts):
        return None
    panels, width = [], _WIDE * max(ACROSS, len(texts))
    for number, (text, title, structure, energy) in enumerate(
        zip(texts, titles, *minimum_free_energy(texts), strict=True)
    ):
        left = (width - _WIDE * len(texts)) / 2 + _WIDE * number
        words = f"{_text(_WIDE / 2, 18.0, title)}{_text(_WIDE / 2, 36.0, f'{energy:.1f} kcal/mol')}"
        panels.append(f'<g transform="translate({left:g} 0)" font-size="13">{words}{_fold(text, structure)}</g>')
    size = f'width="{width}" height="{_HIGH}" viewBox="0 0 {width} {_HIGH}"'
    look = 'font-family="sans-serif" text-anchor="middle"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {look}>{"".join(panels)}</svg>'


def _fold(text: str, structure: str) -> str:
    """The chain, its pairs, and a circle per letter, as large as a panel allows."""
    points = [(point.X, -point.Y) for point in vienna().naview_xy_coordinates(structure)[: len(structure)]]
    pairs = "".join(f"M{_place(points[one])}L{_place(points[other])}" for one, other in _pairs(structure))
    letters = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{"white" if site else BLUE}"/>'
        f"{_text(x, y + 3.2, letter, 'black' if site else 'white')}"
        for site, (letter, (x, y)) in enumerate(zip(text, points, strict=True))
    ]
    return (
        f'<svg y="{_TITLE}" width="{_WIDE}" height="{_HIGH - _TITLE}" viewBox="{_box(points)}" font-size="9" fill="none">'
        f'<polyline points="{" ".join(map(_place, points))}" stroke="{GREY}"/>'
        f'<path d="{pairs}" stroke="{BLUE}" stroke-width="2"/>{"".join(letters)}</svg>'
    )


def _box(points: Sequence[tuple[float, float]]) -> str:
    """What a panel shows: all points, in the middle."""
    lows, highs = ([end(axis) for axis in zip(*points, strict=True)] for end in (min, max))
    sizes = [max(high - low + 2 * _MARGIN, _SMALLEST) for low, high in zip(lows, highs, strict=True)]
    corner = [(low + high - size) / 2 for low, high, size in zip(lows, highs, sizes, strict=True)]
    return " ".join(f"{number:.1f}" for number in (*corner, *sizes))


def _place(point: tuple[float, float]) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def _text(x: float, y: float, words: str, ink: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{ink}">{escape(words)}</text>'


def _pairs(structure: str) -> list[tuple[int, int]]:
    partner = vienna().ptable(structure)
    return [(site - 1, partner[site] - 1) for site in range(1, partner[0] + 1) if partner[site] > site]
