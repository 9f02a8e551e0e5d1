"""docs/results.md and its figures, from the tables that `sequences.py` wrote; no number on the page is typed by hand."""

import json

import numpy as np
import pandas as pd
from differences import Differences, read_designs, shown_only
from results_figures import MEASURES, PRETRAINED, against_size, lines, trade_off

from svdd.domains.sequence.alphabets import DNA, RNA
from svdd.domains.sequence.references import of_model
from svdd.messages import number
from svdd.metrics.intervals import FEW, FEWEST
from svdd.registry import bundled
from svdd.report.tables import bracketed

TITLES = {"dna": "DNA: accessible in HepG2", "rna": "RNA: ribosome load of a 5'UTR"}
MODELS = {"dna": "dna-enhancer", "rna": "rna-utr"}
ROWS, REWARDS, GREEDY = "best-of-n, N = M", "best-of-n, N = M T", "svdd, temperature 0"
COSTS = {"network_asked": "network rows", "reward_asked": "reward rows", "seconds": "processor seconds"}
ALPHABETS = {"dna": DNA.letters, "rna": RNA.letters}
REFERENCES = {"dna": "hepg2", "rna": "mrl"}
MATCHED_SIZE = 10


def write_page(results, docs):
    """Writes results.md and results/*.svg into a folder, for the domains whose tables are there."""
    (docs / "results").mkdir(parents=True, exist_ok=True)
    for name, table in tables(results).items():
        for title, draw in (("size", against_size), ("trade-off", trade_off)):
            (docs / "results" / f"{name}-{title}.svg").write_text(draw(table), encoding="utf-8")
    (docs / "results.md").write_text(page(results), encoding="utf-8")


def tables(results):
    there = [name for name in TITLES if (results / f"{name}.csv").exists()]
    return {name: shown_only(pd.read_csv(results / f"{name}.csv")) for name in there}


def differences(results, name):
    """What the rows of a domain are compared by: its designs."""
    natural = of_model(MODELS[name], REFERENCES[name]).words[3]
    kept = read_designs(results / f"{name}-designs.parquet", ["label", "size"])
    return Differences(kept, natural, ALPHABETS[name])


def page(results):
    """The text of results.md."""
    parts = ["\n\n".join(section(name, table, differences(results, name))) for name, table in tables(results).items()]
    return "\n\n".join([HEAD, *parts]) + "\n"


HEAD = """# Results on sequences

This page is made by `python benchmarks/sequences.py --page` from tables that `python benchmarks/sequences.py --domain dna`
(and `rna`) wrote, and from the designs that it kept. Brackets hold 95 % bootstrap intervals over seeds, then chains. The page
calls two settings different only where the 95 % bootstrap interval of their difference, paired by seed, leaves zero out.
What has fewer than 8 chains has no interval and is compared with nothing.

M is the number of candidates of svdd and of particles of SMC. *best-of-n, N = M* costs svdd's network rows; *best-of-n, N =
M T* costs its reward rows and T times its network rows, with fewer designs where the pool of samples it is taken from ends.
At M = 1 there is nothing to choose, so all methods are the pretrained model. The guide is the reward that was decoded
towards; the judge is a network of another shape, trained on other data. Best-of-N of all M comes from the same pool. Seconds
are of one thread of a processor that also did other work.

At a positive temperature a method is after designs in proportion to exp(reward / temperature), not after the largest reward:
look at what it keeps of likelihood, words and diversity too."""


def section(name, table, apart):
    facts, rows = table.iloc[0], []
    rows.append(f"## {TITLES[name]}")
    rows.append(
        f"T = {facts['steps']} steps, {facts['runs']} seeds, {facts['designs']} designs a setting unless a table says "
        f"otherwise. Every setting is in [{name}.csv](../benchmarks/results/{name}.csv)."
    )
    rows.append(f"![Measures against M](results/{name}-size.svg)")
    rows.append(f"![Guiding reward against held-out reward and likelihood](results/{name}-trade-off.svg)")
    rows += ["### What came out", main_table(table), *natural(MODELS[name], table)]
    rows += ["### Against best-of-N", *against_best_of_n(table, apart)]
    rows += ["### Is the reward hacked?", *hacking(table, apart)]
    rows.append("### At equal cost")
    for cost, words in COSTS.items():
        rows += matched(table, cost, words)
    return [*rows, *fits(table)]


def shown(row, name):
    if not np.isfinite(row[name]):
        return "-"
    return bracketed(dict(row), name)


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


def natural(model, table):
    """What the oracles say of natural sequences, from the statistics that came with the model."""
    groups = json.loads(bundled(model, "reference.json").read_text(encoding="utf-8"))["groups"]
    rows = []
    for name, group in groups.items():
        found = [group["oracle_quantiles"][oracle] for oracle in ("guide", "judge")]
        cells = [f"{number(q['0.5'])} ({number(q['0.05'])} to {number(q['0.95'])})" for q in found]
        rows.append([name.replace("_", " "), number(group["n"]), *cells])
    titles = ["group", "sequences", MEASURES["reward_mean"], MEASURES["judge_mean"]]
    yield f"Natural sequences for comparison: median and, in brackets, 5 to 95 %.\n\n{markdown(titles, rows)}"
    for oracle, measure in (("guide", "reward_mean"), ("judge", "judge_mean")):
        highest = max(group["oracle_quantiles"][oracle]["0.95"] for group in groups.values())
        beyond = {
            label: [size for size, row in at(table, label).items() if row[f"{measure}_low"] > highest]
            for label, _ in lines(table)
        }
        those = "; ".join(f"{label} ({listed(sizes)})" for label, sizes in beyond.items() if sizes)
        above = f"Mean {MEASURES[measure]} above {number(highest)}, beyond the highest 5 % of every natural group"
        yield f"{above}, where the oracle extrapolates: {those or 'none'}."


def at(table, label):
    group = table[table["label"] == label]
    return {row["size"]: row for _, row in group.iterrows()}


def listed(sizes):
    return "M = " + ", ".join(map(str, sizes)) if sizes else "no M"


def key(row):
    """What names a row of a table."""
    return row["label"], row["size"]


def enough(row):
    """Whether a row has chains enough to be compared; each design is of a chain of its own."""
    return row["designs"] >= FEWEST


def against_best_of_n(table, apart):
    """At which M each method is above, level with or below best-of-n of the same cost, by both rewards."""
    learned, several = "svdd learned", "svdd log-mean-exp"
    for best, cost, chosen in (
        (ROWS, "the network rows of the others with the posterior mean", lambda label: not label.startswith(learned)),
        (REWARDS, "their reward rows", lambda label: not label.startswith((learned, several))),
        (ROWS, "the reward rows of svdd with a learned value", lambda label: label.startswith(learned)),
    ):
        others, rows = at(table, best), []
        for label in [label for label, _ in lines(table) if label not in (ROWS, REWARDS) and chosen(label)]:
            mine = at(table, label)
            common = [size for size in mine if size in others and enough(others[size])]
            for measure in ("reward_mean", "judge_mean"):
                found = {size: apart.verdict(key(mine[size]), key(others[size]), measure) for size in common}
                split = [listed([size for size in common if found[size] == sign]) for sign in (1, 0, -1)]
                rows.append([label, MEASURES[measure], *split])
        titles = ["method", "measured by", "better than best-of-N at", "no difference shown at", "worse at"]
        yield f"*{best}* costs {cost}.{caution(others)}\n\n{markdown(titles, rows)}"
    for best, budget in ((ROWS, "network rows"), (REWARDS, "reward rows")):
        yield plainly(table, best, budget, apart)
    yield (
        "Log-mean-exp asks for four reward rows where the posterior mean asks for one, and a learned value for T network rows "
        "and M reward rows a design; what fitting it cost is below."
    )


def caution(rows):
    """What is said of rows with few designs."""
    none = ", ".join(f"{row['designs']} at M = {size}" for size, row in rows.items() if not enough(row))
    few = ", ".join(
        f"{row['designs']} at M = {size}" for size, row in rows.items() if enough(row) and row["designs"] < FEW
    )
    left_out = f" Left out, for want of {FEWEST} designs: {none}." if none else ""
    return left_out + (f" Of few designs ({few}) the intervals are too narrow." if few else "")


def plainly(table, best, budget, apart):
    mine, others = at(table, GREEDY), at(table, best)
    common = [size for size in mine if size in others and enough(others[size])]
    found = [
        f"at M = {size} by the {MEASURES[measure]} ({number(mine[size][measure])} against {number(others[size][measure])})"
        for measure in ("reward_mean", "judge_mean")
        for size in common
        if apart.verdict(key(mine[size]), key(others[size]), measure) < 1
    ]
    if not found:
        return f"Plainly: at equal {budget}, {GREEDY}, beats best-of-N at every M that is compared, by both rewards."
    return f"Plainly: at equal {budget}, {GREEDY}, is not shown to beat best-of-N {'; '.join(found)}."


def hacking(table, apart):
    """How much of the gain the judge confirms, and pairs of settings where the guide rises and the judge falls."""
    base, rows = table[table["label"] == PRETRAINED].iloc[0], []
    for label, group in lines(table):
        top = group.loc[group["size"].idxmax()]
        guide, judge = top["reward_mean"] - base["reward_mean"], top["judge_mean"] - base["judge_mean"]
        share = f"{judge / guide:.0%}" if apart.verdict(key(top), key(base), "reward_mean") else "-"
        rows.append([label, str(top["size"]), number(guide), number(judge), share])
    yield (
        "Gains over the pretrained model at the largest M, and the share of the guide's gain that the judge confirms:\n\n"
        + markdown(["method", "M", "gain of the guide", "gain of the judge", "confirmed"], rows)
    )
    pairs = [
        (one, other)
        for label, group in lines(table)
        for (_, one), (_, other) in zip(group.iterrows(), list(group.iterrows())[1:], strict=False)
        if apart.verdict(key(other), key(one), "reward_mean") == 1
        and apart.verdict(key(other), key(one), "judge_mean") == -1
    ]
    if not pairs:
        yield "From no M to the next does the judge fall while the guide rises, as far as the designs tell."
    for one, other in pairs:
        yield (
            f"Hacked: {other['label']}, from M = {one['size']} to {other['size']}: the guide rises from "
            f"{number(one['reward_mean'])} to {number(other['reward_mean'])}, the judge falls from "
            f"{number(one['judge_mean'])} to {number(other['judge_mean'])}."
        )
    for measure in ("elbo_per_base", "correlation_3mer", "diversity"):
        yield price(table, base, measure, apart)


def price(table, base, measure, apart):
    """Whose designs, at the largest M, differ from the model's own samples."""
    ends = [(label, group.loc[group["size"].idxmax()]) for label, group in lines(table)]
    signs = {label: apart.verdict(key(top), key(base), measure) for label, top in ends}
    found = {sign: [label for label in signs if signs[label] == sign] for sign in (1, -1)}
    words = [f"{side} for {'; '.join(found[sign])}" for sign, side in ((1, "higher"), (-1, "lower")) if found[sign]]
    own = f"{MEASURES[measure]}, at the largest M against the pretrained model's {number(base[measure])}"
    return f"{own[0].upper()}{own[1:]}: {', '.join(words) or 'no difference shown for any method'}."


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


def fits(table):
    """What the learned values cost before their first design."""
    rows = table[table["fit_seconds"].notna()] if "fit_seconds" in table else table[:0]
    for _, row in rows.drop_duplicates("label").iterrows():
        effective, rollouts = row.get("fit_effective", np.nan), row.get("fit_rollouts", np.nan)
        few = f"; its soft value rests on {number(effective)} of {number(rollouts)} roll-outs"
        yield (
            f"Before its first design, {row['label']}, took {number(row['fit_network_rows'])} network rows, "
            f"{number(row['fit_reward_rows'])} reward rows and {number(row['fit_seconds'])} processor seconds to fit"
            f"{few if np.isfinite(effective) else ''}. The fit is one for all seeds and M."
        )
