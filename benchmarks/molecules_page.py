"""docs/molecule-results.md, from the table that `molecules.py` wrote; no number on the page is typed by hand."""

import numpy as np
import pandas as pd
from differences import VERDICTS, Differences, read_designs, shown_only
from results_page import markdown, shown

from svdd.messages import number

MODELS = {"molecule": "The bundled model", "gdss": "GDSS, trained on ZINC250k"}
REWARDS = {
    "qed": "QED (0 to 1)",
    "sa": "synthetic accessibility, (10 - SA) / 9 (0 to 1)",
    "parp1": "docking to parp1, -Vina score at exhaustiveness 1 (kcal/mol)",
}
REWARD = ("reward_median", "reward_q90", "reward_mean")
WORTH = {
    "validity": "valid", "unique": "unique", "novel": "novel", "distant": "far from known", "fcd": "FCD",
    "fcd_floor": "its floor", "nearest_similarity": "SNN", "scaffold_similarity": "scaffolds",
    "fragment_similarity": "fragments", "diversity": "diversity", "pains": "PAINS", "qed": "QED", "sa": "SA", "logp": "logP",
}  # fmt: skip
COSTS = {"network_asked": "network rows", "network_rows": "computed", "reward_asked": "reward calls",
         "reward_rows": "computed", "seconds": "seconds"}  # fmt: skip
PRETRAINED, SVDD, LEARNED = "pretrained", "svdd", "svdd learned mean"
PAIRS = (("best-of-n, equal network rows", "network rows"), ("best-of-n, equal reward calls", "reward calls"))

HEAD = """# Results on molecules

This page is made by `python benchmarks/molecules.py --page` from the table that `python benchmarks/molecules.py
--case ...` wrote and the designs that it kept. Brackets hold 95 % bootstrap intervals over seeds, then chains. Two methods
are called different only where the 95 % bootstrap interval of their difference, paired by seed, leaves zero out.
What has fewer than 8 chains has no interval and is compared with nothing. Costs are of one design.
QED, SA and the other properties are formulas, so there is no held-out judge of them; docked designs are docked again at
exhaustiveness 8.

SVDD takes the best of M candidates by the reward of the posterior mean, *tempered* and *log-mean-exp* draw in
proportion to exp(reward / temperature), the learned mean is a value network fitted to the model's own roll-outs.
Best-of-n comes from one pool of unguided samples: of as many as SVDD's network rows pay for, and of as many as its
reward calls, or of the whole pool where that is smaller, as the size column tells. *Valid* is after any correction of
valences, *far from known* the share whose nearest known molecule has a Tanimoto similarity below 0.4, SNN the mean of
that similarity. No setting has the 500 designs that a ChemNet distance (FCD) needs, so none is shown. Known
molecules are those that the model was trained on, MOSES' training set for the bundled model and ZINC250k for GDSS; *novel*
is the share that is not among them, stereochemistry left aside.

GDSS is the published checkpoint of ZINC250k, with a corrector step of every candidate (`corrector="each"`): candidates that
share theirs hardly differ. Its network gives a mean, of which log-mean-exp would draw the same again and again, so there is no
such row.

Docking cases have few designs: they are an example of the cost, and decide little. *Blocks* lets M candidates run several steps
before one is chosen by the reward, and so asks for fewer dockings. The learned mean was fitted to few roll-outs, in which a
molecule that does not dock counts as 0."""


def write_page(results, docs):
    """Writes molecule-results.md into a folder."""
    table = shown_only(pd.read_csv(results / "molecules.csv"))
    apart = Differences(read_designs(results / "molecules-designs.parquet", ["case", "label"]))
    cases = [name for name in dict.fromkeys(table["case"])]
    parts = []
    for model, title in MODELS.items():
        mine = [case for case in cases if case.partition("-")[0] == model]
        if mine:
            parts.append(f"## {title}")
            parts += [section(case, table[table["case"] == case].dropna(axis=1, how="all"), apart) for case in mine]
    (docs / "molecule-results.md").write_text("\n\n".join([HEAD, *parts]) + "\n", encoding="utf-8")


def section(case, table, apart):
    facts, reward = table.iloc[0], case.partition("-")[2]
    setting = f"T = {facts['steps']}, seeds: {facts['runs']}, designs: {listed_designs(table)}."
    parts = [f"### {REWARDS[reward]}", f"{setting} {chosen(case)}", rewards_table(table), worth_table(table)]
    return "\n\n".join([*parts, *without_reward(table), *compared(case, table, apart), *hits(table), *fits(table)])


def chosen(name):
    """What a case sets beside its sizes."""
    from molecules import BLOCKS, CASES, LME

    case = CASES[name]
    others = [
        "" if case.every == 1 else f" Choices by the reward are made every {case.every} steps.",
        f" Blocks have {case.length} steps." if BLOCKS in case.families else "",
        f" Log-mean-exp draws {case.draws} x_0 a candidate." if LME in case.families else "",
    ]
    takers = "svdd, blocks and learned values" if BLOCKS in case.families else "svdd and learned values"
    return f"The temperature of all but {takers} is {case.temperature}.{''.join(others)}"


def listed_designs(table):
    counts = table.groupby("designs", sort=False)["label"].apply(list)
    if len(counts) == 1:
        return f"{counts.index[0]} a method"
    most = counts.map(len).idxmax()
    others = "; ".join(f"{n} of {', '.join(labels)}" for n, labels in counts.items() if n != most)
    return f"{most} a method ({others})"


def rewards_table(table):
    titles = ["method", "M or N", "median", "best 10 %", "mean"]
    titles += ["judge, median"] * ("judge_median" in table) + list(COSTS.values())
    measures = [*REWARD, *(["judge_median"] if "judge_median" in table else [])]
    rows = [
        [
            row["label"],
            str(row["size"]),
            *(shown(row, name) for name in measures),
            *(number(row[name]) for name in COSTS),
        ]
        for _, row in table.iterrows()
    ]
    return markdown(titles, rows)


def worth_table(table):
    names = [name for name in WORTH if name in table]
    rows = [
        [row["label"], *(number(row[name]) if np.isfinite(row[name]) else "-" for name in names)]
        for _, row in table.iterrows()
    ]
    return markdown(["method", *(WORTH[name] for name in names)], rows)


def without_reward(table):
    """Designs that the reward found invalid: molecules, but none that docks."""
    told = [
        f"{row['label']} {round((1 - row['valid']) * row['designs'])} of {row['designs']}"
        for _, row in table[table["valid"] < 1].iterrows()
    ]
    if told:
        yield f"Designs without a reward (-inf), which its numbers leave out: {'; '.join(told)}."


def compared(case, table, apart):
    """Where svdd is above, level with or below the others, by the mean of its reward."""
    rows = {row["label"]: row for _, row in table.iterrows()}
    mine = rows.get(SVDD)
    if mine is None:
        return

    def verdict(one, other):
        return apart.verdict((case, one), (case, other), "reward_mean")

    for label, cost in PAIRS:
        if label in rows:
            said = VERDICTS[verdict(SVDD, label)]
            ratio = rows[label][f"{cost.split()[0]}_asked"] / mine[f"{cost.split()[0]}_asked"]
            short = f" (which had {ratio:.0%} of svdd's {cost})" if ratio < 0.8 else ""
            yield f"At equal {cost}, svdd's mean reward is {said} best-of-n's{short}."
    others = [label for label in rows if label not in (SVDD, PRETRAINED, *(label for label, _ in PAIRS))]
    found = {label: verdict(SVDD, label) for label in others}
    for sign, word in VERDICTS.items():
        those = [label for label in others if found[label] == sign]
        if those:
            yield f"It is {word} {', '.join(those)}."
    if LEARNED in rows and PRETRAINED in rows:
        yield f"{LEARNED} is {VERDICTS[verdict(LEARNED, PRETRAINED)]} the pretrained model."


def hits(table):
    """Designs that meet the published criteria."""
    if "hits" not in table:
        return
    told = [
        f"{row['label']} {number(row['hits'])} ({number(row['hits_judged'])}) of {number(row['hit_candidates'])}"
        for _, row in table.iterrows()
    ]
    yield (
        "Different designs that dock better than the target's threshold and have QED > 0.5, SA < 5 and similarity to known "
        f"molecules below 0.4, by the score that was searched for and, in brackets, by the judge's: {'; '.join(told)}."
    )


def fits(table):
    """What a learned value cost before its first design."""
    rows = table[table["fit_seconds"].notna()] if "fit_seconds" in table else table[:0]
    for _, row in rows.iterrows():
        yield (
            f"Before its first design, {row['label']} took {number(row['fit_network_rows'])} network rows, "
            f"{number(row['fit_reward_rows'])} reward calls and {number(row['fit_seconds'])} seconds to fit."
        )
