"""Kills a run again and again, at random moments, and goes on with it: are the designs those of a run left alone?

    python benchmarks/kills.py [--kills 100] [--reward inside|outside] [--steps 64] [--samples 16] [--candidates 4]

`inside` scores designs in the run's own process, `outside` with a slow program. The run is the bundled DNA model's, its
state saved every second. At the end: samples.csv must have the same bytes, and no design may be scored twice but for those
that were being scored when the run was killed, whose answers nobody had yet.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

SCORES = '''
import os, sys, time

def score(designs):
    """GC, written down in one go once a batch is scored."""
    time.sleep(float(os.environ.get("SCORE_SECONDS", "0.1")))
    with open(os.environ["SCORE_LOG"], "a") as log:
        log.write(" ".join(designs) + "\\n")
    return [d.count("G") + d.count("C") for d in designs]

if __name__ == "__main__":
    import json
    print("\\n".join(map(str, score([json.loads(line)["design"] for line in sys.stdin]))))
'''


def command(words):
    return [sys.executable, "-c", "from svdd.cli.main import main; main()", *words]


def start(words, log):
    environment = os.environ | {"SCORE_LOG": str(log), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command(words), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(process):
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"the run failed: {said.decode()[-2000:]}")


def batches(log):
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def repeated(log, last):
    """Designs scored more often than once, not counting those of the batches in flight at a kill."""
    counts = Counter(design for batch in batches(log) for design in batch)
    counts.subtract(design for number in last for design in batches(log)[number])
    return sum(count > 1 for count in counts.values())


def killed_again_and_again(words, folder, log, args):
    """Runs to the end through kills; returns the last batch before each."""
    generator, process, last = random.Random(args.seed), start(words, log), []
    for _ in range(args.kills):
        try:
            process.wait(generator.uniform(0.5, args.longest))
            break  # it has ended
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        time.sleep(1)  # a program that was scoring ends on its own, and nobody hears of it
        last.append(len(batches(log)) - 1)
        begun = (folder / "job.yaml").exists()
        process = start(["resume", str(folder), "--quiet"] if begun else words, log)
    finished(process)
    return last


def run(args, home):
    source = home / "score.py"
    source.write_text(SCORES)
    reward = f"{source}:score" if args.reward == "inside" else f"cmd:{sys.executable} {source}"
    words = ["run", "--model", "dna-enhancer", "--reward", reward, "--quiet", "--save-seconds", "1"]
    for name in ("steps", "samples", "candidates"):
        words += [f"--{name}", str(getattr(args, name))]
    alone, often = home / "alone", home / "often"
    finished(start([*words, "--out", str(alone)], home / "alone.log"))
    started = time.perf_counter()
    last = killed_again_and_again([*words, "--out", str(often)], often, home / "often.log", args)
    same = (alone / "samples.csv").read_bytes() == (often / "samples.csv").read_bytes()
    twice = repeated(home / "often.log", {number for number in last if number >= 0})
    print(
        f"{args.reward}: {len(last)} kills in {time.perf_counter() - started:.0f} s; samples.csv has "
        f"{'the same' if same else 'OTHER'} bytes; designs paid twice: {twice}; "
        f"batches lost in flight: {len(batches(home / 'often.log')) - len(batches(home / 'alone.log'))}"
    )
    return bool(last) and same and not twice


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reward", choices=("inside", "outside"), default="inside")
    for name, default in (("kills", 100), ("steps", 64), ("samples", 16), ("candidates", 4), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--longest", type=float, default=6.0, help="seconds before a kill, at most")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as home:
        return 0 if run(args, Path(home)) else 1


if __name__ == "__main__":
    sys.exit(main())
