"""Runs a job file of benchmarks/jobs, a comparison as of `svdd compare`, and writes its tables.

    python benchmarks/run_job.py benchmarks/jobs/dna.yaml                  # goes on where it was stopped
    GDSS=gdss_zinc250k.pth REFERENCE=zinc250k.smi python benchmarks/run_job.py benchmarks/jobs/gdss-qed.yaml
    python benchmarks/run_job.py benchmarks/jobs/rna.yaml --fast --out /tmp/tables       # tiny sizes, to see that it works
    python benchmarks/run_job.py benchmarks/jobs/stronger-dna.yaml --seeds 1     # then 2 and so on: all methods of a seed first
    python benchmarks/run_job.py benchmarks/jobs/stronger-docking-100.yaml --finished    # the tables of what is done so far

The runs are kept in runs/benchmarks. The folder of tables (benchmarks/results unless given) gets a row per method and size with
95 % bootstrap intervals, what each run cost, every design with its rewards, and pictures of images. Run it with one thread
(OMP_NUM_THREADS=1).
"""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from svdd.cli.watching import Terminal
from svdd.domains.image.pixels import grid, write_images
from svdd.domains.image.prompts import images_of
from svdd.domains.molecule.chemistry import fingerprints, nearest_of
from svdd.domains.molecule.docking.receptors import TARGETS
from svdd.domains.molecule.files import read_molecules
from svdd.domains.molecule.measures.properties import hits, property_table
from svdd.domains.molecule.measures.reference import MoleculeReference, of_molecule_model
from svdd.runs.compare_request import request_of
from svdd.runs.comparison import make_plan, run_plan
from svdd.runs.folder import RunFolder

ROOT = Path(__file__).parents[1]
TABLES = {
    "dna": "dna",
    "rna": "rna",
    "protein": "protein",
    "molecule": "molecules",
    "gdss": "molecules",
    "images": "images",
    "stronger": "stronger",
    "backbones": "backbones",
}
"""The table that the jobs of a model go to, by the first word of their names."""
PARTS = ("network", "decode", "value", "reward")
PICTURED = 20


def table_of(stem):
    """The table that a job goes to, and what its rows are called there; nothing where it is alone in its table."""
    name = TABLES[stem.partition("-")[0]]
    return name, "" if name == stem else stem.removeprefix(f"{name}-")


def request(job, work, variant="", **flags):
    """What a job file compares, with the variables of the environment that it names; flags win over its settings."""
    settings = yaml.safe_load(os.path.expandvars(job.read_text(encoding="utf-8")))
    return request_of(settings, work / job.stem, variant, **flags)


def run(job, tables, work, variant="", finished=False, case="", **flags):
    """Compares, and writes the tables.

    Args:
        job: the file.
        tables: the folder of tables.
        work: the folder of runs.
        variant: of the file.
        finished: runs nothing; the tables are of the rows that are run to their end.
        case: what the rows are called in the table; as the file says unless given.
        **flags: settings that win over those of the file.
    """
    plan = make_plan(request(job, work, variant, **flags))
    made = run_plan(only_finished(plan) if finished else plan, watch=Terminal(quiet=False))
    name, own = table_of(job.stem)
    case = case or own
    key = {"case": case} if case else {}
    tables.mkdir(parents=True, exist_ok=True)
    for ending, made_rows, digits in (("", rows(made), "%.5g"), ("-runs", costs(made), "%.6g")):
        path = tables / f"{name}{ending}.csv"
        merged(path, pd.read_csv, key, made_rows).to_csv(path, index=False, float_format=digits)
    if name == "images":
        pictures(made, tables, job.stem)
        return
    path = tables / f"{name}-designs.parquet"
    merged(path, pd.read_parquet, key, designs(made)).to_parquet(path, index=False, compression="zstd")


def only_finished(plan):
    """A plan of the rows whose runs are all there."""
    seeds, out = plan.request.seeds, plan.request.out
    done = [row for row in plan.rows if all(RunFolder(job.folder()).finished() for job in row[1].runs(seeds, out))]
    return replace(plan, rows=done, first=[])


def merged(path, read, key, made):
    """Rows in the place of those that a table has of the same key, such as a case."""
    made = pd.DataFrame([key | row for row in made])
    if not key or not path.exists():
        return made
    before = read(path)
    same = (before[list(key)] == pd.Series(key)).all(axis=1)
    return pd.concat([before[~same], made], ignore_index=True)


def size_of(row):
    """M or N of a row; N = M T has the size M."""
    steps = row.job.steps if row.label.endswith("N = M T") else 1
    return (row.size or 1) // steps


def rows(made):
    """A row per method and size: measures with intervals, and what a design cost."""
    for (label, row), measured in zip(made.plan.rows, made.table.to_dict("records"), strict=True):
        results = [run.result for run in made.runs[label]]
        front = {"label": row.name, "size": size_of(row), "steps": row.job.steps}
        kept = {name: value for name, value in measured.items() if name not in LEFT_OUT}
        each = {name: total / sum(map(len, results)) for name, total in summed(results).items()}
        yield front | kept | each | fitted(made, row) | docked(made, label, row)


LEFT_OUT = {"label", "method", "judge", "reference", "elbo_rows", "judge_rows"}
LEFT_OUT |= {f"{part}_rows_{what}" for part in PARTS for what in ("asked", "computed")}


def summed(results):
    """What runs cost."""
    paid = {f"{part}_{what}": sum(getattr(getattr(r.usage, part), what) for r in results)
            for part in PARTS for what in ("asked", "rows")}  # fmt: skip
    return paid | {"seconds": sum(result.usage.seconds for result in results)}


def costs(made):
    """A row per run."""
    fits = {
        row["label"]: {name: row[name] for name in row if name.startswith("fit_")}
        for row in made.table.to_dict("records")
    }
    for label, row in made.plan.rows:
        for run in made.runs[label]:
            key = {"label": row.name, "size": size_of(row), "seed": run.job.seed, "steps": row.job.steps}
            yield key | {"designs": len(run.result)} | summed([run.result]) | fits[label]


def designs(made):
    """A row per design."""
    for label, row in made.plan.rows:
        found, start = made.designs[label], 0
        for run in made.runs[label]:
            for i in range(start, start + len(run.result)):
                numbers = {name: np.float32(getattr(found, name)[i]) for name in ("reward", "judge", "elbo")}
                key = {"label": row.name, "size": size_of(row), "seed": run.job.seed, "chain": found.chain[i]}
                yield key | {"sample": found.sequences[i]} | numbers
            start += len(run.result)


def fitted(made, row):
    """How much of a soft value's data carries it."""
    if row.name not in made.plan.fits:
        return {}
    data = json.loads((made.plan.fits[row.name].folder / "card.json").read_text(encoding="utf-8"))["data"]
    return {f"fit_{name}": data[name] for name in ("rollouts", "effective")} if data["effective"] else {}


def docked(made, label, row):
    """Different designs that meet the published criteria of a target, by the reward and by the judge."""
    target = TARGETS.get(row.job.reward.removeprefix("docking:"))
    if target is None:
        return {}
    found, reference = made.designs[label], known(made)
    first = [found.sequences.index(one) for one in dict.fromkeys(found.sequences)]
    names = [found.sequences[i] for i in first]
    table, near = property_table(names), nearest_of(fingerprints(names), reference.neighbours)
    counts = {
        name: int(hits(scores[first], table["qed"], table["sa"], near, threshold=-target.threshold).sum())
        for name, scores in (("hits", found.reward), ("hits_judged", found.judge))
    }
    return counts | {"hit_candidates": len(first)}


def known(made):
    """The molecules that designs are compared with."""
    file = made.plan.request.reference
    return MoleculeReference.of(read_molecules(Path(file)), Path(file).name) if file else of_molecule_model("molecule")


def pictures(made, tables, name):
    """The first designs of a method, in the order of their chains: the same prompt at the same place of every picture."""
    for label, row in made.plan.rows:
        images = images_of(made.runs[label][0].result.samples)[:PICTURED]
        title = f"{name}-{row.name.replace(',', '').replace(' ', '-')}"
        write_images(tables, [title], grid(images.repeat_interleave(3, 2).repeat_interleave(3, 3), 10))


def read_flags(parser):
    """The flags of a script that writes tables, with those that all such scripts have.

    Returns:
        The flags, the folder of tables, the folder of runs, and the variant of job files.
    """
    parser.add_argument("--fast", action="store_true", help="tiny sizes, to see that it works; needs --out")
    parser.add_argument("--out", type=Path, help="the folder of tables; benchmarks/results unless given")
    args = parser.parse_args()
    if args.fast and not args.out:
        parser.error("give --out with --fast")
    work = args.out / "runs" if args.fast else ROOT / "runs" / "benchmarks"
    return args, args.out or ROOT / "benchmarks" / "results", work, "fast" if args.fast else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", type=Path, nargs="+")
    parser.add_argument(
        "--seeds", type=int, help="the first seeds only, for all methods; those of the file unless given"
    )
    parser.add_argument(
        "--finished", action="store_true", help="runs nothing: the tables of the rows that are run to their end"
    )
    args, tables, work, variant = read_flags(parser)
    flags = {"seeds": args.seeds} if args.seeds else {}
    for path in args.job:
        run(path, tables, work, variant, args.finished, **flags)


if __name__ == "__main__":
    main()
