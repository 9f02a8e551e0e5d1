"""Drawings of sequences: how much the designs of a run agree at each site."""

from collections.abc import Sequence
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


def sequence_logo(designs: Sequence[str]) -> str | None:
    """The information of every site over the designs, in bits; None unless they are DNA or RNA of one length, 1000 at most."""
    lengths = {len(design) for design in designs}
    if len(lengths) != 1 or not 1 <= max(lengths) <= LONGEST or set("".join(designs)) - set(BASES):
        return None
    bits = _information(designs)
    rows = -(-len(bits) // SITES_PER_ROW)
    figure = Figure(figsize=(10, 1.3 * rows), layout="constrained")
    every = figure.subplots(rows, 1, sharey=True, squeeze=False).flatten()
    for row, axes in enumerate(every):
        first = row * SITES_PER_ROW
        _draw(axes, bits[first : first + SITES_PER_ROW], first + 1)
        axes.set_xlim(first + 0.5, first + SITES_PER_ROW + 0.5)
        axes.set_ylim(0, max(0.5, float(bits.sum(1).max())))
        axes.spines[:].set_visible(False)
        axes.tick_params(labelsize="small")
    figure.supylabel("bits", fontsize="medium")
    return as_svg(figure)


def _information(designs: Sequence[str]) -> Float[ndarray, "sites bases"]:
    """Shares of the bases times what a site tells: 2 bits less its entropy."""
    letters = np.array([list(design) for design in designs])
    shares = np.stack([(letters == base).mean(0) for base in BASES], 1)
    entropy = -np.sum(shares * np.log2(np.where(shares > 0, shares, 1)), 1, keepdims=True)
    return shares * (2 - entropy)


def _draw(axes: Any, bits: Float[ndarray, "sites bases"], first: int) -> None:
    """Letters as tall as their bits, the tallest of a site on top; all of one base are one path, which is quick to draw."""
    order = np.argsort(bits, 1, kind="stable")
    heights = np.take_along_axis(bits, order, 1)
    bottom = np.empty_like(bits)
    np.put_along_axis(bottom, order, heights.cumsum(1) - heights, 1)
    for number, (base, colour) in enumerate(BASES.items()):
        sites = np.flatnonzero(bits[:, number])
        letter = TextPath((0, 0), base, size=1)
        box = letter.get_extents()
        x, y = ((letter.vertices - box.min) / box.size).T
        across = first + sites[:, None] - 0.5 + x
        up = bottom[sites, number, None] + bits[sites, number, None] * y
        path = Path(np.stack([across, up], -1).reshape(-1, 2), np.tile(letter.codes, len(sites)))
        axes.add_artist(PathPatch(path, facecolor=colour, linewidth=0, in_layout=False))
