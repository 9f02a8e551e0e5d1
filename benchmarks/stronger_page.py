"""What docs/stronger-results.md says of the jobs stronger-*: rewards beside costs, differences, and where each method loses."""

from functools import cached_property
from pathlib import Path

import pandas as pd
import yaml
from differences import VERDICTS, Differences, read_designs, shown_only
from page_tables import markdown, shown

from svdd.messages import number
from svdd.metrics.intervals import FEWEST

JOBS = Path(__file__).parent / "jobs"
TITLES = {
    "dna": "DNA: accessible in HepG2",
    "rna": "RNA: ribosome load of a 5'UTR",
    "molecule": "Molecules: QED",
}
PRETRAINED, BEST, SVDD = "pretrained", "best-of-n", "svdd"
COSTS = {"network_asked": "network rows", "reward_asked": "reward calls", "seconds": "processor seconds"}
PRICES = {"network_asked": "network rows", "reward_asked": "reward calls"}
"""The costs of the picture."""
DRAWN = (PRETRAINED, BEST, SVDD, "filtered", "screen", "refine, 5 % of the steps", "refine, 10 % of the steps")
"""The labels of the picture."""
SPENT = {
    "network_asked": "network rows", "network_rows": "computed", "reward_asked": "reward rows", "reward_rows": "computed",
    "seconds": "seconds",
}  # fmt: skip
WORTH = {
    "elbo_per_base": "likelihood bound, nats a letter", "correlation_3mer": "3-mer correlation with natural",
    "validity": "valid", "fragment_similarity": "fragments like known ones", "diversity": "diversity", "unique": "unique",
}  # fmt: skip
REWARDS = {"reward_mean": "guiding reward", "judge_mean": "held-out reward"}
COMPARED = {**REWARDS, "elbo_per_base": "likelihood bound", "diversity": "diversity"}


class Stronger:
    """The rows of one job.

    Args:
        name: of the case.
        table: its rows.
        apart: tells how two rows differ.
    """

    def __init__(self, name, table, apart):
        self.name, self.title, self.table, self.apart = name, TITLES[name], table, apart
        self.facts, self.rows = table.iloc[0], [row for _, row in table.iterrows()]

    @cached_property
    def judged_by(self):
        """The measure that nothing was decoded towards; the guide's own mean where there is no judge."""
        there = "judge_mean" in self.table and self.table["judge_mean"].notna().any()
        return "judge_mean" if there else "reward_mean"

    @cached_property
    def compared(self):
        """The measures that the rows are compared by, with their titles; beside rewards, those of sequences."""
        known = COMPARED if "elbo_per_base" in self.table else REWARDS
        return {name: title for name, title in known.items() if name in self.table and self.table[name].notna().any()}

    def seeds(self):
        """How many seeds are done, of how many that the job asks for."""
        asked = yaml.safe_load((JOBS / f"stronger-{self.name}.yaml").read_text(encoding="utf-8"))["seeds"]
        return f"{self.facts['runs']} of {asked}"

    def named(self, row):
        """What a row is called: its label, and its size where the label has several."""
        several = (self.table["label"] == row["label"]).sum() > 1
        return f"{row['label']}, {'N' if row['label'] == BEST else 'M'} = {row['size']}" if several else row["label"]

    def at(self, label):
        """The rows of a label."""
        return [row for row in self.rows if row["label"] == label]

    def guided(self):
        """The rows of every method but best-of-n and the model itself."""
        return [row for row in self.rows if row["label"] not in (PRETRAINED, BEST)]

    def rewards_table(self):
        """Rewards, and what a design cost."""
        measures = [name for name in REWARDS if name in self.compared]
        titles = ["method", "designs", *(REWARDS[name] for name in measures), *SPENT.values()]
        rows = [
            [
                self.named(row),
                str(row["designs"]),
                *(shown(row, name) for name in measures),
                *(number(row[name]) for name in SPENT),
            ]
            for row in self.rows
        ]
        return markdown(titles, rows)

    def worth_table(self):
        """Naturalness and diversity."""
        names = [name for name in WORTH if name in self.table and self.table[name].notna().any()]
        rows = [[self.named(row), *(shown(row, name) for name in names)] for row in self.rows]
        return markdown(["method", *(WORTH[name] for name in names)], rows)

    def between(self, one, other, measure):
        """How much higher one row is than another, with the interval of the difference."""
        keys = ((self.name, row["label"], row["size"]) for row in (one, other))
        return self.apart.between(*keys, measure)

    def cell(self, one, other, measure):
        """The difference of two rows; a dash where there are too few chains."""
        apart, low, high = self.between(one, other, measure)
        return f"{number(apart)} ({number(low)} to {number(high)})" if low == low else "-"

    def differences_table(self):
        """Every row against svdd: costs as multiples of its costs, and differences."""
        base, measures = self.at(SVDD)[0], self.compared
        rows = [
            [
                self.named(row),
                *(number(row[cost] / base[cost]) for cost in COSTS),
                *(self.cell(row, base, name) for name in measures),
            ]
            for row in self.rows
            if row["label"] != SVDD
        ]
        return markdown(["method", *(f"{cost}, times" for cost in COSTS.values()), *measures.values()], rows)

    def against_svdd(self):
        """The verdicts on svdd, each with the rows that it stands in; best-of-n and the model itself are left out."""
        base, found = self.at(SVDD)[0], {word: [] for word in VERDICTS.values()}
        for row in self.guided():
            keys = ((self.name, one["label"], one["size"]) for one in (row, base))
            found[VERDICTS[self.apart.verdict(*keys, self.judged_by)]] += [self.named(row)] if row is not base else []
        return [(word, names) for word, names in found.items() if names]

    def best_table(self):
        """Every guided row against the best-of-n that costs what it costs, by each cost."""
        titles = [f"equal {cost}" for cost in COSTS.values()]
        rows = [[self.named(row), *(self._against_best(row, cost) for cost in COSTS)] for row in self.guided()]
        return markdown(["method", *titles], rows)

    def _against_best(self, row, cost):
        """A difference and the N of the best-of-n whose cost is nearest, within a factor of 1.5."""
        near = [(abs(other[cost] / row[cost] - 1), other) for other in (*self.at(PRETRAINED), *self.at(BEST))]
        other = min(near, key=lambda pair: pair[0])[1]
        ratio = other[cost] / row[cost]
        fits = 1 / 1.5 <= ratio <= 1.5 and other["designs"] >= FEWEST
        return f"N = {other['size']}: {self.cell(row, other, self.judged_by)}" if fits else "-"

    def losses_table(self):
        """For every row and cost, the best of the rows that are above it by the judge and cost no more."""
        rows = [[self.named(row), *(self.best_above(row, cost) for cost in COSTS)] for row in self.rows]
        return markdown(["method", *(f"by {cost}" for cost in COSTS.values())], rows)

    def best_above(self, row, cost):
        """The best row above one at no more than 1.05 times its cost, and how many more there are; a dash for none."""
        above = [other for other in self.rows if other[cost] <= row[cost] * 1.05 and self._is_lower(row, other)]
        if not above:
            return "-"
        best = max(above, key=lambda other: other[self.judged_by])
        return self.named(best) + (f" (and {len(above) - 1} more)" if above[1:] else "")

    def _is_lower(self, row, other, measure=""):
        return self.between(row, other, measure or self.judged_by)[2] < 0

    def paid_in(self):
        """For every measure beside the rewards, the methods whose designs are below the model's own."""
        base = self.at(PRETRAINED)[0]
        for name in (name for name in self.compared if name not in REWARDS):
            lower = [self.named(row) for row in self.rows if self._is_lower(row, base, name)]
            yield COMPARED[name], base[name], lower


def stronger(results):
    """The cases that there are results of."""
    table = shown_only(pd.read_csv(results / "stronger.csv"))
    designs = read_designs(results / "stronger-designs.parquet", ["case", "label", "size"])
    apart = Differences(designs)
    own = {name: table[table["case"] == name].dropna(axis=1, how="all") for name in TITLES}
    return [Stronger(name, rows, apart) for name, rows in own.items() if len(rows)]
