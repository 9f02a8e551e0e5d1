"""Drawings of sequences: how much the designs of a run agree at each site."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from svdd.report.plots import as_svg

SITES_PER_ROW, LONGEST = 50, 1000
BASES = {"A": "#15803d", "C": "#1d4ed8", "G": "#b45309", "T": "#b91c1c", "U": "#b91c1c"}


def sequence_logo(designs: Sequence[str]) -> str | None:
    """The information of every site over the designs, in bits; None unless they are DNA or RNA of one length, 1000 at most."""
    lengths = {len(design) for design in designs}
    if len(lengths) != 1 or not 1 <= max(lengths) <= LONGEST or set("".join(designs)) - set(BASES):
        return None
    import logomaker

    bits = _information(designs)
    rows = -(-len(bits) // SITES_PER_ROW)
    figure = Figure(figsize=(10, 1.3 * rows), layout="constrained")
    every = figure.subplots(rows, 1, sharey=True, squeeze=False).flatten()
    for row, axes in enumerate(every):
        first = row * SITES_PER_ROW
        logomaker.Logo(bits.iloc[first : first + SITES_PER_ROW], ax=axes, color_scheme=BASES, show_spines=False)
        axes.set_xlim(first + 0.5, first + SITES_PER_ROW + 0.5)
        axes.set_ylim(0, max(0.5, float(bits.sum(axis=1).max())))
        axes.tick_params(labelsize="small")
    figure.supylabel("bits", fontsize="medium")
    return as_svg(figure)


def _information(designs: Sequence[str]) -> pd.DataFrame:
    """Shares of the bases times what a site tells: 2 bits less its entropy."""
    letters = np.array([list(design) for design in designs])
    found = [base for base in BASES if (letters == base).any()]
    shares = np.stack([(letters == base).mean(0) for base in found], 1)
    entropy = -np.sum(shares * np.log2(np.where(shares > 0, shares, 1)), 1, keepdims=True)
    return pd.DataFrame(shares * (2 - entropy), columns=found, index=range(1, len(shares) + 1))
