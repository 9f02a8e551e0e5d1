"""Drawings of sequences: how much the designs of a run agree at each site."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from numpy import ndarray

from svdd.report.plots import as_svg

SITES_PER_ROW, LONGEST = 50, 1000
BASES = {"A": "#15803d", "C": "#1d4ed8", "G": "#b45309", "T": "#b91c1c", "U": "#b91c1c"}
RESIDUES = {
    **dict.fromkeys("AVLIMFWC", "#15803d"),  # hydrophobic
    **dict.fromkeys("KR", "#1d4ed8"),  # positive
    **dict.fromkeys("DE", "#b91c1c"),  # negative
    **dict.fromkeys("GP", "#b45309"),  # turns
    **dict.fromkeys("STNQHY", "#7e22ce"),  # polar
}
"""The twenty amino acids, coloured by chemistry."""


def sequence_logo(designs: Sequence[str], colours: Mapping[str, str] = BASES, bits: float = 2.0) -> str | None:
    """The information of every site over the designs, in bits.

    Args:
        designs: sequences of one length, 1000 at most.
        colours: of the letters.
        bits: that a site tells where all designs agree, log2 of the size of their alphabet.

    Returns:
        SVG text; None for designs of several lengths, longer ones and other letters.
    """
    lengths = {len(design) for design in designs}
    if len(lengths) != 1 or not 1 <= max(lengths) <= LONGEST or set("".join(designs)) - set(colours):
        return None
    heights = _information(designs, colours, bits)
    rows = -(-len(heights) // SITES_PER_ROW)
    figure = Figure(figsize=(10, 1.3 * rows), layout="constrained")
    every = figure.subplots(rows, 1, sharey=True, squeeze=False).flatten()
    for row, axes in enumerate(every):
        first = row * SITES_PER_ROW
        _draw(axes, heights[first : first + SITES_PER_ROW], first + 1, colours)
        axes.set_xlim(first + 0.5, first + SITES_PER_ROW + 0.5)
        axes.set_ylim(0, max(0.5, float(heights.sum(1).max())))
        axes.spines[:].set_visible(False)
        axes.tick_params(labelsize="small")
    figure.supylabel("bits", fontsize="medium")
    return as_svg(figure)


def _information(
    designs: Sequence[str], letters: Iterable[str] = BASES, bits: float = 2.0
) -> Float[ndarray, "sites letters"]:
    """Shares of the letters times what a site tells: the bits of agreement less its entropy."""
    sites = np.array([list(design) for design in designs])
    shares = np.stack([(sites == letter).mean(0) for letter in letters], 1)
    entropy = -np.sum(shares * np.log2(np.where(shares > 0, shares, 1)), 1, keepdims=True)
    return shares * (bits - entropy)


def _draw(axes: Any, bits: Float[ndarray, "sites letters"], first: int, colours: Mapping[str, str] = BASES) -> None:
    """Letters as tall as their bits, the tallest of a site on top; all of one kind are one path, which is quick to draw."""
    order = np.argsort(bits, 1, kind="stable")
    heights = np.take_along_axis(bits, order, 1)
    bottom = np.empty_like(bits)
    np.put_along_axis(bottom, order, heights.cumsum(1) - heights, 1)
    for number, (symbol, colour) in enumerate(colours.items()):
        sites = np.flatnonzero(bits[:, number])
        letter = TextPath((0, 0), symbol, size=1)
        box = letter.get_extents()
        x, y = ((letter.vertices - box.min) / box.size).T
        across = first + sites[:, None] - 0.5 + x
        up = bottom[sites, number, None] + bits[sites, number, None] * y
        path = Path(np.stack([across, up], -1).reshape(-1, 2), np.tile(letter.codes, len(sites)))
        axes.add_artist(PathPatch(path, facecolor=colour, linewidth=0, in_layout=False))
