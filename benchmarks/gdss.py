"""Unguided samples of a GDSS checkpoint: validity, uniqueness, fragments and properties, beside figures measured elsewhere.

    python benchmarks/gdss.py CHECKPOINT [--samples 512] [--batch 128] [--steps 1000] [--langevin graph] [--no-corrector]
                              [--seed 0] [--out FILE.json]

Samples are made on one thread. Standard errors are over molecules. The figures beside ours were measured with the published
rule (`--langevin batch`, one batch) by another program that agrees with the original networks and steps; they are not ours.
"""

import argparse
import json
import math
import resource
from pathlib import Path

import torch

import svdd
from svdd.domains.molecule.gdss.files import read_graph_checkpoint
from svdd.domains.molecule.gdss.graphs import decode_graphs, graphs_as_bonded, smiles_of
from svdd.domains.molecule.measures.properties import property_table

# samples, then shares and (mean, standard deviation over molecules), at 1000 steps with corrector
ELSEWHERE = {
    ("ZINC250k", "ScoreNetworkX"): {
        "samples": 128, "valid without correction": 0.992, "valid with correction": 1.0, "unique": 1.0,
        "valid without correction, one fragment": 0.594, "nodes drawn": (23.15, 4.49), "atoms": (20.44, 5.66),
        "qed": (0.637, 0.151), "sa": (4.262, 1.172), "logp": (3.23, 1.82), "seconds a sample": 4.0,
    },
    ("ZINC250k", "ScoreNetworkX_GMH"): {
        "samples": 128, "valid without correction": 0.969, "valid with correction": 1.0, "unique": 1.0,
        "valid without correction, one fragment": 0.539, "nodes drawn": (23.15, 4.49), "atoms": (19.55, 6.44),
        "qed": (0.628, 0.142), "sa": (3.798, 1.100), "logp": (1.96, 1.45), "seconds a sample": 5.7,
    },
    ("QM9", "ScoreNetworkX"): {
        "samples": 512, "valid without correction": 0.969, "valid with correction": 1.0, "unique": 1.0,
        "valid without correction, one fragment": 0.889, "nodes drawn": (8.80, 0.48), "atoms": (8.56, 0.95),
        "qed": (0.448, 0.089), "sa": (4.396, 1.116), "logp": (0.36, 1.02), "seconds a sample": 0.34,
    },
}  # fmt: skip


@torch.no_grad()
def final_graphs(process, chains, seed):
    """The last states of unguided chains."""
    particles = process.start(len(chains), (), svdd.Rng(seed, list(chains)))
    while not particles.final:
        particles = particles.propose(1)
    return particles.x


def measured(state):
    """One row a sample: what is counted, and the corrected design."""
    raw = [smiles_of(made, whole=True) if made.valid else None for made in graphs_as_bonded(state)]
    designs = decode_graphs(state)
    nodes = state["flags"].sum(1).tolist()
    return [
        {"valid": whole is not None, "whole": bool(whole) and "." not in whole, "nodes": count, "design": design}
        for whole, design, count in zip(raw, designs, nodes, strict=True)
    ]


def share(flags):
    p = sum(flags) / len(flags)
    return p, math.sqrt(p * (1 - p) / len(flags))


def mean(numbers):
    numbers = torch.tensor(list(numbers), dtype=torch.float64)
    return float(numbers.mean()), float(numbers.std() / math.sqrt(len(numbers)))


def summary(rows):
    """Names to (number, standard error)."""
    designs = [row["design"] for row in rows if row["design"]]
    table = property_table(designs)
    return {
        "valid without correction": share([row["valid"] for row in rows]),
        "valid with correction": share([bool(row["design"]) for row in rows]),
        "unique": (len(set(designs)) / len(designs), None),
        "valid without correction, one fragment": share([row["whole"] for row in rows]),
        "nodes drawn": mean(row["nodes"] for row in rows),
        **{name: mean(table[name]) for name in ("atoms", "qed", "sa", "logp")},
    }


def shown(number, error=None):
    return f"{number:.3f}" + (f" ± {error:.3f}" if error is not None else "")


def table(ours, elsewhere, samples, seconds):
    """Ours and theirs as a table in Markdown."""
    n = elsewhere["samples"]
    lines = [f"| | ours, {samples} | measured elsewhere, {n} |", "|---|---|---|"]
    for name, (number, error) in ours.items():
        theirs = elsewhere[name]
        if isinstance(theirs, tuple):
            theirs = shown(theirs[0], theirs[1] / math.sqrt(n))
        elif error is not None:
            theirs = shown(theirs, math.sqrt(theirs * (1 - theirs) / n))
        lines.append(f"| {name} | {shown(number, error)} | {theirs} |")
    return "\n".join([*lines, f"| seconds a sample | {seconds:.2f} | {elsewhere['seconds a sample']} |"])


def processor_seconds():
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--langevin", choices=["graph", "batch"], default="graph")
    parser.add_argument("--no-corrector", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    options = {"steps": args.steps, "langevin": args.langevin, "corrector": not args.no_corrector}
    process = svdd.load(f"gdss:{args.checkpoint}", **options)
    rows, seconds = [], 0.0
    for first in range(0, args.samples, args.batch):
        chains = range(first, min(first + args.batch, args.samples))
        started = processor_seconds()
        state = final_graphs(process, chains, args.seed)
        seconds += processor_seconds() - started
        rows += measured(state)
        print(f"{len(rows)} of {args.samples}, {seconds / len(rows):.2f} seconds a sample", flush=True)
    ours, checkpoint = summary(rows), read_graph_checkpoint(args.checkpoint)
    print(table(ours, ELSEWHERE[checkpoint.data, checkpoint.network_x], len(rows), seconds / len(rows)))
    if args.out:
        record = {"options": vars(args) | {"out": None}, "summary": ours, "seconds": seconds, "rows": rows}
        args.out.write_text(json.dumps(record, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
