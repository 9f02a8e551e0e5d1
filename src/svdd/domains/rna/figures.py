"""Drawings of RNA secondary structure: ViennaRNA's folds and layout, drawn like the report's other figures."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

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
    for one, other in _pairs(structure):
        axes.plot([x[one], x[other]], [y[one], y[other]], color=BLUE, linewidth=2, zorder=2)
    for site, letter in enumerate(text):
        ink, paper = ("white", BLUE) if site == 0 else ("black", "white")
        box = {"boxstyle": "circle,pad=0.15", "facecolor": paper, "edgecolor": "none"}
        axes.text(x[site], y[site], letter, ha="center", va="center", color=ink, fontsize=7, bbox=box, zorder=3)
    axes.set_aspect("equal")
    axes.margins(0.08)
    axes.axis("off")


def _pairs(structure: str) -> list[tuple[int, int]]:
    partner = vienna().ptable(structure)
    return [(site - 1, partner[site] - 1) for site in range(1, partner[0] + 1) if partner[site] > site]
