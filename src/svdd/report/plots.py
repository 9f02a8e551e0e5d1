"""The report's figures, as SVG text; matplotlib's global state is neither read nor changed."""

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from svdd.report.looks import BLUE, COLOURS, GREY, MARKERS, brief

if TYPE_CHECKING:
    from svdd.report.traces import Genealogy


class Drawing(Figure):  # type: ignore[misc]
    """A figure that notebooks show, whatever the state of pyplot."""

    def _repr_svg_(self) -> str:
        return as_svg(self)


def as_svg(figure: Figure) -> str:
    """The figure as SVG text, its letters drawn as shapes, without a date."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # of a name that a user gave
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _axes(height: float | int, x: str, y: str) -> tuple[Figure, Any]:
    """Axes as wide as half a page, which is a whole page of a telephone."""
    figure = Drawing(figsize=(4.8, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, parse_math=False)
    axes.set_ylabel(y, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(axes: Any, **where: Any) -> None:
    for text in axes.legend(frameon=False, fontsize="small", **where).get_texts():
        text.set_parse_math(False)


def value_by_step(trace: pd.DataFrame) -> str | None:
    """Median and 10 to 90 % band of the survivors' values at every scored step; None if fewer than two were scored."""
    finite = trace.loc[np.isfinite(trace["value"]), ["step", "value"]].rename(columns={"value": "number"})
    return by_step({"survivors": finite}, "value, in units of the reward") if finite["step"].nunique() > 1 else None


def by_step(series: Mapping[str, pd.DataFrame], y: str, bottom: float | int | None = None) -> str:
    """Median and 10 to 90 % band of numbers at every step.

    Args:
        series: of each name, a table with columns `step` and `number`.
        y: what the numbers are.
        bottom: where the axis begins; open unless given.
    """
    figure, axes = _axes(3.0, "step", y)
    for number, (name, table) in enumerate(series.items()):
        bands, colour = table.groupby("step")["number"].quantile(np.array([0.1, 0.5, 0.9])).unstack(), COLOURS[number]
        axes.fill_between(bands.index, bands[0.1], bands[0.9], color=colour, alpha=0.18, linewidth=0)
        axes.plot(bands.index, bands[0.5], color=colour, label=name, linestyle=("-", "--")[number % 2])
    axes.set_ylim(bottom=bottom)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(series) > 1:
        _legend(axes)
    return as_svg(figure)


def family_tree(tree: "Genealogy") -> str:
    """A line from every particle of a chain to its parent, dark where it leads to the end."""
    from matplotlib.collections import LineCollection

    figure, axes = _axes(3.0, "step", "particle")
    step = np.broadcast_to(tree.steps[1:, None], tree.parent[1:].shape)
    place = np.broadcast_to(np.arange(tree.parent.shape[1]), step.shape)
    before = np.broadcast_to(tree.steps[:-1, None], step.shape)
    lines = np.stack([np.stack([before, tree.parent[1:]], -1), np.stack([step, place], -1)], -2)
    for living, colour, width in ((False, "#cbd5e1", 0.6), (True, BLUE, 1.4)):
        axes.add_collection(LineCollection(list(lines[tree.living[1:] == living]), colors=colour, linewidths=width))
    axes.autoscale_view()
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    return as_svg(figure)


def reward_histogram(rewards: Mapping[str, Any]) -> str | None:
    """As `reward_figure`, as SVG text."""
    figure = reward_figure(rewards)
    return None if figure is None else as_svg(figure)


def reward_figure(rewards: Mapping[str, Any]) -> Figure | None:
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
        axes.hist(r, edges, weights=share, color=colour, label=f" {brief(name)}", **drawn)
    if len(finite) > 1:
        _legend(axes)
    return figure


def held_out_scatter(reward: Any, judge: Any, names: tuple[str, str], same_unit: bool) -> str | None:
    """A point a design, guiding reward against held-out reward; None if no design has both.

    Args:
        reward: what guided.
        judge: what did not.
        names: of the two.
        same_unit: draws the line where both agree.
    """
    x, y = np.asarray(reward, float), np.asarray(judge, float)
    both = np.isfinite(x) & np.isfinite(y)
    if not both.any():
        return None
    figure, axes = _axes(4.0, f"guiding reward\n{brief(names[0])}", f"held-out reward\n{brief(names[1])}")
    axes.scatter(x[both], y[both], s=18, color=BLUE, alpha=0.6, linewidths=0, label="designs")
    if same_unit:
        ends = [min(x[both].min(), y[both].min()), max(x[both].max(), y[both].max())]
        axes.plot(ends, ends, color=GREY, linewidth=1, linestyle="--", label="equal")
        _legend(axes)
    return as_svg(figure)


def against(found: pd.DataFrame, x: str, y: str, x_words: str, y_words: str, scale: str = "linear") -> str | None:
    """A labelled point a row, with whiskers from `_low` to `_high`; None if no row has both numbers.

    Rows with the same `method`, where there is such a column, are joined by a line and told by `point` and a legend.
    """
    rows = found[np.isfinite(found[x]) & np.isfinite(found[y])] if y in found else found[:0]
    if rows.empty:
        return None
    figure, axes = _axes(4.4, x_words, y_words)
    lines = [(name, part) for name, part in rows.groupby("method" if "method" in rows else "label", sort=False)]
    for number, (name, part) in enumerate(lines):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        axes.plot(part[x], part[y], color=colour, marker=marker, markersize=5, linewidth=1, label=f" {brief(name)}")
        for _, row in part.iterrows():
            bars = {f"{which}err": _whiskers(row, column) for which, column in (("x", x), ("y", y))}
            axes.errorbar(row[x], row[y], **bars, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.6)
            place = {"xytext": (5, 4), "textcoords": "offset points", "fontsize": "small", "color": colour}
            words = row["point"] if "point" in row else brief(row["label"])
            axes.annotate(words, (row[x], row[y]), parse_math=False, **place)
    axes.set_xscale(scale)
    axes.margins(0.12)
    if "method" in rows:
        beside = max(1, 50 // (8 + max(len(brief(name)) for name, _ in lines)))
        _legend(axes, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=min(len(lines), beside, 3))
    return as_svg(figure)


def _whiskers(row: Any, name: str) -> list[list[float]] | None:
    if f"{name}_low" not in row:
        return None
    ends = row[name] - row[f"{name}_low"], row[f"{name}_high"] - row[name]
    return [[max(float(end), 0.0)] for end in ends] if np.isfinite(ends).all() else None


def curve_figure(rows: pd.DataFrame, best: float | int, judge: str) -> Figure:
    """The expected judge along laws that lie ever farther from a pool: temperatures that fall, or N that grows.

    Args:
        rows: columns `at` (infinite first where these are temperatures), `judge` with its bounds, and `reliable`.
        best: the law that is marked.
        judge: its name.
    """
    tilts = np.isinf(rows["at"].iloc[0])
    figure, axes = _axes(3.0, "temperature" if tilts else "N", f"expected held-out reward\n{brief(judge)}")
    places = 1 / rows["at"] if tilts else rows["at"]
    told = rows["reliable"].to_numpy()
    axes.fill_between(places, rows["judge_low"], rows["judge_high"], color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(places, rows["judge"], color=BLUE, linestyle="--")
    axes.plot(places[told], rows["judge"][told], color=BLUE)
    axes.axvline(1 / best if tilts else best, color=COLOURS[1], linewidth=1)
    axes.axvspan(places[told].max(), places.max(), color=GREY, alpha=0.12, linewidth=0)
    if not tilts:
        axes.set_xscale("log")
        return figure
    ticks = np.linspace(0, places.max(), 6)
    axes.set_xticks(ticks, ["none", *(f"{1 / tick:.2g}" for tick in ticks[1:])])
    return figure


def quantile_bars(found: pd.DataFrame, name: str, x: str) -> str | None:
    """A bar a row from the 10 to the 90 % quantile, the median on it with its interval; None if no row has numbers."""
    rows = found[np.isfinite(found[f"{name}_median"])] if f"{name}_median" in found else found[:0]
    if rows.empty:
        return None
    figure, axes = _axes(1.2 + 0.34 * len(rows), x, "")
    for place, (_, row) in enumerate(rows.iterrows()):
        axes.plot([row[f"{name}_q10"], row[f"{name}_q90"]], [place, place], color=BLUE, alpha=0.3, linewidth=8)
        bar = _whiskers(row, f"{name}_median")
        axes.errorbar(row[f"{name}_median"], place, xerr=bar, fmt="o", color=BLUE, markersize=5, capsize=3)
    ticks = axes.set_yticks(range(len(rows)), [brief(label) for label in rows["label"]], fontsize="small")
    for tick in ticks:
        tick.label1.set_parse_math(False)
    axes.invert_yaxis()
    return as_svg(figure)
