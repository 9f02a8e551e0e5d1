"""Runs benchmarks/jobs/backbones-ddg.yaml on several backbones, and writes their tables.

    python benchmarks/backbones.py natural_domains_backbones.npz natural_domains.csv.gz --most 12    # goes on where it stopped
    python benchmarks/backbones.py natural_domains_backbones.npz natural_domains.csv.gz --time    # seconds, as of time_job.py

The first file has an array (L, 4, 3) per domain, of N, CA, C and O in Angstrom. The second has a row per domain with
`protein_id`, `sequence` and `part`; those of `test` are taken, which no network of the rewards saw. Every domain is written as
PDB and is a case of its own in the tables `backbones.csv`, `backbones-runs.csv` and `backbones-designs.parquet`.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from run_job import ROOT, read_flags, run
from time_job import write

from svdd.domains.protein.inverse_folding.backbones import Backbone
from svdd.domains.protein.pdb_text import pdb_text

JOB = ROOT / "benchmarks" / "jobs" / "backbones-ddg.yaml"


def one_chain(name, sequence, atoms):
    """The backbone of a single chain with all its residues."""
    sites = torch.arange(len(sequence))
    labels = tuple(str(site + 1) for site in sites.tolist())
    return Backbone(name, torch.as_tensor(atoms), sites, torch.zeros_like(sites), ("A",), labels, sequence)


def structures(arrays, domains, folder, most):
    """Files of the first domains of the part `test`; one that is there stays, since fitted values know its content."""
    table, atoms = pd.read_csv(domains), np.load(arrays)
    folder.mkdir(parents=True, exist_ok=True)
    for row in table[table["part"] == "test"].sort_values("protein_id").head(most).itertuples():
        path = folder / f"{row.protein_id}.pdb"
        if not path.exists():
            backbone = one_chain(row.protein_id, row.sequence, atoms[row.protein_id])
            path.write_text(pdb_text(backbone, row.sequence, [0.0] * len(row.sequence)), encoding="utf-8")
        yield path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arrays", type=Path, help="coordinates, .npz")
    parser.add_argument("domains", type=Path, help="sequences and parts, .csv or .csv.gz")
    parser.add_argument("--most", type=int, default=12, help="how many domains")
    parser.add_argument("--time", action="store_true", help="times the methods and writes nothing but their seconds")
    args, tables, work, variant = read_flags(parser)
    for path in structures(args.arrays, args.domains, work / "backbones", args.most):
        os.environ["BACKBONE"] = str(path.absolute())
        if args.time:
            write(tables, JOB, path.with_suffix(""), variant, path.stem)
        else:
            run(JOB, tables, path.with_suffix(""), variant, case=path.stem)


if __name__ == "__main__":
    main()
