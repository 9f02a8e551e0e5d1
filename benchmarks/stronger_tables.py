"""The rows and designs of docs/stronger-results.md, from the tables of several jobs."""

import pandas as pd
from time_job import FILE

from svdd.metrics.intervals import Resamples, interval, mean

PRETRAINED, BEST, SVDD = "pretrained", "best-of-n", "svdd"
SPENT = {
    "network_asked": "network rows", "network_rows": "computed", "reward_asked": "reward rows", "reward_rows": "computed",
    "seconds": "seconds",
}  # fmt: skip
AS_HERE = {
    PRETRAINED: (PRETRAINED, ()),
    "best-of-n, N = M": (BEST, (2, 5, 10, 20)),
    "best-of-n, N = M T": (BEST, ()),
    "svdd, temperature 0": (SVDD, (10,)),
    "svdd filtered, temperature 0": ("filtered", (10, 40)),
    "svdd screen, temperature 0": ("screen", ()),
    "svdd learned mean, temperature 0": ("learned value", (10,)),
    "refine, 5 % of the steps": ("refine, 5 % of the steps, temperature 0", ()),
    "refine, 10 % of the steps": ("refine, 10 % of the steps, temperature 0", ()),
    "refine, 20 calls": ("refine, 20 calls", ()),
    "smc, temperature 0.1": ("smc", (10,)),
    "smc, adaptive tempering": ("smc, adaptive tempering", ()),
}
"""What this page calls the labels of the job `protein`, and which of their sizes it reads; all where none is named."""


KEY = ["job", "case", "label", "size"]


def timed_apart(results, rows):
    """The seconds of a design that `time_job.py` took; NaN for rows that it did not time.

    Args:
        results: the folder of tables.
        rows: with the job file of each, the case of a job that has several, and label and size as in the job file.
    """
    taken = pd.read_csv(results / FILE, keep_default_na=False)
    return rows[KEY].merge(taken, "left", KEY)["seconds"].to_numpy()


def read_of(name, frame, steps):
    """The rows of a page of its own that are shown here too, under the labels of this page."""
    kept = []
    for label, (here, sizes) in AS_HERE.items():
        rows = frame[frame["label"] == label]
        rows = rows[rows["size"].isin(sizes)] if sizes else rows
        size = rows["size"] * (steps if label.endswith("N = M T") else 1)
        kept.append(rows.assign(case=name, label=here, size=size))
    return pd.concat(kept, ignore_index=True)


def pooled(table, designs):
    """One row per label and size of the designs of all backbones, which are drawn as seeds are elsewhere."""
    number = designs["case"].factorize()[0]
    designs = designs.assign(case="backbones", chain=designs["seed"] * 1000 + designs["chain"], seed=number)
    rows = []
    for (label, size), own in table.groupby(["label", "size"], sort=False):
        made = designs[(designs["label"] == label) & (designs["size"] == size)]
        resamples = Resamples.of(made["seed"].tolist(), made["chain"].tolist())
        row = {"case": "backbones", "label": label, "size": size, "domains": own["case"].nunique()}
        row |= {"steps": own["steps"].iloc[0], "runs": own["runs"].min()}
        row |= {"designs": len(made), "recovery": own["recovery"].mean()} | own[list(SPENT)].mean().to_dict()
        for name in ("reward", "judge", "elbo"):
            title = "elbo_per_base" if name == "elbo" else f"{name}_mean"
            row |= _with_bounds(title, interval(mean(made[name].to_numpy(float)), resamples))
        rows.append(row)
    return pd.DataFrame(rows), designs


def _with_bounds(name, found):
    """An estimate with its bounds, as the columns of a table."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))


JOBS = {
    "stronger": lambda table: ("stronger-" + table["case"], ""),
    "protein": lambda table: ("protein", ""),
    "backbones": lambda table: ("backbones-ddg", table["case"]),
}
"""The job file of each row of a table, and what `time_job.py` calls its case."""


def tables(results):
    """All rows of the cases, and their designs."""
    read = {
        name: (pd.read_csv(results / f"{name}.csv"), pd.read_parquet(results / f"{name}-designs.parquet"))
        for name in ("stronger", "protein", "backbones")
        if (results / f"{name}.csv").exists()
    }
    for name, (table, designs) in read.items():
        job, case = JOBS[name](table)
        seconds = timed_apart(results, table[["label", "size"]].assign(job=job, case=case))
        read[name] = table.assign(seconds=seconds), designs
    steps = int(read["protein"][0]["steps"].iloc[0])
    read["protein"] = tuple(read_of("protein", frame, steps) for frame in read["protein"])
    if "backbones" in read:
        read["backbones"] = pooled(*read["backbones"])
    tables, designs = zip(*read.values(), strict=True)
    return pd.concat(tables, ignore_index=True), pd.concat(designs, ignore_index=True)
