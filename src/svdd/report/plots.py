"""The report's figures, as SVG text; matplotlib's global state is neither read nor changed."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

BLUE, GREY = "#1f5fa8", "#6b7280"
COLOURS = (BLUE, "#c2410c", "#4d7c0f", "#7e22ce", GREY)
SITES_A_ROW, LONGEST_LOGO = 50, 1000
BASES = {"A": "#15803d", "C": "#1d4ed8", "G": "#b45309", "T": "#b91c1c", "U": "#b91c1c"}


def as_svg(figure: Figure) -> str:
    """The figure as SVG text, its letters drawn as shapes, without a date."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _axes(height: float, x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def value_by_step(trace: pd.DataFrame) -> str | None:
    """Median and 10 to 90 % band of the survivors' values at every scored step; None if fewer than two were scored."""
    finite = trace[np.isfinite(trace["value"])]
    bands = finite.groupby("step")["value"].quantile([0.1, 0.5, 0.9]).unstack()
    if len(bands) < 2:
        return None
    figure, axes = _axes(3.0, "step", "value of the survivors")
    axes.fill_between(bands.index, bands[0.1], bands[0.9], color=BLUE, alpha=0.2, label="10 to 90 %")
    axes.plot(bands.index, bands[0.5], color=BLUE, label="median")
    axes.legend(frameon=False)
    axes.xaxis.get_major_locator().set_params(integer=True)
    return as_svg(figure)


def reward_histogram(rewards: Mapping[str, Any]) -> str | None:
    """The rewards of each method as outlines over common bins, the first filled; None if no reward is finite."""
    finite = {name: np.asarray(r, float)[np.isfinite(r)] for name, r in rewards.items()}
    finite = {name: r for name, r in finite.items() if len(r)}
    if not finite:
        return None
    edges = np.histogram_bin_edges(np.concatenate(list(finite.values())), bins=24)
    figure, axes = _axes(3.0, "reward", "share of designs")
    for number, (name, r) in enumerate(finite.items()):
        colour, share = COLOURS[number % len(COLOURS)], np.full(len(r), 1 / len(r))
        drawn = {"histtype": "stepfilled", "alpha": 0.45} if number == 0 else {"histtype": "step", "linewidth": 1.6}
        axes.hist(r, edges, weights=share, color=colour, label=f"{name} ", **drawn)
    if len(finite) > 1:
        for text in axes.legend(frameon=False).get_texts():
            text.set_parse_math(False)
    return as_svg(figure)


def against(found: pd.DataFrame, x: str, y: str, x_words: str, y_words: str) -> str | None:
    """A labelled point a row, with whiskers from `_low` to `_high`; None if no row has both numbers."""
    rows = found[np.isfinite(found[x]) & np.isfinite(found[y])] if y in found else found[:0]
    if rows.empty:
        return None
    figure, axes = _axes(4.5, x_words, y_words)
    for number, (_, row) in enumerate(rows.iterrows()):
        colour = COLOURS[number % len(COLOURS)]
        bars = {f"{name[0]}err": _whiskers(row, column) for name, column in (("x", x), ("y", y))}
        axes.errorbar(row[x], row[y], **bars, fmt="o", color=colour, elinewidth=1, markersize=5)
        place = {"xytext": (6, 5), "textcoords": "offset points", "fontsize": "small", "color": colour}
        axes.annotate(row["label"], (row[x], row[y]), parse_math=False, **place)
    return as_svg(figure)


def _whiskers(row: Any, name: str) -> list[list[float]] | None:
    ends = row[name] - row[f"{name}_low"], row[f"{name}_high"] - row[name]
    return [[max(float(end), 0.0)] for end in ends] if np.isfinite(ends).all() else None


def sequence_logo(designs: Sequence[str]) -> str | None:
    """The information of every site over the designs, in bits; None unless they are DNA or RNA of one length, 1000 at most."""
    lengths = {len(design) for design in designs}
    if len(lengths) != 1 or not 1 <= max(lengths) <= LONGEST_LOGO or set("".join(designs)) - set(BASES):
        return None
    bits = _information(designs)
    rows = -(-len(bits) // SITES_A_ROW)
    figure = Figure(figsize=(10, 1.3 * rows), layout="constrained")
    every = figure.subplots(rows, 1, sharey=True, squeeze=False).flatten()
    for row, axes in enumerate(every):
        _draw_row(axes, bits, row * SITES_A_ROW)
    figure.supylabel("bits", fontsize="medium")
    return as_svg(figure)


def _information(designs: Sequence[str]) -> pd.DataFrame:
    """Shares of the bases times what a site tells: 2 bits less its entropy."""
    letters = np.array([list(design) for design in designs])
    found = [base for base in BASES if (letters == base).any()]
    shares = np.stack([(letters == base).mean(0) for base in found], 1)
    entropy = -np.sum(shares * np.log2(np.where(shares > 0, shares, 1)), 1, keepdims=True)
    return pd.DataFrame(shares * (2 - entropy), columns=found, index=range(1, len(shares) + 1))


def _draw_row(axes: Any, bits: pd.DataFrame, first: int) -> None:
    import logomaker

    logomaker.Logo(bits.iloc[first : first + SITES_A_ROW], ax=axes, color_scheme=BASES, show_spines=False)
    axes.set_xlim(first + 0.5, first + SITES_A_ROW + 0.5)
    axes.set_ylim(0, max(0.5, float(bits.sum(axis=1).max())))
    axes.tick_params(labelsize="small")
