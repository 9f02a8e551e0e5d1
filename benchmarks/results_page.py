"""docs/results.md and its figures, from the tables that `sequences.py` wrote; no number on the page is typed by hand."""

import json

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from svdd.models.bundled import bundled
from svdd.report.plots import as_svg
from svdd.report.tables import number

TITLES = {"dna": "DNA: accessible in HepG2", "rna": "RNA: ribosome load of a 5'UTR"}
MODELS = {"dna": "dna-enhancer", "rna": "rna-utr"}
PRETRAINED, ROWS, REWARDS, GREEDY = "pretrained", "best-of-n, N = M", "best-of-n, N = M T", "svdd, temperature 0"
MEASURES = {
    "reward_mean": "guiding reward",
    "judge_mean": "held-out reward",
    "elbo_per_base": "likelihood bound, nats a letter",
    "correlation_3mer": "3-mer correlation with natural",
    "correlation_motif": "motif correlation with natural",
    "diversity": "diversity",
    "uaug": "share with AUG",
    "mfe_per_base": "free energy, kcal/mol a letter",
}
COSTS = {"network_asked": "network rows", "reward_asked": "reward rows", "seconds": "processor seconds"}
MARKERS = "os^Dv<>PXd"
COLOURS = ("#1f5fa8", "#c2410c", "#4d7c0f", "#7e22ce", "#ca8a04", "#0f766e", "#be185d", "#6b7280", "#111827", "#0284c7")
MATCHED_SIZE = 10


def write_page(results, docs):
    """Writes results.md and results/*.svg into a folder, for the domains whose tables are there."""
    (docs / "results").mkdir(parents=True, exist_ok=True)
    for name, table in tables(results).items():
        for title, draw in (("size", against_size), ("trade-off", trade_off)):
            (docs / "results" / f"{name}-{title}.svg").write_text(draw(table), encoding="utf-8")
    (docs / "results.md").write_text(page(results), encoding="utf-8")


def tables(results):
    return {name: pd.read_csv(results / f"{name}.csv") for name in TITLES if (results / f"{name}.csv").exists()}


def page(results):
    """The text of results.md."""
    parts = ["\n\n".join(section(name, table)) for name, table in tables(results).items()]
    return "\n\n".join([HEAD, *parts]) + "\n"


HEAD = """# Results on sequences

This page is made by `python benchmarks/sequences.py --page` from tables that `python benchmarks/sequences.py --domain dna`
(and `rna`) wrote; sentences that compare come from the same tables. Brackets hold 95 % bootstrap intervals over seeds, then
chains. The page calls two settings different only where their intervals do not overlap, which is on the safe side.

M is the number of candidates of svdd and of particles of SMC. *best-of-n, N = M* costs svdd's network rows; *best-of-n, N =
M T* costs its reward rows and T times its network rows, with fewer designs where the pool of samples it is taken from ends.
At M = 1 there is nothing to choose, so all methods are the pretrained model. The guide is the reward that was decoded
towards; the judge is a network of another shape, trained on other data. Best-of-N of all M comes from the same pool. Seconds
are of one thread of a processor that also did other work."""


def section(name, table):
    facts, rows = table.iloc[0], []
    rows.append(f"## {TITLES[name]}")
    rows.append(
        f"T = {facts['steps']} steps, {facts['runs']} seeds, {facts['designs']} designs a setting unless a table says "
        f"otherwise. Every setting is in [{name}.csv](../benchmarks/results/{name}.csv)."
    )
    rows.append(f"![Measures against M](results/{name}-size.svg)")
    rows.append(f"![Guiding reward against held-out reward and likelihood](results/{name}-trade-off.svg)")
    rows += ["### What came out", main_table(table), natural(MODELS[name])]
    rows += ["### Against best-of-N", *against_best_of_n(table)]
    rows += ["### Is the reward hacked?", *hacking(table)]
    rows.append("### At equal cost")
    for cost, words in COSTS.items():
        rows += matched(table, cost, words)
    return rows


def lines(table):
    """Label to its rows by M, the pretrained model being M = 1 of all."""
    base = table[table["label"] == PRETRAINED]
    for label, group in table[table["label"] != PRETRAINED].groupby("label", sort=False):
        yield label, (group if 1 in group["size"].tolist() else pd.concat([base, group]))


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
    return as_svg(figure)


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
    return as_svg(figure)


def shown(row, name):
    if not np.isfinite(row[name]):
        return "-"
    return f"{number(row[name])} ({number(row[f'{name}_low'])} to {number(row[f'{name}_high'])})"


def markdown(titles, rows):
    cells = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


def main_table(table):
    """All labels at one M, with the pretrained model."""
    chosen = table[(table["size"] == MATCHED_SIZE) | (table["label"] == PRETRAINED)]
    measures = [name for name in MEASURES if name in table and chosen[name].notna().any()]
    titles = ["method", "designs", "guide, 10 %", *(MEASURES[name] for name in measures)]
    rows = [
        [row["label"], str(row["designs"]), number(row["reward_q10"]), *(shown(row, name) for name in measures)]
        for _, row in chosen.iterrows()
    ]
    return (
        f"At M = {MATCHED_SIZE}; *guide, 10 %* is the 10 % quantile of the guiding reward.\n\n{markdown(titles, rows)}"
    )


def natural(model):
    """What the oracles say of natural sequences, from the statistics that came with the model."""
    groups = json.loads(bundled(model, "reference.json").read_text(encoding="utf-8"))["groups"]
    rows = []
    for name, group in groups.items():
        found = [group["oracle_quantiles"][oracle] for oracle in ("guide", "judge")]
        cells = [f"{number(q['0.5'])} ({number(q['0.05'])} to {number(q['0.95'])})" for q in found]
        rows.append([name.replace("_", " "), number(group["n"]), *cells])
    titles = ["group", "sequences", MEASURES["reward_mean"], MEASURES["judge_mean"]]
    return f"Natural sequences for comparison: median and, in brackets, 5 to 95 %.\n\n{markdown(titles, rows)}"


def verdict(one, other, name):
    """1 above, -1 below, 0 where the intervals overlap or are not known."""
    return int(one[f"{name}_low"] > other[f"{name}_high"]) - int(one[f"{name}_high"] < other[f"{name}_low"])


def at(table, label):
    group = table[table["label"] == label]
    return {row["size"]: row for _, row in group.iterrows()}


def listed(sizes):
    return "M = " + ", ".join(map(str, sizes)) if sizes else "no M"


def against_best_of_n(table):
    """For both rewards and both budgets: at which M each svdd is above, level with or below best-of-n."""
    labels = [label for label, _ in lines(table) if label not in (ROWS, REWARDS)]
    for budget, best in (("network rows", ROWS), ("reward rows", REWARDS)):
        others, rows = at(table, best), []
        for label in labels:
            mine = at(table, label)
            common = [size for size in mine if size in others]
            for measure in ("reward_mean", "judge_mean"):
                found = {size: verdict(mine[size], others[size], measure) for size in common}
                split = [listed([size for size in common if found[size] == sign]) for sign in (1, 0, -1)]
                rows.append([label, MEASURES[measure], *split])
        designs = ", ".join(f"M = {size}: {row['designs']}" for size, row in others.items())
        yield (
            f"*{best}* costs svdd's {budget} with the posterior mean (designs: {designs}; of "
            f"a dozen or fewer the intervals are too narrow).\n\n"
            + markdown(
                ["method", "measured by", "better than best-of-N at", "no difference shown at", "worse at"], rows
            )
        )
        yield plainly(table, best, budget)


def plainly(table, best, budget):
    mine, others = at(table, GREEDY), at(table, best)
    found = [
        f"at M = {size} by the {MEASURES[measure]} ({number(mine[size][measure])} against {number(others[size][measure])})"
        for measure in ("reward_mean", "judge_mean")
        for size in mine
        if size in others and verdict(mine[size], others[size], measure) < 1
    ]
    if not found:
        return f"Plainly: at equal {budget}, {GREEDY}, beats best-of-N at every M that was run, by both rewards."
    return f"Plainly: at equal {budget}, {GREEDY}, does not beat best-of-N {'; '.join(found)}."


def hacking(table):
    """How much of the gain the judge confirms, and pairs of settings where the guide rises and the judge falls."""
    base, rows = table[table["label"] == PRETRAINED].iloc[0], []
    for label, group in lines(table):
        top = group.loc[group["size"].idxmax()]
        guide, judge = top["reward_mean"] - base["reward_mean"], top["judge_mean"] - base["judge_mean"]
        share = f"{judge / guide:.0%}" if verdict(top, base, "reward_mean") else "-"
        rows.append([label, str(top["size"]), number(guide), number(judge), share])
    yield (
        "Gains over the pretrained model at the largest M, and the share of the guide's gain that the judge confirms:\n\n"
        + markdown(["method", "M", "gain of the guide", "gain of the judge", "confirmed"], rows)
    )
    pairs = [
        (one, other)
        for label, group in lines(table)
        for (_, one), (_, other) in zip(group.iterrows(), list(group.iterrows())[1:], strict=False)
        if verdict(other, one, "reward_mean") == 1 and verdict(other, one, "judge_mean") == -1
    ]
    if not pairs:
        yield "From no M to the next does the judge fall while the guide rises, as far as the intervals tell."
    for one, other in pairs:
        yield (
            f"Hacked: {other['label']}, from M = {one['size']} to {other['size']}: the guide rises from "
            f"{number(one['reward_mean'])} to {number(other['reward_mean'])}, the judge falls from "
            f"{number(one['judge_mean'])} to {number(other['judge_mean'])}."
        )
    yield f"At the largest M: {'; '.join(price(table))}."


def price(table):
    """At the largest M: whose designs the model finds less (or more) likely than its own."""
    base = table[table["label"] == PRETRAINED].iloc[0]
    signs = {1: "more likely than", 0: "as likely, as far as the intervals tell, as", -1: "less likely than"}
    ends = [(label, group.loc[group["size"].idxmax()]) for label, group in lines(table)]
    for sign, words in signs.items():
        those = [label for label, top in ends if verdict(top, base, "elbo_per_base") == sign]
        if those:
            yield f"to the model {words} its own samples are the designs of {' / '.join(those)}"


def matched(table, cost, words):
    """For every label the M whose cost a design is nearest to that of greedy svdd."""
    budget = at(table, GREEDY)[MATCHED_SIZE][cost]
    rows, apart = [], []
    for label, group in lines(table):
        ratio = group[cost] / budget
        row = group.loc[np.log(ratio).abs().idxmin()]
        if not 0.5 <= row[cost] / budget <= 2:
            apart.append(f"{label} ({number(ratio.min())} to {number(ratio.max())} times)")
            continue
        cells = [shown(row, name) for name in ("reward_mean", "judge_mean", "elbo_per_base", "diversity")]
        rows.append([label, str(row["size"]), number(row[cost]), *cells])
    titles = [
        "method",
        "M",
        f"{words} a design",
        *(MEASURES[n] for n in ("reward_mean", "judge_mean", "elbo_per_base", "diversity")),
    ]
    head = f"**By {words}** (svdd at temperature 0 and M = {MATCHED_SIZE}: {number(budget)} a design):"
    yield f"{head}\n\n{markdown(titles, rows)}"
    if apart:
        yield f"Not within a factor of 2 at any M: {'; '.join(apart)}."
    fits = table[table["fit_seconds"].notna()] if "fit_seconds" in table else table[:0]
    for _, row in fits.drop_duplicates("label").iterrows():
        known = np.isfinite(row.get("fit_effective", np.nan))
        few = f", of whose {number(row['fit_rollouts'])} roll-outs {number(row['fit_effective'])} carry the soft value"
        yield (
            f"Not in these rows: fitting {row['label']} took {number(row['fit_network_rows'])} network rows, "
            f"{number(row['fit_reward_rows'])} reward rows and {number(row['fit_seconds'])} processor seconds, once"
            f"{few if known else ''}."
        )
