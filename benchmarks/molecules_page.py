"""What docs/molecule-results.md says of the jobs of molecules."""

from functools import cached_property

import pandas as pd
from differences import VERDICTS, Differences, read_designs, shown_only
from page_case import Case, settings
from page_tables import lost, markdown, shown
from results_figures import PRETRAINED

from svdd.messages import number

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
        return lost(self.rows, lambda row: row["label"])

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
