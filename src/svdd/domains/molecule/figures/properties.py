"""How the properties of a run's molecules are distributed, drawn like the report's other charts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from svdd.decoding.result import Result
from svdd.report.looks import COLOURS, GREY, brief
from svdd.report.plots import as_svg

_PANELS = {"qed": "QED", "sa": "SA score (1: easy)", "logp": "logP", "weight": "weight, Da"}


def property_histograms(result: Result, baselines: Mapping[str, Result]) -> tuple[str | None, list[str]]:
    """QED, SA score, logP and weight of the designs, of other runs, and of the molecules that came with the model.

    Returns:
        The drawing, None without a valid design, and what is drawn.
    """
    from svdd.domains.molecule.measures.properties import BINS, Histogram, property_table
    from svdd.domains.molecule.measures.reference import of_molecule_model

    method = str(result.settings.get("method", "designs"))
    runs = {method: result} | {name: run for name, run in baselines.items() if name != method}
    tables = {name: property_table(run.samples) for name, run in runs.items()}
    if not tables[method]["qed"].notna().any():
        return None, []
    drawn = {name: {p: Histogram.of(p, table[p]) for p in _PANELS} for name, table in tables.items()}
    reference = of_molecule_model(str(result.about.get("name", "")))
    if reference is not None:
        drawn[reference.name] = {p: reference.histograms[p] for p in _PANELS}
    figure = Figure(figsize=(4.8, 4.6), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(2, 2).flatten(), _PANELS.items(), strict=True):
        low, high, bins = BINS[name]
        _panel(axes, np.linspace(low, high, bins + 1), {label: h[name].counts for label, h in drawn.items()}, title)
    handles, labels = axes.get_legend_handles_labels()
    if len(drawn) > 1:
        legend = figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize="small")
        for text in legend.get_texts():
            text.set_parse_math(False)
    return as_svg(figure), list(drawn)


def _panel(axes: Any, edges: Any, counts: Mapping[str, Any], title: str) -> None:
    """Shares over common bins, about ten times as coarse as wide; the first filled."""
    held = [np.flatnonzero(c) for c in counts.values() if c.any()]
    low, high = min(int(h[0]) for h in held), max(int(h[-1]) for h in held) + 1
    step = max(1, (high - low) // 16)
    starts = np.arange(low, high, step)
    for number, (label, c) in enumerate(counts.items()):
        shares = np.add.reduceat(c[low:high], starts - low) / max(c.sum(), 1)
        look: dict[str, Any] = {"fill": True, "alpha": 0.45} if number == 0 else {"linewidth": 1.4}
        colour = GREY if number and number == len(counts) - 1 else COLOURS[number % len(COLOURS)]
        axes.stairs(shares, np.append(edges[starts], edges[high]), color=colour, label=f" {brief(label)}", **look)
    axes.set_xlabel(title, fontsize="small", parse_math=False)
    axes.tick_params(labelsize="small")
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
