"""Methods compared on molecules: QED, synthetic accessibility and docking, on the bundled model and on GDSS.

    python benchmarks/molecules.py --case molecule-qed [--reference FILE] [--out DIR]      # runs what is not there yet
    python benchmarks/molecules.py --case gdss-parp1 --gdss gdss_zinc250k.pth --reference zinc250k.smi --receptors DIR
    python benchmarks/molecules.py --page [--out DIR]                                      # docs/molecule-results.md

A case is a model and a reward. A finished run is saved at once, so that the command goes on where it was stopped. DIR
(benchmarks/results unless given) gets `molecules-runs.csv`, what each run cost; `molecules-designs.parquet`, every design
with its rewards; and `molecules.csv`, a row a case and method with 95 % bootstrap intervals. The page is made from that alone.

Best-of-N comes from one pool of unguided samples a seed, the best of consecutive blocks of N, at that share of the pool's
cost: N as many as SVDD's network rows pay for, and as many as its reward calls, or the whole pool where it holds fewer.

Run it with one thread (OMP_NUM_THREADS=1). `seconds` are of the processor where a reward is computed in the run's own
process, and of the clock for docking.
"""

import argparse
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

import svdd
from svdd.cost.ledger import Usage
from svdd.decoding.result import Result
from svdd.domains.molecule.chemistry import fingerprints, nearest_of
from svdd.domains.molecule.docking.receptors import TARGETS
from svdd.domains.molecule.files import read_molecules
from svdd.domains.molecule.measures.measures import record_molecules
from svdd.domains.molecule.measures.properties import hits, property_table
from svdd.domains.molecule.measures.reference import MoleculeReference, of_molecule_model
from svdd.metrics.measures import Designs
from svdd.rewards import docking

ROOT = Path(__file__).parents[1]
PARTS = ("network", "value", "reward")
PRETRAINED, BEST_ROWS, BEST_REWARDS = "pretrained", "best-of-n, equal network rows", "best-of-n, equal reward calls"
SVDD, TEMPERED, SMC, LME, MC = "svdd", "svdd, tempered", "smc", "svdd log-mean-exp", "svdd learned mean"
BLOCKS = "blocks"


@dataclass(frozen=True)
class Case:
    """A model, a reward, and how much of them.

    `temperature` is that of every method but svdd, blocks and the learned value, which take the best. `every` is the cadence
    of choices by the reward, `length` that of blocks, `draws` the x_0 of a log-mean-exp, `pool` the unguided samples a seed.
    """

    name: str
    reward: str
    steps: int
    chains: int
    seeds: int
    candidates: int
    particles: int
    pool: int
    temperature: float
    every: int = 1
    length: int = 1
    draws: int = 4
    fit: tuple[tuple[str, object], ...] = ()
    families: tuple[str, ...] = (SVDD, TEMPERED, SMC, LME, MC)

    @property
    def model(self):
        return self.name.partition("-")[0]

    @property
    def docks(self):
        return self.reward in TARGETS


TOKENS = (("rollouts", 2000), ("train_steps", 1000))
GRAPHS = (("rollouts", 64), ("states", 48), ("train_steps", 800), ("learning_rate", 2e-3))
DOCKED_GRAPHS = (*GRAPHS, ("invalid", 0))
GDSS = (SVDD, SMC, MC)  # its network gives a mean, of which log-mean-exp would draw the same again and again
FEW = (("rollouts", 160), ("train_steps", 600), ("invalid", 0))  # every one is docked; what does not dock binds nothing
DOCKED = (SVDD, SMC, BLOCKS, MC, LME)  # the dearest last
CASES = {
    case.name: case
    for case in (
        Case("molecule-qed", "qed", 64, 32, 2, 10, 10, 2048, 0.02, fit=TOKENS),
        Case("molecule-sa", "sa", 64, 32, 2, 10, 10, 2048, 0.02, fit=TOKENS),
        Case("molecule-parp1", "parp1", 16, 6, 1, 5, 5, 240, 0.2, length=2, draws=2, fit=FEW, families=DOCKED),
        Case("gdss-qed", "qed", 1000, 8, 1, 5, 5, 64, 0.02, fit=GRAPHS, families=GDSS),
        Case("gdss-sa", "sa", 1000, 8, 1, 5, 5, 64, 0.02, fit=GRAPHS, families=GDSS),
        Case("gdss-parp1", "parp1", 1000, 4, 1, 5, 5, 100, 0.2, 100, 100, fit=DOCKED_GRAPHS, families=(*GDSS, BLOCKS)),
    )
}


def fast(case):
    fit = tuple({**dict(case.fit), "rollouts": 16, "train_steps": 10}.items()) if case.fit else ()
    small = {"steps": 8, "chains": 2, "seeds": 1, "candidates": 2, "particles": 2, "pool": 8, "every": 4, "length": 4}
    return replace(case, **small, fit=fit)


@cache
def model(case, gdss):
    if case.model == "molecule":
        return svdd.load("molecule", steps=case.steps)
    if gdss is None:
        raise SystemExit("give --gdss, the path of a checkpoint")
    # candidates that share their corrector's step hardly differ, and most decode to one molecule
    return svdd.load(f"gdss:{gdss}", steps=case.steps, corrector="each")


@cache
def rewards(case, receptors):
    """The reward, and for docking a judge of more thorough searches."""
    if not case.docks:
        return svdd.load_reward(case.reward), None
    return tuple(docking(case.reward, exhaustiveness=e, receptors=receptors) for e in (1, 8))


def options(case, family):
    if family == BLOCKS:
        return {"method": "blocks", "candidates": case.candidates, "block_length": case.length, "temperature": 0.0}
    shared = {"every": case.every} if case.every > 1 and family != MC else {}  # which asks no reward on the way
    if family == SMC:
        return shared | {"method": "smc", "particles": case.particles, "temperature": case.temperature}
    cold = family in (SVDD, MC)
    return shared | {"candidates": case.candidates, "temperature": 0.0 if cold else case.temperature}


def decoded(case, family, seed, folder, args):
    """A result, and what fitting its value cost, if it has one."""
    process, (reward, _) = model(case, args.gdss), rewards(case, args.receptors)
    chosen, paid = options(case, family), {}
    if family == LME:
        chosen["value"] = f"log-mean-exp,samples={case.draws}"
    if family == MC:
        chosen["value"], paid = fitted(case, process, reward, folder)
    return timed(case, process, reward, samples=case.chains, seed=seed, **chosen), paid


def clock_of(case):
    """The processor's time, or the wall clock's where other processes dock."""
    return time.perf_counter if case.docks else time.process_time


def timed(case, *args, **settings):
    clock = clock_of(case)
    started = clock()
    result = svdd.decode(*args, **settings)
    result.usage.seconds = clock() - started
    return result


def fitted(case, process, reward, folder):
    """The learned value of a case, fitted once and kept beside the results."""
    path = folder / "values" / case.name
    if not (path / "paid.json").exists():
        clock = clock_of(case)
        started = clock()
        made = svdd.fit_value(process, reward, held_out=0, nested=(0, 0), candidates=0, **dict(case.fit))
        made.save(path, force=True)
        paid = {f"fit_{part}_rows": getattr(made.usage, part).rows for part in ("network", "reward")}
        pd.Series(paid | {"fit_seconds": clock() - started}).to_json(path / "paid.json")
    return svdd.load_value(path, process, reward), pd.read_json(path / "paid.json", typ="series").to_dict()


class Store:
    """The runs so far, on disk after every one."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.costs, self.designs = folder / "molecules-runs.csv", folder / "molecules-designs.parquet"
        self.runs = pd.read_csv(self.costs) if self.costs.exists() else pd.DataFrame(columns=["case", "label", "seed"])
        self.frame = pd.read_parquet(self.designs) if self.designs.exists() else pd.DataFrame()

    def has(self, case, label, seed):
        runs = self.runs
        return bool(((runs["case"] == case.name) & (runs["label"] == label) & (runs["seed"] == seed)).any())

    def add(self, case, label, seed, size, result, paid, judge):
        key = {"case": case.name, "label": label, "seed": seed}
        columns = {"chain": result.chain, "sample": list(result.samples), "reward": result.rewards.numpy()}
        columns |= {name: numbers.numpy() for name, numbers in result.scores.items()}
        columns["judge"] = (
            np.full(len(result), np.nan) if judge is None else np.asarray(judge(columns["sample"]), float)
        )
        frame = pd.DataFrame(key | columns)
        self.frame = pd.concat([self.frame, frame], ignore_index=True)
        row = key | {"size": size, "steps": case.steps, "designs": len(result)}
        row |= {f"{p}_{k}": getattr(getattr(result.usage, p), k) for p in PARTS for k in ("asked", "rows")}
        row |= {"seconds": result.usage.seconds} | paid
        self.runs = pd.concat([self.runs, pd.DataFrame([row])], ignore_index=True)
        part = self.designs.with_suffix(".part")
        self.frame.to_parquet(part, index=False, compression="zstd")
        part.replace(self.designs)
        self.runs.to_csv(self.costs, index=False, float_format="%.6g")


def pooled(case, store, seed, args):
    """Pretrained samples, and the best of blocks of N of them: as many as svdd's rows, and its reward calls, pay for."""
    pool = timed(case, model(case, args.gdss), rewards(case, args.receptors)[0], method="pretrained",
                 samples=case.pool, seed=seed + 1000)  # fmt: skip
    mine = store.runs[(store.runs["case"] == case.name) & (store.runs["label"] == SVDD)].iloc[0]
    sizes = {PRETRAINED: 1}
    for label, part in ((BEST_ROWS, "network_asked"), (BEST_REWARDS, "reward_asked")):
        each = mine[part] / mine["designs"] / (getattr(pool.usage, part.partition("_")[0]).asked / case.pool)
        sizes[label] = max(1, min(round(each), case.pool))
    for label, n in sizes.items():
        blocks = min(case.chains, case.pool // n)
        best = [block * n + int(pool.rewards[block * n : block * n + n].argmax()) for block in range(blocks)]
        share = blocks * n / case.pool
        usage = Usage()
        for part in PARTS:
            for kind in ("rows", "hits"):
                setattr(getattr(usage, part), kind, round(getattr(getattr(pool.usage, part), kind) * share))
        usage.seconds = pool.usage.seconds * share
        scores = {name: numbers[best] for name, numbers in pool.scores.items()}
        chosen = Result([pool.samples[i] for i in best], pool.rewards[best], list(range(blocks)), scores, usage=usage)
        yield label, n, chosen


def run_case(case, folder, args):
    store, judge = Store(folder), rewards(case, args.receptors)[1]
    for seed in range(case.seeds):
        for family in case.families:
            if store.has(case, family, seed):
                continue
            started = time.perf_counter()
            result, paid = decoded(case, family, seed, folder, args)
            store.add(case, family, seed, case.particles if family == SMC else case.candidates, result, paid, judge)
            took, median = time.perf_counter() - started, float(result.rewards.median())
            print(f"{case.name}, seed {seed}: {family}: median {median:.3f}, {took:.0f} s", flush=True)
        if not store.has(case, PRETRAINED, seed):
            for label, n, result in pooled(case, store, seed, args):
                store.add(case, label, seed, n, result, {}, judge)
                print(f"{case.name}, seed {seed}: {label}, N = {n}: {float(result.rewards.median()):.3f}", flush=True)
    summarise(case, store, args)


@cache
def reference_of(file):
    """Known molecules to compare with: of a file, or those that came with the bundled model."""
    return of_molecule_model("molecule") if file is None else MoleculeReference.of(read_molecules(file), file.name)


def summarise(case, store, args):
    """A row a method with intervals, in place of the case's earlier rows."""
    reference, rows = reference_of(args.reference), []
    for label, group in store.frame[store.frame["case"] == case.name].groupby("label", sort=False):
        parts = [designs(one) for _, one in group.groupby("seed")]
        paid = store.runs[(store.runs["case"] == case.name) & (store.runs["label"] == label)]
        names = [name for name in paid if name.endswith(("_asked", "_rows", "seconds")) and not name.startswith("fit_")]
        each = paid[names].sum() / paid["designs"].sum()
        fits = {name: paid[name].max() for name in paid if name.startswith("fit_")}
        found = record_molecules(Designs.pooled(parts), reference)
        row = {"case": case.name, "label": label, "size": paid["size"].max(), "steps": case.steps} | found.row
        rows.append(row | dict(each) | fits | counted_hits(case, group, reference))
    path = store.folder / "molecules.csv"
    before = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["case"])
    table = pd.concat([before[before["case"] != case.name], pd.DataFrame(rows)], ignore_index=True)
    table.to_csv(path, index=False, float_format="%.5g")


def designs(frame):
    reward, judge = (frame[name].to_numpy(float) for name in ("reward", "judge"))
    nothing = np.full(len(frame), np.nan)
    return Designs(frame["sample"].tolist(), [0] * len(frame), frame["chain"].tolist(), reward, judge, nothing)


def counted_hits(case, group, reference):
    """Designs that meet the published criteria; each different molecule once."""
    if not case.docks:
        return {}
    group = group.drop_duplicates("sample")
    table = property_table(group["sample"].tolist())
    near = nearest_of(fingerprints(group["sample"].tolist()), reference.neighbours)
    counts = {
        name: int(hits(group[column], table["qed"], table["sa"], near, threshold=-TARGETS[case.reward].threshold).sum())
        for name, column in (("hits", "reward"), ("hits_judged", "judge"))
    }
    return counts | {"hit_candidates": len(group)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, action="append", help="repeat for more")
    parser.add_argument("--gdss", type=Path, help="a GDSS checkpoint")
    parser.add_argument(
        "--reference", type=Path, help="SMILES of known molecules; those of the bundled model unless given"
    )
    parser.add_argument("--receptors", type=Path, help="the folder of receptors")
    parser.add_argument("--fast", action="store_true", help="tiny sizes, to see that it works; needs --out")
    parser.add_argument("--page", action="store_true", help="write docs/molecule-results.md from the table")
    parser.add_argument("--out", type=Path, help="benchmarks/results unless given")
    args = parser.parse_args()
    if not (args.case or args.page) or (args.fast and not args.out):
        parser.error("give --case or --page, and --out with --fast")
    out = args.out or ROOT / "benchmarks" / "results"
    for name in args.case or []:
        run_case(fast(CASES[name]) if args.fast else CASES[name], out, args)
    if args.page:
        from molecules_page import write_page

        write_page(out, ROOT / "docs" if not args.fast else out)


if __name__ == "__main__":
    main()
