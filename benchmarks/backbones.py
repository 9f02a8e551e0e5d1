"""Runs benchmarks/jobs/backbones-ddg.yaml on several backbones, and writes their tables.

    python benchmarks/backbones.py natural_domains_backbones.npz natural_domains.csv.gz --most 12    # goes on where it stopped

The first file has an array (L, 4, 3) per domain, of N, CA, C and O in Angstrom. The second has a row per domain with
`protein_id`, `sequence` and `part`; those of `test` are taken, which no network of the rewards saw. Every domain is written as
PDB and is a case of its own in the tables `backbones.csv`, `backbones-runs.csv` and `backbones-designs.parquet`.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
from run_job import ROOT, run

JOB = ROOT / "benchmarks" / "jobs" / "backbones-ddg.yaml"
NAMES = {
    "A": "ALA", "R": "ARG", "N": "ASN", "D": "ASP", "C": "CYS", "Q": "GLN", "E": "GLU", "G": "GLY", "H": "HIS", "I": "ILE",
    "L": "LEU", "K": "LYS", "M": "MET", "F": "PHE", "P": "PRO", "S": "SER", "T": "THR", "W": "TRP", "Y": "TYR", "V": "VAL",
}  # fmt: skip
ATOMS = ("N", "CA", "C", "O")


def pdb_text(sequence, atoms):
    """Four atoms per residue in the columns of PDB."""
    lines = [
        f"ATOM  {4 * site + place + 1:5d}  {atom:<3s} {NAMES[letter]} A{site + 1:4d}    "
        f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           {atom[0]}"
        for site, letter in enumerate(sequence)
        for place, (atom, (x, y, z)) in enumerate(zip(ATOMS, atoms[site], strict=True))
    ]
    return "\n".join([*lines, "END"]) + "\n"


def structures(arrays, domains, folder, most):
    """Files of the first domains of the part `test`."""
    table, atoms = pd.read_csv(domains), np.load(arrays)
    folder.mkdir(parents=True, exist_ok=True)
    for row in table[table["part"] == "test"].sort_values("protein_id").head(most).itertuples():
        path = folder / f"{row.protein_id}.pdb"
        path.write_text(pdb_text(row.sequence, atoms[row.protein_id]), encoding="utf-8")
        yield path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arrays", type=Path, help="coordinates, .npz")
    parser.add_argument("domains", type=Path, help="sequences and parts, .csv or .csv.gz")
    parser.add_argument("--most", type=int, default=12, help="how many domains")
    parser.add_argument("--fast", action="store_true", help="tiny sizes, to see that it works; needs --out")
    parser.add_argument("--out", type=Path, help="the folder of tables; benchmarks/results unless given")
    args = parser.parse_args()
    if args.fast and not args.out:
        parser.error("give --out with --fast")
    work = args.out / "runs" if args.fast else ROOT / "runs" / "benchmarks"
    tables, variant = args.out or ROOT / "benchmarks" / "results", "fast" if args.fast else ""
    for path in structures(args.arrays, args.domains, work / "backbones", args.most):
        os.environ["BACKBONE"] = str(path.absolute())
        run(JOB, tables, path.with_suffix(""), variant, case=path.stem)


if __name__ == "__main__":
    main()
