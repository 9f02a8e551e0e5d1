"""The figures of docs/results.md and docs/stronger-results.md: measures against M, against cost, and against each other."""

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from svdd.report.plots import as_svg

PRETRAINED = "pretrained"
MEASURES = {
    "reward_mean": "guiding reward",
    "judge_mean": "held-out reward",
    "elbo_per_base": "likelihood bound, nats a letter",
    "correlation_3mer": "3-mer correlation with natural",
    "correlation_motif": "motif correlation with natural",
    "diversity": "diversity",
    "uaug": "share with AUG",
    "mfe_per_base": "free energy, kcal/mol a letter",
    "composition_divergence": "divergence of the composition, nats",
}
MARKERS = "os^Dv<>PXd"
COLOURS = ("#1f5fa8", "#c2410c", "#4d7c0f", "#7e22ce", "#ca8a04", "#0f766e", "#be185d", "#6b7280", "#111827", "#0284c7")


def lines(table):
    """Label to its rows by M, the pretrained model being M = 1 of all."""
    base = table[table["label"] == PRETRAINED]
    for label, group in table[table["label"] != PRETRAINED].groupby("label", sort=False):
        yield label, (group if 1 in group["size"].tolist() else pd.concat([base, group]))


def drawn(figure):
    """SVG whose letters are text, the same at every drawing."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "results"}):
        return as_svg(figure)


def style(place):
    look = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
    return look | {"markersize": 4, "linewidth": 1}


def against_size(table):
    """A panel a measure, a line a label, against M."""
    measures = [name for name in MEASURES if name in table and table[name].notna().any()]
    height = -(-len(measures) // 2)
    figure = Figure(figsize=(10, 2.8 * height + 0.8), layout="constrained")
    panels = figure.subplots(height, 2, squeeze=False).flatten()
    for axes, measure in zip(panels, measures, strict=False):
        for place, (label, group) in enumerate(lines(table)):
            x = group["size"] * 1.025 ** (place - 4)  # whiskers side by side
            ends = abs(group[[f"{measure}_low", f"{measure}_high"]].to_numpy().T - group[measure].to_numpy())
            axes.errorbar(x, group[measure], yerr=ends, label=label, **style(place))
        axes.set(xscale="log", xlabel="M", title=MEASURES[measure])
        axes.set_xticks(sorted(set(table["size"])), sorted(set(table["size"])))
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(measures) :]:
        axes.remove()
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize="small"
    )
    return drawn(figure)


def trade_off(table):
    """Guiding reward against held-out reward and against likelihood; a line joins the M of a label."""
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, measure in zip(panels, ("judge_mean", "elbo_per_base"), strict=True):
        for place, (label, group) in enumerate(lines(table)):
            bars = {}
            for axis, column in (("x", "reward_mean"), ("y", measure)):
                ends = group[[f"{column}_low", f"{column}_high"]].to_numpy().T
                bars[f"{axis}err"] = abs(ends - group[column].to_numpy())
            axes.errorbar(group["reward_mean"], group[measure], **bars, label=label, elinewidth=0.5, **style(place))
        axes.set(xlabel=MEASURES["reward_mean"], ylabel=MEASURES[measure])
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize="small"
    )
    return drawn(figure)


def against_cost(cases, costs, labels):
    """A row of panels per case and a panel per cost: the measure that judges, a line per label.

    Args:
        cases: each with `title`, `table` and the name of the measure, `judged_by`.
        costs: columns of the tables, with their titles.
        labels: of the lines.
    """
    figure = Figure(figsize=(10, 3.2 * len(cases) + 0.6), layout="constrained")
    panels = figure.subplots(len(cases), len(costs), squeeze=False)
    for case, row in zip(cases, panels, strict=True):
        for axes, (cost, title) in zip(row, costs.items(), strict=True):
            for place, label in enumerate(labels):
                _priced(axes, case.table[case.table["label"] == label], cost, case.judged_by, label, style(place))
            axes.set(xscale="log", xlabel=f"{title} per design", ylabel=MEASURES[case.judged_by], title=case.title)
            axes.spines[["top", "right"]].set_visible(False)
    handles = panels[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    return drawn(figure)


def _priced(axes, group, cost, measure, label, look):
    """The rows of a label from the cheapest to the dearest, with whiskers where they have them."""
    group = group.sort_values(cost)
    ends = abs(group[[f"{measure}_low", f"{measure}_high"]].to_numpy().T - group[measure].to_numpy())
    axes.errorbar(group[cost], group[measure], yerr=ends, label=label, **look)
