"""Drawings of RNA secondary structure: ViennaRNA's folds and layout, drawn like the report's other figures."""

from collections.abc import Sequence
from typing import Any

from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from svdd.domains.rna.folding import as_rna, minimum_free_energy, vienna
from svdd.report.plots import BLUE, GREY, as_svg

LONGEST = 300


def structure_drawing(designs: Sequence[str], titles: Sequence[str]) -> str | None:
    """The minimum-free-energy structures of designs side by side, as SVG; the first letter is filled.

    Args:
        designs: RNA sequences, at most a few.
        titles: written above each, with its energy.

    Returns:
        The SVG text, None if a design is longer than 300 letters or is not RNA.

    Raises:
        ImportError: without ViennaRNA.
    """
    vienna()
    try:
        texts = as_rna(designs)
    except ValueError:
        return None
    if max(map(len, texts)) > LONGEST:
        return None
    structures, energies = minimum_free_energy(texts)
    figure = Figure(figsize=(10 / 3 * len(texts), 4), layout="constrained")
    panels = figure.subplots(1, len(texts), squeeze=False).flatten()
    for axes, text, structure, title, energy in zip(panels, texts, structures, titles, energies, strict=True):
        _draw(axes, text, structure)
        axes.set_title(f"{title}\n{energy:.1f} kcal/mol", fontsize="medium", parse_math=False)
    return as_svg(figure)


def _draw(axes: Any, text: str, structure: str) -> None:
    points = vienna().naview_xy_coordinates(structure)[: len(structure)]
    x, y = [point.X for point in points], [point.Y for point in points]
    axes.plot(x, y, color=GREY, linewidth=1, zorder=1)
    bonds = [[(x[site], y[site]) for site in pair] for pair in _pairs(structure)]
    axes.add_collection(LineCollection(bonds, color=BLUE, linewidth=2, zorder=2))
    for some, ink, paper in ((slice(1), "white", BLUE), (slice(1, None), "black", "white")):
        axes.scatter(x[some], y[some], s=80, color=paper, linewidths=0, zorder=3)
        places = list(zip(text[some], x[some], y[some], strict=True))
        for letter in sorted(set(text[some])):  # those that are equal are drawn together, which is quick
            _, across, up = zip(*(place for place in places if place[0] == letter), strict=True)
            axes.scatter(across, up, s=32, color=ink, marker=_marker(letter), linewidths=0, zorder=4)
    axes.set_aspect("equal")
    axes.margins(0.08)
    axes.axis("off")
    axes.xaxis.set_visible(False)  # or its labels are laid out, only to be left out
    axes.yaxis.set_visible(False)


def _marker(letter: str) -> Path:
    path = TextPath((0, 0), letter)
    box = path.get_extents()
    return Path(path.vertices - (box.min + box.max) / 2, path.codes)


def _pairs(structure: str) -> list[tuple[int, int]]:
    partner = vienna().ptable(structure)
    return [(site - 1, partner[site] - 1) for site in range(1, partner[0] + 1) if partner[site] > site]
