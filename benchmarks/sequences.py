"""Methods compared on DNA and RNA: reward, held-out reward, naturalness and diversity against M, and what each cost.

    python benchmarks/sequences.py --domain dna|rna [--fast] [--only FAMILY ...] [--out DIR]   # runs what is not there yet
    python benchmarks/sequences.py --page [--out DIR]                                         # docs/results.md and figures

Each setting runs with five seeds. A finished run is saved at once, so that the command goes on where it was stopped.
DIR (benchmarks/results unless given) gets, for each domain: `dna-runs.csv`, what each run cost; `dna-designs.parquet`,
every design with its rewards and likelihood; `dna.csv`, a row a setting with 95 % bootstrap intervals over seeds, then
chains. The page is made from these alone.

Run it with one thread (OMP_NUM_THREADS=1): `seconds` are of the processor, so that other work hardly changes them.

Best-of-N comes from one pool of unguided samples a seed: the best of consecutive blocks of N. Its cost is that share of the
pool's. N is M (about svdd's network rows), and M T (svdd's reward rows, fewer designs where the pool is too small).
"""

import argparse
import json
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import svdd
from svdd.cost.ledger import Cost, Usage
from svdd.decoding.result import Result
from svdd.domains.sequence.measures import Designs, measured, record
from svdd.domains.sequence.references import of_model
from svdd.registry import HELD_OUT, load_reward

ROOT = Path(__file__).parents[1]
SEEDS, SIZES, PARTS = 5, (1, 2, 5, 10, 20), ("network", "value", "reward")


@dataclass(frozen=True)
class Domain:
    """What is decoded, and how much of it.

    `temperatures` are those of svdd beside 0; `middle` is that of SMC, of log-mean-exp and of the soft learned value.
    """

    name: str
    model: str
    reward: str
    steps: int
    chains: int
    pool: int
    temperatures: tuple[float, ...]
    middle: float
    fit: dict[str, object]
    seeds: int = SEEDS
    sizes: tuple[int, ...] = SIZES
    most_monte_carlo: int = 10

    @property
    def judge(self):
        return HELD_OUT[self.reward]


LONG = {"network": "pooled", "learning_rate": 0.004, "rollouts": 2000, "train_steps": 1200}
SHORT = {"network": "convolutional", "rollouts": 2000, "train_steps": 1000}
DOMAINS = {
    "dna": Domain("dna", "dna-enhancer", "hepg2", 32, 8, 640, (0.25, 0.5, 1.0), 0.5, LONG),
    "rna": Domain("rna", "rna-utr", "mrl", 64, 16, 2560, (0.1, 0.3, 1.0), 0.3, SHORT),
}
POOL, SVDD, SMC = "pretrained and best-of-n", "svdd", "smc"
LME, MEAN, SOFT = "svdd log-mean-exp", "svdd learned mean", "svdd learned soft"
ROWS, REWARDS = "best-of-n, N = M", "best-of-n, N = M T"


def fast(domain):
    return replace(
        domain, steps=4, chains=4, pool=16, seeds=2, sizes=(1, 2), temperatures=domain.temperatures[:1],
        fit={"network": domain.fit["network"], "rollouts": 16, "train_steps": 10},
    )  # fmt: skip


@cache
def components(model, reward, steps):
    return svdd.load(model, steps=steps), load_reward(reward), load_reward(HELD_OUT[reward])


@dataclass(frozen=True)
class Run:
    """One run of the benchmark: a family of settings, M (or N), a seed."""

    family: str
    size: int
    seed: int
    temperature: float | None = None

    @property
    def label(self):
        return self.family if self.temperature is None else f"{self.family}, temperature {self.temperature:g}"


def planned(domain):
    """All runs, the most wanted first; at M = 1 nothing is chosen, so every method is the pretrained model."""
    sizes, seeds, a = [m for m in domain.sizes if m > 1], range(domain.seeds), domain.middle
    families = [(SVDD, 0.0, sizes), (SMC, a, sizes), (MEAN, 0.0, sizes), (SOFT, a, sizes), (SVDD, a, sizes)]
    families += [(SVDD, b, sizes) for b in domain.temperatures if b != a]
    families += [(LME, a, [m for m in sizes if m <= domain.most_monte_carlo])]
    pools = [Run(POOL, 0, seed) for seed in seeds]
    return pools + [Run(family, m, seed, b) for family, b, those in families for m in those for seed in seeds]


def options(run):
    name = "particles" if run.family == SMC else "candidates"
    return {"method": "smc" if run.family == SMC else "svdd", name: run.size, "temperature": run.temperature}


def decoded(run, domain, folder):
    """The result of a run, and what fitting its value cost, if it has one."""
    process, reward, _ = components(domain.model, domain.reward, domain.steps)
    chosen, paid = options(run), {}
    if run.family in (MEAN, SOFT):
        chosen["value"], paid = fitted(run, domain, folder)
    elif run.family == LME:
        chosen["value"] = "log-mean-exp"
    return timed(process, reward, samples=domain.chains, seed=run.seed, **chosen), paid


def timed(*args, **settings):
    """A result whose seconds are those of the processor: with one thread, other work on the machine hardly changes them."""
    started = time.process_time()
    result = svdd.decode(*args, **settings)
    result.usage.seconds = time.process_time() - started
    return result


def fitted(run, domain, folder):
    """The learned value of a family, fitted once and kept beside the results."""
    process, reward, _ = components(domain.model, domain.reward, domain.steps)
    path = folder / "values" / f"{domain.name}-{run.family.rpartition(' ')[2]}"
    if not path.exists():
        started = time.process_time()
        made = svdd.fit_value(
            process, reward, target=run.family.rpartition(" ")[2],
            temperature=run.temperature if run.family == SOFT else None,
            held_out=0, nested=(0, 0), candidates=0, **domain.fit,
        )  # fmt: skip
        made.save(path)
        paid = {f"fit_{part}_rows": getattr(made.usage, part).rows for part in ("network", "reward")}
        paid["fit_seconds"] = time.process_time() - started
        pd.Series(paid).to_json(path / "paid.json")
    return svdd.load_value(path, process, reward), pd.read_json(path / "paid.json", typ="series").to_dict()


def pool_runs(run, domain):
    """Pretrained samples and the best of blocks of N, from one pool; each with its share of the cost."""
    process, reward, _ = components(domain.model, domain.reward, domain.steps)
    pool = timed(process, reward, method="pretrained", samples=domain.pool, seed=run.seed)
    blocks = [("pretrained", 1, 1)] + [(ROWS, m, m) for m in domain.sizes if m > 1]
    blocks += [(REWARDS, m, m * domain.steps) for m in domain.sizes if m * domain.steps <= domain.pool]
    for label, m, n in blocks:
        designs = min(domain.chains, domain.pool // n)
        best = [block * n + int(pool.rewards[block * n : block * n + n].argmax()) for block in range(designs)]
        share = designs * n / domain.pool
        costs = {part: getattr(pool.usage, part) for part in PARTS}
        usage = Usage(**{part: Cost(round(c.rows * share), round(c.hits * share)) for part, c in costs.items()})
        usage.seconds = pool.usage.seconds * share
        chosen = Result([pool.samples[i] for i in best], pool.rewards[best], list(range(designs)), usage=usage)
        yield label, m, chosen


class Store:
    """The runs so far, on disk after every one."""

    def __init__(self, folder, domain):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.domain = folder, domain
        self.costs, self.designs = folder / f"{domain.name}-runs.csv", folder / f"{domain.name}-designs.parquet"
        self.runs = pd.read_csv(self.costs).to_dict("records") if self.costs.exists() else []
        self.frame = pd.read_parquet(self.designs) if self.designs.exists() else pd.DataFrame()
        if len(self.frame):  # designs are written first: those of a run that was stopped between the two files go
            known = {(one["label"], one["size"], one["seed"]) for one in self.runs}
            keys = zip(self.frame["label"], self.frame["size"], self.frame["seed"], strict=True)
            self.frame = self.frame[[key in known for key in keys]]

    def has(self, run):
        label = "pretrained" if run.family == POOL else run.label
        alike = [one for one in self.runs if one["label"] == label and one["seed"] == run.seed]
        return any(run.size in (0, one["size"]) for one in alike)

    def add(self, rows):
        """Keeps results: (label, size, seed, result, what fitting cost) each."""
        process, _, judge = components(self.domain.model, self.domain.reward, self.domain.steps)
        for label, size, seed, result, paid in rows:
            found = measured(result, process, judge, self.domain.judge)
            columns = {"sequence": found.sequences, "chain": found.chain}
            columns |= {name: getattr(found, name).astype("float32") for name in ("reward", "judge", "elbo")}
            key = {"label": label, "size": size, "seed": seed}
            self.frame = pd.concat([self.frame, pd.DataFrame(key | columns)], ignore_index=True)
            row = key | {"steps": self.domain.steps, "designs": len(found.sequences)}
            row |= {f"{p}_{k}": getattr(getattr(result.usage, p), k) for p in PARTS for k in ("asked", "rows")}
            self.runs.append(row | {"seconds": result.usage.seconds} | paid)
        self.save()

    def save(self):
        part = self.designs.with_suffix(".part")
        self.frame.to_parquet(part, index=False, compression="zstd")
        part.replace(self.designs)
        pd.DataFrame(self.runs).to_csv(self.costs, index=False, float_format="%.6g")

    def summarise(self):
        """A row a setting, with intervals, to the domain's CSV."""
        reference, rows = of_model(self.domain.model, self.domain.reward), []
        process = components(self.domain.model, self.domain.reward, self.domain.steps)[0]
        costs = pd.DataFrame(self.runs)
        for (label, size), group in self.frame.groupby(["label", "size"], sort=False):
            parts = [designs(run) for _, run in group.groupby("seed")]
            paid = costs[(costs["label"] == label) & (costs["size"] == size)]
            each = paid.drop(columns=["label", "size", "seed", "steps", "designs"]).sum() / paid["designs"].sum()
            fits = {name: paid[name].max() for name in paid if name.startswith("fit_")}
            if label.startswith(SOFT):
                card = json.loads((self.folder / "values" / f"{self.domain.name}-soft" / "card.json").read_text())
                fits |= {"fit_rollouts": card["data"]["rollouts"], "fit_effective": card["data"]["effective"]}
            found = record(Designs.pooled(parts), reference, process.about["alphabet"])
            rows.append({"label": label, "size": size, "steps": self.domain.steps} | found.row | dict(each) | fits)
        pd.DataFrame(rows).to_csv(self.folder / f"{self.domain.name}.csv", index=False, float_format="%.5g")


def designs(frame):
    reward, judge, elbo = (frame[name].to_numpy(float) for name in ("reward", "judge", "elbo"))
    return Designs(frame["sequence"].tolist(), [0] * len(frame), frame["chain"].tolist(), reward, judge, elbo,
                   seeds=(int(frame["seed"].iloc[0]),))  # fmt: skip


def expected_rows(run, domain):
    """Network and reward rows a run asks for."""
    t, m, b = domain.steps, run.size, domain.chains
    if run.family == POOL:
        return domain.pool * t, domain.pool
    if run.family in (MEAN, SOFT):
        return t * b, m * b
    draws = 4 if run.family == LME else 1
    return m * t * b, m * t * b * draws


@torch.no_grad()
def announce(domain, todo):
    """Times both networks and prints what the runs will take."""
    process, reward, _ = components(domain.model, domain.reward, domain.steps)
    x = process.prior(64, svdd.Rng(0, 64))
    process.denoiser(x[:16], process.times[0], ())
    started = time.perf_counter()
    process.denoiser(x, process.times[0], ())
    network = (time.perf_counter() - started) / len(x)
    started = time.perf_counter()
    reward(["ACG" + "A" * (process.about["length"] - 3)] * 64)
    scored = (time.perf_counter() - started) / 64
    rows = np.array([expected_rows(run, domain) for run in todo], int).reshape(-1, 2).sum(0)
    minutes = rows @ [network, scored] / 60
    print(
        f"{domain.name}: T = {domain.steps}, {domain.chains} chains a seed, {domain.seeds} seeds, "
        f"pool of {domain.pool} a seed; {len(todo)} runs to do, {rows[0]:,} network rows at {1e3 * network:.2f} ms and "
        f"{rows[1]:,} reward rows at {1e3 * scored:.2f} ms: about {minutes:.0f} minutes, learned values not counted",
        flush=True,
    )


def run_domain(domain, folder, only):
    store = Store(folder, domain)
    todo = [run for run in planned(domain) if not store.has(run) and (not only or run.family in only)]
    announce(domain, todo)
    for number, run in enumerate(todo, 1):
        started = time.perf_counter()
        if run.family == POOL:
            store.add((label, m, run.seed, result, {}) for label, m, result in pool_runs(run, domain))
        else:
            store.add([(run.label, run.size, run.seed, *decoded(run, domain, folder))])
        took = time.perf_counter() - started
        print(f"{number} of {len(todo)}: {run.label}, M = {run.size}, seed {run.seed}: {took:.0f} s", flush=True)
    store.summarise()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", choices=DOMAINS)
    parser.add_argument("--fast", action="store_true", help="tiny sizes, to see that it works; needs --out")
    parser.add_argument("--only", nargs="+", choices=[POOL, SVDD, SMC, LME, MEAN, SOFT], help="these families alone")
    parser.add_argument("--page", action="store_true", help="write docs/results.md from the tables")
    parser.add_argument("--out", type=Path, help="benchmarks/results unless given")
    args = parser.parse_args()
    if not (args.domain or args.page) or (args.fast and not args.out):
        parser.error("give --domain or --page, and --out with --fast")
    out = args.out or ROOT / "benchmarks" / "results"
    if args.domain:
        domain = DOMAINS[args.domain]
        run_domain(fast(domain) if args.fast else domain, out, args.only)
    if args.page:
        from results_page import write_page

        write_page(out, ROOT / "docs" if not args.fast else out)


if __name__ == "__main__":
    main()
