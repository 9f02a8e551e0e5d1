"""What a run of many designs keeps: the size of its state, the time of a save, and its memory, with a folder and without.

    python benchmarks/many_designs.py [--designs 1000 10000 100000] [--batch 100] [--in-memory]

The model is a toy of four tokens in 8 steps, so that the numbers are those of the run around it. Each size is a process of its
own. With a folder, as `svdd run` has one, finished batches are written there; `--in-memory` keeps them, as `svdd.decode` does.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from svdd.decoding.decoding import Decoding
from svdd.runs.parts import Parts

SAVES = 20


def peak():
    """The most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(designs, batch, parts, folder):
    """Drives a run; prints a row of the table."""
    settings = {"method": "svdd", "candidates": 4, "samples": designs, "batch": batch, "parts": parts}
    decoding = Decoding("toy-masked", lambda x: (x == 0).sum(-1).double(), **settings)
    started, state, saves, first = time.perf_counter(), folder / "state.pt", [], 0.0
    for number, _ in enumerate(decoding, 1):
        if number % max(1, len(decoding) // SAVES) == 0:
            before = time.perf_counter()
            decoding.save(state)
            saves.append((time.perf_counter() - before, state.stat().st_size))
            first = first or peak()
    seconds, after = time.perf_counter() - started, peak()
    decoding.result().save(folder / "result")
    times, sizes = zip(*saves, strict=True)
    print(
        f"{designs:>9,} {max(sizes) / 1e3:>12,.0f} {1e3 * times[0]:>12.1f} {1e3 * times[-1]:>12.1f} {first:>12,.0f} "
        f"{after:>12,.0f} {peak():>12,.0f} {seconds:>9.1f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--in-memory", action="store_true")
    args = parser.parse_args()
    if len(args.designs) > 1:
        print("  designs  largest state   first save    last save   MB at first   MB after run  MB at end   seconds")
        print("                     kB           ms           ms      save (peak)      (peak)    (peak)", flush=True)
        more = ["--batch", str(args.batch), *(["--in-memory"] if args.in_memory else [])]
        for designs in args.designs:
            subprocess.run([sys.executable, __file__, "--designs", str(designs), *more], check=True)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(args.designs[0], args.batch, None if args.in_memory else Parts(folder), folder)


if __name__ == "__main__":
    main()
