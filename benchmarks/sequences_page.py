"""What docs/results.md and docs/protein-results.md say of the jobs of sequences, by M."""

import json
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from differences import Differences, read_designs, shown_only
from page_case import GREEDY, Case, settings
from page_tables import listed, markdown, shown
from results_figures import MEASURES, PRETRAINED, lines
from stronger_tables import timed_apart

from svdd.messages import number
from svdd.metrics.intervals import FEW, FEWEST
from svdd.metrics.kit import kit_of
from svdd.registry import bundled, domains

SEQUENCES = {
    "results.md": {"dna": "DNA: accessible in HepG2", "rna": "RNA: ribosome load of a 5'UTR"},
    "protein-results.md": {"protein": "Stability of miniproteins"},
}
"""The jobs of each page, with their titles."""
ROWS, REWARDS = "best-of-n, N = M", "best-of-n, N = M T"
UNLIKE = {ROWS: ("svdd filtered", "svdd screen"), REWARDS: ("svdd log-mean-exp", "svdd screen")}
"""What does not cost what svdd with the posterior mean costs, by the row of best-of-n that does."""
WITHOUT_M = "refine"
"""The method of a page of M that has no M; its rows are in no figure."""
BOTH = ("reward_mean", "judge_mean")
PAID = {"network_asked": "network rows", "reward_asked": "reward rows", "seconds": "processor seconds"}
SHOWN = ("reward_mean", "judge_mean", "elbo_per_base", "diversity")


class Sequences(Case):
    """What a page tells of a job of sequences, by M."""

    matched_size = 10

    def __init__(self, name, title, table, apart, timed=False):
        moves = table["label"].str.startswith(WITHOUT_M)
        super().__init__(name, title, table[~moves], apart)
        self.whole, self.alone, self.timed = table, [PRETRAINED, *table["label"][moves]], timed

    @cached_property
    def groups(self):
        """Natural sequences: what the oracles say of them, from the statistics that came with the model."""
        model = settings(self.name)["job"]["model"]
        return json.loads(bundled(model, "reference.json").read_text(encoding="utf-8"))["groups"]

    def at(self, label):
        """The rows of a label by M."""
        return {row["size"]: row for row in self.rows if row["label"] == label}

    def verdict(self, one, other, measure):
        """Which of two rows is higher."""
        return self.apart.verdict((one["label"], one["size"]), (other["label"], other["size"]), measure)

    def ends(self):
        """Every label with its row of the largest M."""
        return [(label, group.loc[group["size"].idxmax()]) for label, group in lines(self.table)]

    def main_table(self):
        """All labels at one M, with the pretrained model."""
        chosen = self.whole[(self.whole["size"] == self.matched_size) | self.whole["label"].isin(self.alone)]
        names = [name for name in MEASURES if name in chosen and chosen[name].notna().any()]
        titles = ["method", "designs", "guide, 10 %", *(MEASURES[name] for name in names)]
        rows = [
            [row["label"], str(row["designs"]), number(row["reward_q10"]), *(shown(row, name) for name in names)]
            for _, row in chosen.iterrows()
        ]
        return markdown(titles, rows)

    def natural_table(self):
        """The rewards of groups of natural sequences."""
        rows = []
        for name, group in self.groups.items():
            found = [group["oracle_quantiles"][oracle] for oracle in ("guide", "judge")]
            cells = [f"{number(q['0.5'])} ({number(q['0.05'])} to {number(q['0.95'])})" for q in found]
            rows.append([name.replace("_", " "), number(group["n"]), *cells])
        return markdown(["group", "sequences", *(MEASURES[name] for name in BOTH)], rows)

    def beyond(self):
        """Which settings lie beyond all natural sequences, where an oracle extrapolates."""
        for oracle, measure in zip(("guide", "judge"), BOTH, strict=True):
            highest = max(group["oracle_quantiles"][oracle]["0.95"] for group in self.groups.values())
            sizes = {
                label: [size for size, row in self.at(label).items() if row[f"{measure}_low"] > highest]
                for label, _ in lines(self.table)
            }
            yield MEASURES[measure], highest, [pair for pair in sizes.items() if pair[1]]

    def common(self, label, best):
        """The M at which a method and best-of-n have chains enough to be compared; each design is of a chain of its own."""
        mine, others = self.at(label), self.at(best)
        return [
            (size, mine[size], others[size]) for size in mine if size in others and others[size]["designs"] >= FEWEST
        ]

    def against(self):
        """At which M each method is above, level with or below best-of-n of the same cost, by both rewards."""
        labels = [label for label, _ in lines(self.table) if label not in (ROWS, REWARDS)]
        own = [label for label in labels if label.startswith("svdd learned")]
        alike = {best: [x for x in labels if x not in own and not x.startswith(UNLIKE[best])] for best in UNLIKE}
        for best, cost, chosen in (
            (ROWS, "the network rows of the others with the posterior mean", alike[ROWS]),
            (REWARDS, "their reward rows", alike[REWARDS]),
            (ROWS, "the reward rows of svdd with a learned value", own),
        ):
            counts = {size: row["designs"] for size, row in self.at(best).items()}
            left_out = ", ".join(f"{n} at M = {size}" for size, n in counts.items() if n < FEWEST)
            few = ", ".join(f"{n} at M = {size}" for size, n in counts.items() if FEWEST <= n < FEW)
            yield best, cost, left_out, few, self._split(best, chosen)

    def _split(self, best, labels):
        rows = []
        for label in labels:
            for measure in BOTH:
                found = {size: self.verdict(one, other, measure) for size, one, other in self.common(label, best)}
                split = [listed([size for size in found if found[size] == sign]) for sign in (1, 0, -1)]
                rows.append([label, MEASURES[measure], *split])
        titles = ["method", "measured by", "better than best-of-N at", "no difference shown at", "worse at"]
        return markdown(titles, rows)

    def not_beaten(self, best):
        """Where greedy svdd is not shown to be above best-of-n."""
        for measure in BOTH:
            for size, mine, other in self.common(GREEDY, best):
                if self.verdict(mine, other, measure) < 1:
                    yield size, MEASURES[measure], mine[measure], other[measure]

    def unconfirmed(self, best):
        """The M at which greedy svdd is above best-of-n by the guide, and not by the judge."""
        pairs = [(size, [self.verdict(mine, other, measure) for measure in BOTH])
                 for size, mine, other in self.common(GREEDY, best)]  # fmt: skip
        return [size for size, (guide, judge) in pairs if guide == 1 and judge < 1]

    def gains_table(self):
        """How much of the gain the judge confirms."""
        base, rows = self.table[self.table["label"] == PRETRAINED].iloc[0], []
        for label, top in self.ends():
            guide, judge = (top[measure] - base[measure] for measure in BOTH)
            share = f"{judge / guide:.0%}" if self.verdict(top, base, "reward_mean") else "-"
            rows.append([label, str(top["size"]), number(guide), number(judge), share])
        return markdown(["method", "M", "gain of the guide", "gain of the judge", "confirmed"], rows)

    def hacked(self):
        """Pairs of settings where the guide rises and the judge falls."""
        for _, group in lines(self.table):
            rows = [row for _, row in group.iterrows()]
            for one, other in pairwise(rows):
                if [self.verdict(other, one, measure) for measure in BOTH] == [1, -1]:
                    yield one, other

    def prices(self):
        """Whose designs, at the largest M, differ from the model's own samples."""
        base = self.table[self.table["label"] == PRETRAINED].iloc[0]
        known = ("elbo_per_base", "correlation_3mer", "diversity")
        for measure in (name for name in known if name in self.table and self.table[name].notna().any()):
            signs = {label: self.verdict(top, base, measure) for label, top in self.ends()}
            found = [[label for label in signs if signs[label] == sign] for sign in (1, -1)]
            yield MEASURES[measure], base[measure], *found

    def matched(self):
        """For every label the M whose cost a design is nearest to that of greedy svdd, by each cost."""
        for cost, words in PAID.items():
            budget, rows, apart = self.at(GREEDY)[self.matched_size][cost], [], []
            for label, group in lines(self.table):
                ratio = group[cost] / budget
                row = group.loc[np.log(ratio).abs().idxmin()]
                near = 0.5 <= row[cost] / budget <= 2
                cells = [label, str(row["size"]), number(row[cost]), *(shown(row, name) for name in SHOWN)]
                rows += [cells] if near else []
                apart += [] if near else [(label, ratio.min(), ratio.max())]
            titles = ["method", "M", f"{words} a design", *(MEASURES[name] for name in SHOWN)]
            yield words, budget, markdown(titles, rows), apart


def sequences(results, page):
    """The jobs of sequences of a page."""
    letters = {domain.name: domain.letters for domain in domains()}
    for name, title in SEQUENCES[page].items():
        job, designs = settings(name)["job"], read_designs(results / f"{name}-designs.parquet", ["label", "size"])
        natural = kit_of(name).reference(job["model"], job["reward"]).words[3]
        table = pd.read_csv(results / f"{name}.csv")
        seconds = timed_apart(results, table.assign(job=name, case=""))
        timed = not np.isnan(seconds).any()
        table = shown_only(table.assign(seconds=seconds) if timed else table)
        yield Sequences(name, title, table, Differences(designs, natural, letters[name]), timed)
