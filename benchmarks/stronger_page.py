"""What docs/stronger-results.md says of the jobs stronger-*: rewards beside costs, differences, and where each method loses."""

from functools import cached_property

from differences import VERDICTS, Differences, by_row, shown_only
from page_case import settings
from page_tables import lost, markdown, shown
from stronger_tables import BEST, PRETRAINED, SPENT, SVDD, tables

from svdd.messages import number
from svdd.metrics.intervals import FEWEST

TITLES = {
    "dna": "DNA: accessible in HepG2",
    "rna": "RNA: ribosome load of a 5'UTR",
    "protein": "Proteins: stability of miniproteins",
    "backbones": "Sequences for backbones: stability against the native one",
    "molecule": "Molecules: QED",
    "gdss": "Graphs of GDSS: QED",
    "images": "Images: log-probability of a cat",
    "docking-20": "Docking to PARP1: 20 calls per design",
    "docking-100": "Docking to PARP1: 100 calls per design",
}
PRICES = {"network_asked": "network rows", "reward_asked": "reward calls"}
"""The costs of the picture."""
COSTS = {**PRICES, "seconds": "processor seconds"}
DRAWN = (
    PRETRAINED, BEST, SVDD, "filtered", "screen", "refine, 5 % of the steps", "refine, 10 % of the steps",
    "refine, 5 % of the steps, temperature 0",
)  # fmt: skip
"""The labels of the picture."""
WORTH = {
    "elbo_per_base": "likelihood bound, nats a letter", "correlation_3mer": "3-mer correlation with natural",
    "composition_divergence": "divergence of the composition, nats", "recovery": "native letters",
    "image_distance": "distance to photographs", "sharpness": "sharpness",
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
        file: the name of its job, where it is not that of the case.
    """

    def __init__(self, name, table, apart, file=""):
        self.name, self.title, self.table, self.apart = name, TITLES[name], table, apart
        self.facts, self.rows = table.iloc[0], [row for _, row in table.iterrows()]
        self.file = file or f"stronger-{name}"

    @cached_property
    def job(self):
        """What its job file holds."""
        return settings(self.file)

    @cached_property
    def costs(self):
        """What rows are compared at; seconds where all rows were timed."""
        return COSTS if "seconds" in self.table and self.table["seconds"].notna().all() else PRICES

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
        return f"{self.facts['runs']} of {self.job['seeds']}"

    def steps(self):
        """T, and what differs from it."""
        others = {row["label"]: row["steps"] for row in self.rows if row["steps"] != self.facts["steps"]}
        said = "".join(f", {steps} of {label}" for label, steps in others.items())
        return f"{self.facts['steps']}{said}"

    def missing(self):
        """The methods of the job that are not run yet."""
        return [label for label in self.job["methods"] if not self.at(label)] if self.name not in RENAMED else []

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
        spent = {name: title for name, title in SPENT.items() if name != "seconds" or name in self.costs}
        titles = ["method", "designs", *(REWARDS[name] for name in measures), *spent.values()]
        rows = [
            [
                self.named(row),
                str(row["designs"]),
                *(shown(row, name) for name in measures),
                *(number(row[name]) for name in spent),
            ]
            for row in self.rows
        ]
        return markdown(titles, rows)

    def lost(self):
        """Designs that the reward found invalid, of each method that has some."""
        return lost(self.rows, self.named)

    def worth(self):
        """The measures of naturalness and diversity that there are."""
        return [name for name in WORTH if name in self.table and self.table[name].notna().any()]

    def worth_table(self):
        """Naturalness and diversity."""
        names = self.worth()
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
                *(number(row[cost] / base[cost]) for cost in self.costs),
                *(self.cell(row, base, name) for name in measures),
            ]
            for row in self.rows
            if row["label"] != SVDD
        ]
        return markdown(["method", *(f"{cost}, times" for cost in self.costs.values()), *measures.values()], rows)

    def against_svdd(self):
        """The verdicts on svdd, each with the rows that it stands in; best-of-n and the model itself are left out."""
        base, found = self.at(SVDD)[0], {word: [] for word in VERDICTS.values()}
        for row in self.guided():
            keys = ((self.name, one["label"], one["size"]) for one in (row, base))
            found[VERDICTS[self.apart.verdict(*keys, self.judged_by)]] += [self.named(row)] if row is not base else []
        return [(word, names) for word, names in found.items() if names]

    def best_table(self):
        """Every guided row against the best-of-n that costs what it costs, by each cost."""
        titles = [f"equal {cost}" for cost in self.costs.values()]
        rows = [[self.named(row), *(self._against_best(row, cost) for cost in self.costs)] for row in self.guided()]
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
        rows = [[self.named(row), *(self.best_above(row, cost) for cost in self.costs)] for row in self.rows]
        return markdown(["method", *(f"by {cost}" for cost in self.costs.values())], rows)

    def best_above(self, row, cost):
        """The best row above one at no more than 1.05 times its cost, and how many more there are; a dash for none."""
        above = [other for other in self.rows if other[cost] <= row[cost] * 1.05 and self._is_lower(row, other)]
        if not above:
            return "-"
        best = max(above, key=lambda other: other[self.judged_by])
        return self.named(best) + (f" (and {len(above) - 1} more)" if above[1:] else "")

    def gains_table(self):
        """How much of the gain over the model itself the judge confirms."""
        base, rows = self.at(PRETRAINED)[0], []
        for row in self.rows[1:]:
            guide, judge = (row[measure] - base[measure] for measure in REWARDS)
            share = f"{judge / guide:.0%}" if self._is_lower(base, row, "reward_mean") else "-"
            rows.append([self.named(row), number(guide), number(judge), share])
        return markdown(["method", "gain of the guide", "gain of the judge", "confirmed"], rows)

    def gamed(self):
        """Rows that are above others by the guide and below them by the judge, each with those others."""
        for row in self.rows:
            lower = [self.named(other) for other in self.rows if self._is_gamed(row, other)]
            if lower:
                yield f"{self.named(row)} against {', '.join(lower)}"

    def _is_gamed(self, row, other):
        return self._is_lower(other, row, "reward_mean") and self._is_lower(row, other, "judge_mean")

    def _is_lower(self, row, other, measure=""):
        return self.between(row, other, measure or self.judged_by)[2] < 0

    def paid_in(self):
        """For every measure beside the rewards, the methods whose designs are below the model's own."""
        base = self.at(PRETRAINED)[0]
        for name in (name for name in self.compared if name not in REWARDS):
            lower = [self.named(row) for row in self.rows if self._is_lower(row, base, name)]
            yield COMPARED[name], base[name], lower


FILES = {"protein": "protein", "backbones": "backbones-ddg"}
"""The jobs of cases that are not called stronger-CASE."""
RENAMED = ("protein",)
"""Cases whose job calls its methods otherwise."""


def stronger(results):
    """The cases that there are results of."""
    table, designs = tables(results)
    table, apart = shown_only(table), Differences(by_row(designs, ["case", "label", "size"]))
    own = {name: table[table["case"] == name].dropna(axis=1, how="all") for name in TITLES}
    return [Stronger(name, rows, apart, FILES.get(name, "")) for name, rows in own.items() if len(rows)]


def absent(cases):
    """The titles of the cases that there are no results of."""
    there = {case.name for case in cases}
    return [title for name, title in TITLES.items() if name not in there]
