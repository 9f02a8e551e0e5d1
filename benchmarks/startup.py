"""What it takes to start: the processor time of whole processes, user and system, of commands that do next to nothing.

    python benchmarks/startup.py [--times 5] [--only lists|run]

`lists` holds the commands that only look something up against `svdd --help`: the goal is at most 2.5 times its time. `run`
holds a run of 2 designs by `svdd run` against the same by `svdd.decode` and `Result.save`: at most 1.25 times its time. The
difference is the measures, the files and the report of a run. A run of 5 designs has charts, which need matplotlib.
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
CALL = """
import sys, svdd
model, reward, folder = sys.argv[1:]
result = svdd.decode(model, reward, model_options={"steps": 8}, samples=2, candidates=2, seed=1,
                     value="posterior-mean", progress=False)
result.save(folder)
"""
PAIRS = [("rna-utr", "mrl"), ("dna-enhancer", "hepg2")]
LISTS = {word: [MAIN, *word.split()] for word in ("--help", "models", "rewards", "methods", "cite svdd", "doctor")}
LISTS_GOAL, RUN_GOAL = 2.5, 1.25


def runs(model, reward):
    """The call and the runs of a model and a reward, the call first."""
    small = {"model": model, "reward": reward, "steps": 8, "candidates": 2, "seed": 1, "value": "posterior-mean"}
    run = [MAIN, "run", *(f"--{name}={value}" for name, value in small.items()), "--quiet"]
    return {
        f"svdd.decode, {model}": [CALL, model, reward],
        "svdd run": [*run, "--samples=2", "--out"],
        "svdd run, 5 designs": [*run, "--samples=5", "--out"],
    }


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


def show(found, goal, held):
    """Prints the times as multiples of the first, and whether those that are held to a goal meet it."""
    one = next(iter(found.values()))
    for name, took in found.items():
        print(f"{name:26} {took:6.2f} s  {took / one:5.2f}x")
    worst = max(found[name] / one for name in held)
    print(f"goal: at most {goal:g}x for {', '.join(held)}: {'met' if worst <= goal else 'missed'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", choices=("lists", "run"))
    args = parser.parse_args()
    if args.only != "run":
        show(smallest_in_turn(LISTS, args.times), LISTS_GOAL, list(LISTS)[1:])
    for pair in PAIRS if args.only != "lists" else []:
        show(smallest_in_turn(runs(*pair), args.times, writes=True), RUN_GOAL, ["svdd run"])


if __name__ == "__main__":
    main()
