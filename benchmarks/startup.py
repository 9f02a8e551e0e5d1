"""What it takes to start: the processor time of whole processes, user and system, of commands that do next to nothing.

    python benchmarks/startup.py [--times 5] [--only lists|run]

`lists` holds the commands that only look something up against `svdd --help`: at most 2.5 times its time. `run` holds a run of
2 designs by `svdd run` against the same by `svdd.decode` and `Result.save`. The difference is the measures, the files and the
report of a run, whose figures need matplotlib; `no report` is the same run where matplotlib is missing.
Commands take turns, and the smallest time of each counts, since a busy machine only makes them longer. One thread.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

MAIN = "from svdd.cli.main import main; main()"
NO_REPORT = f"import sys; sys.modules['matplotlib'] = None; {MAIN}"
CALL = """
import sys, svdd
result = svdd.decode("rna-utr", "mrl", model_options={"steps": 8}, samples=2, candidates=2, seed=1, progress=False)
result.save(sys.argv[1])
"""
SMALL = {"model": "rna-utr", "reward": "mrl", "steps": 8, "samples": 2, "candidates": 2, "seed": 1}
RUN = ["run", *(f"--{name}={value}" for name, value in SMALL.items()), "--quiet", "--out"]
LISTS = {word: [MAIN, *word.split()] for word in ("--help", "models", "rewards", "methods", "cite svdd", "doctor")}
RUNS = {"svdd.decode": [CALL], "svdd run": [MAIN, *RUN], "svdd run, no report": [NO_REPORT, *RUN]}


def seconds(code, *words):
    """Processor time of a process that runs Python code; words may end with a folder that is not there yet."""
    before, environment = resource.getrusage(resource.RUSAGE_CHILDREN), os.environ | {"OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as it is where the package is installed
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *words], check=True, capture_output=True, env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def smallest_in_turn(commands, times, writes=False):
    """The smallest time of each command."""
    found = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as home:
        for turn in range(times + 1):  # the first turn fills caches
            for number, (name, words) in enumerate(commands.items()):
                place = [str(Path(home) / f"{turn}-{number}")] if writes else []
                found[name] += [seconds(*words, *place)]
    return {name: min(took[1:]) for name, took in found.items()}


def show(found):
    """Prints the times as multiples of the first."""
    one = next(iter(found.values()))
    for name, took in found.items():
        print(f"{name:22} {took:6.2f} s  {took / one:5.2f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", choices=("lists", "run"))
    args = parser.parse_args()
    if args.only != "run":
        show(smallest_in_turn(LISTS, args.times))
    if args.only != "lists":
        show(smallest_in_turn(RUNS, args.times, writes=True))


if __name__ == "__main__":
    main()
