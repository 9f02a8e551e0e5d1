"""docs/results.md, stronger-, protein-, molecule- and image-results.md, and the end of cost.md, from benchmarks/results.

    python benchmarks/make_page.py [--results DIR] [--docs DIR]

What the pages say is in benchmarks/pages; no number on them is typed by hand. The pages have figures and pictures beside them.
"""

import argparse
import json
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import yaml
from cost_picture import picture
from differences import VERDICTS, Differences, read_designs, shown_only
from page_tables import label_and_sizes, listed, markdown, shown
from results_figures import MEASURES, PRETRAINED, against_cost, against_size, lines, trade_off
from speed_page import Speed
from stronger_page import DRAWN, PRICES, TIMED, absent, stronger

from svdd.messages import number
from svdd.metrics.intervals import FEW, FEWEST
from svdd.metrics.kit import kit_of
from svdd.registry import bundled, domains

ROOT = Path(__file__).parents[1]
PAGES, JOBS = ROOT / "benchmarks" / "pages", ROOT / "benchmarks" / "jobs"
GREEDY = "svdd, temperature 0"


def settings(name):
    """What a job file holds."""
    return yaml.safe_load((JOBS / f"{name}.yaml").read_text(encoding="utf-8"))


class Case:
    """The rows of one job.

    Args:
        name: of the job.
        title: above its section.
        table: its rows.
        apart: tells which of two rows is higher.
    """

    def __init__(self, name, title, table, apart=None):
        self.name, self.title, self.table, self.apart = name, title, table, apart
        self.facts, self.rows = table.iloc[0], [row for _, row in table.iterrows()]

    @cached_property
    def of(self):
        """Rows by their labels, where a label has one."""
        return {row["label"]: row for row in self.rows}

    def designs(self):
        """How many designs the methods have."""
        counts = self.table.groupby("designs", sort=False)["label"].apply(list)
        most = counts.map(len).idxmax()
        others = "; ".join(f"{n} of {', '.join(labels)}" for n, labels in counts.items() if n != most)
        return f"{most} a method" + (f" ({others})" if others else "")

    def fits(self):
        """A row per fitted value."""
        there = self.table["fit_seconds"].notna() if "fit_seconds" in self.table else []
        return [row for _, row in self.table[there].drop_duplicates("label").iterrows()] if any(there) else []

    def columns(self, titles, kinds=number):
        """A table of the columns that there are, by their titles."""
        names = [name for name in titles if name in self.table]
        rows = [[row["label"], *(kinds(row[name]) for name in names)] for row in self.rows]
        return markdown(["method", *(titles[name] for name in names)], rows)


# --- sequences -----------------------------------------------------------------------------------------------------

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

    def __init__(self, name, title, table, apart):
        moves = table["label"].str.startswith(WITHOUT_M)
        super().__init__(name, title, table[~moves], apart)
        self.whole, self.alone, self.timed = table, [PRETRAINED, *table["label"][moves]], name in TIMED

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
        paid = PAID if self.timed else {cost: words for cost, words in PAID.items() if cost != "seconds"}
        for cost, words in paid.items():
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
        table = shown_only(pd.read_csv(results / f"{name}.csv"))
        yield Sequences(name, title, table, Differences(designs, natural, letters[name]))


# --- molecules -----------------------------------------------------------------------------------------------------

MODELS = {"molecule": "The bundled model", "gdss": "GDSS, trained on ZINC250k"}
TITLES = {
    "qed": "QED (0 to 1)",
    "sa": "synthetic accessibility, (10 - SA) / 9 (0 to 1)",
    "parp1": "docking to parp1, -Vina score at exhaustiveness 1 (kcal/mol)",
}
WORTH = {
    "validity": "valid", "unique": "unique", "novel": "novel", "distant": "far from known", "fcd": "FCD",
    "fcd_floor": "its floor", "nearest_similarity": "SNN", "scaffold_similarity": "scaffolds",
    "fragment_similarity": "fragments", "diversity": "diversity", "pains": "PAINS", "qed": "QED", "sa": "SA", "logp": "logP",
}  # fmt: skip
SPENT = ("network_asked", "network_rows", "reward_asked", "reward_rows", "seconds")
PAIRS = {"network rows": "best-of-n, equal network rows", "reward calls": "best-of-n, equal reward calls"}
LEARNED = "svdd learned mean"


class Molecules(Case):
    """What a page tells of a job of molecules."""

    @cached_property
    def job(self):
        """What the job sets beside its sizes."""
        read = settings(self.name)
        methods = read["methods"]
        draws = methods.get("svdd log-mean-exp", {}).get("value", "").partition("samples=")[2]
        blocks = methods.get("blocks", {}).get("block_length")
        return {"temperature": methods["smc"]["temperature"], "every": read["job"].get("every"), "blocks": blocks,
                "draws": draws}  # fmt: skip

    def rewards_table(self):
        """Rewards and costs."""
        judged = "judge_median" in self.table
        measures = ["reward_median", "reward_q90", "reward_mean", *(["judge_median"] if judged else [])]
        titles = ["method", "M or N", "median", "best 10 %", "mean", *(["judge, median"] if judged else [])]
        titles += ["network rows", "computed", "reward calls", "computed", "seconds"]
        rows = [
            [
                row["label"],
                str(row["size"]),
                *(shown(row, name) for name in measures),
                *(number(row[name]) for name in SPENT),
            ]
            for row in self.rows
        ]
        return markdown(titles, rows)

    def worth_table(self):
        """What else there is to say of the designs."""
        return self.columns(WORTH)

    def lost(self):
        """Designs that the reward found invalid: molecules, but none that docks."""
        return [f"{row['label']} {round((1 - row['valid']) * row['designs'])} of {row['designs']}" for row in self.rows
                if row["valid"] < 1]  # fmt: skip

    def verdict(self, one, other):
        """How the mean reward of one method compares with another's."""
        return VERDICTS[self.apart.verdict((self.name, one), (self.name, other), "reward_mean")]

    def against(self):
        """Svdd against best-of-n of the same cost."""
        for cost, label in PAIRS.items():
            part = f"{cost.split()[0]}_asked"
            ratio = self.of[label][part] / self.of["svdd"][part]
            yield cost, self.verdict("svdd", label), f"{ratio:.0%}" if ratio < 0.8 else ""

    def others(self):
        """Svdd against the other methods."""
        labels = [label for label in self.of if label not in ("svdd", PRETRAINED, *PAIRS.values())]
        found = {label: self.verdict("svdd", label) for label in labels}
        split = [(word, [label for label in labels if found[label] == word]) for word in VERDICTS.values()]
        return [pair for pair in split if pair[1]]

    def learned(self):
        """The learned value against the model itself."""
        return self.verdict(LEARNED, PRETRAINED)

    def hits(self):
        """Designs that meet the published criteria."""
        if "hits" not in self.table:
            return []
        names = ("hits", "hits_judged", "hit_candidates")
        return ["{} {} ({}) of {}".format(row["label"], *(number(row[name]) for name in names)) for row in self.rows]


def molecules(results):
    """The jobs of molecules, by model."""
    table = shown_only(pd.read_csv(results / "molecules.csv"))
    apart = Differences(read_designs(results / "molecules-designs.parquet", ["case", "label"]))
    for model, title in MODELS.items():
        names = [name for name in dict.fromkeys(table["case"]) if name.partition("-")[0] == model]
        own = {name: table[table["case"] == name].dropna(axis=1, how="all") for name in names}
        yield title, [Molecules(name, TITLES[name.partition("-")[2]], rows, apart) for name, rows in own.items()]


# --- images --------------------------------------------------------------------------------------------------------

IMAGES = {
    "compressibility": "minus kB of the JPEG at quality 95",
    "class-score": "log-probability of the prompt's class, nats",
}
PICTURED = ("pretrained", "svdd-temperature-0")


class Images(Case):
    """What a page tells of a job of images."""

    def rewards_table(self):
        """Rewards."""
        names = ("reward_median", "reward_q90", "judge_median")
        rows = [[row["label"], str(row["size"]), *(shown(row, name) for name in names)] for row in self.rows]
        return markdown(["method", "M or N", "median", "best 10 %", "judge, median"], rows)

    def worth_table(self):
        """What else there is to say of the designs."""
        return self.columns({
            "diversity_per_prompt": "diversity in a prompt", "diversity": "diversity", "near_duplicates": "near-duplicates",
            "image_distance": "distance to photographs", "image_distance_floor": "its floor", "sharpness": "sharpness",
        })  # fmt: skip

    def costs_table(self):
        """What a design cost."""
        parts = {"network_rows": "network rows", "decode_rows": "decoded", "value_rows": "value rows"}
        return self.columns(parts | {"reward_rows": "reward rows", "seconds": "seconds"})

    def others(self):
        """Svdd against the other methods, by the mean of its reward."""
        mine = self.of[GREEDY]
        return [(unpaired(mine, row, "reward_mean"), label) for label, row in self.of.items() if label != GREEDY]

    def judged(self):
        """Svdd against the model itself, by the judge."""
        return unpaired(self.of[GREEDY], self.of[PRETRAINED], "judge_median")


def unpaired(one, other, name):
    """How two rows compare by their intervals, as if they shared nothing: no images were kept."""
    apart = one[name] - other[name]
    low = apart - np.hypot(one[name] - one[f"{name}_low"], other[f"{name}_high"] - other[name])
    high = apart + np.hypot(one[f"{name}_high"] - one[name], other[name] - other[f"{name}_low"])
    return VERDICTS[None if np.isnan(low) else int(low > 0) - int(high < 0)]


def images(results):
    """The jobs of images."""
    table = shown_only(pd.read_csv(results / "images.csv"))
    own = {name: table[table["case"] == name].dropna(axis=1, how="all") for name in dict.fromkeys(table["case"])}
    return [Images(name, IMAGES[name], rows) for name, rows in own.items()]


# --- pages ---------------------------------------------------------------------------------------------------------


def pages(results):
    """The text of every page by its name; cost.md keeps what people wrote above its last section."""
    shown_by = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    shown_by.filters |= {"number": number, "label_and_sizes": label_and_sizes}
    cases = stronger(results)
    known = {
        **{page: {"cases": list(sequences(results, page)), "greedy": GREEDY, "fewest": FEWEST} for page in SEQUENCES},
        "molecule-results.md": {"models": list(molecules(results))},
        "image-results.md": {"cases": images(results)},
        "stronger-results.md": {"cases": cases, "absent": absent(cases), "fewest": FEWEST},
    }
    made = {name: shown_by.get_template(f"{name}.j2").render(**facts) for name, facts in known.items()}
    facts = Speed(results / "speed.json").facts()
    above = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8").partition("## Measured\n")[0]
    return made | {"cost.md": above + shown_by.get_template("measured.md.j2").render(**facts)}


def write_pages(results, docs):
    """Writes the pages, figures of sequences and copies of pictures."""
    (docs / "results").mkdir(parents=True, exist_ok=True)
    (docs / "pictures").mkdir(exist_ok=True)
    for name, text in pages(results).items():
        (docs / name).write_text(text, encoding="utf-8")
    panels = json.loads((results / "cost.json").read_text(encoding="utf-8"))
    (docs / "pictures" / "cost.svg").write_text(picture(panels), encoding="utf-8")
    for case in (case for page in SEQUENCES for case in sequences(results, page)):
        for title, draw in (("size", against_size), ("trade-off", trade_off)):
            (docs / "results" / f"{case.name}-{title}.svg").write_text(draw(case.table), encoding="utf-8")
    figure = against_cost([case for case in stronger(results) if case.at("filtered")], PRICES, DRAWN)
    (docs / "results" / "stronger-cost.svg").write_text(figure, encoding="utf-8")
    for file in (f"images-{name}-{label}.png" for name in IMAGES for label in PICTURED):
        (docs / "results" / file).write_bytes((results / file).read_bytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results", help="the folder of tables")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="the folder to write")
    args = parser.parse_args()
    write_pages(args.results, args.docs)


if __name__ == "__main__":
    main()
