"""What docking costs and what worker processes save: python benchmarks/docking.py MOLECULES [RECEPTOR]

Molecules of a file of SMILES (its first column, .gz or not), drawn with a seed, docked by one process and by two, started and
warm; on a machine that nothing else uses. The scores must be equal. With --search the first of them at exhaustiveness 1 and 8.
"""

import argparse
import gzip
import random
import resource
import time

from svdd.rewards import docking
from svdd.scoring.reward import Failure


def molecules(path, n, seed):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt") as file:
        found = [line.split(",")[0].split()[0] for line in file if line.strip()]
    return random.Random(seed).sample(found[1:], n)  # the first line may be a header


def used():
    """Seconds of the processor, of the processes that have ended too."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def measured(receptor, smiles, workers, exhaustiveness, receptors):
    """Wall seconds of the dockings, the processor's seconds with the start, and the scores."""
    before = used()
    with docking(receptor, workers=workers, exhaustiveness=exhaustiveness, receptors=receptors) as reward:
        scores = reward.components["vina"]
        scores.submit([f"{'C' * i}O" for i in range(1, 2 * workers)]).result()  # every process has started
        started = time.perf_counter()
        answers = scores.submit(smiles).result()
        wall = time.perf_counter() - started
    return wall, used() - before, [None if isinstance(one, Failure) else float(one) for one in answers]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("molecules")
    parser.add_argument("receptor", nargs="?", default="dockstring:PARP1")
    parser.add_argument("--receptors")
    parser.add_argument("--n", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--search", action="store_true")
    arguments = parser.parse_args()
    smiles = molecules(arguments.molecules, arguments.n, arguments.seed)
    cases = [(1, 1), (2, 1)] + [(2, 8)] * arguments.search
    walls, found = {}, {}
    for workers, exhaustiveness in cases:
        wall, spent, scores = measured(arguments.receptor, smiles, workers, exhaustiveness, arguments.receptors)
        walls[workers, exhaustiveness], found[workers, exhaustiveness] = wall, scores
        valid = [score for score in scores if score is not None and score > -float("inf")]
        print(
            f"{workers} processes, exhaustiveness {exhaustiveness}: {wall:.1f} s for {len(smiles)} molecules "
            f"({wall * workers / len(smiles):.2f} s of a core each), {spent:.1f} s of the processor with the start; "
            f"{len(valid)} docked, mean {sum(valid) / len(valid):.2f} kcal/mol, best {min(valid):.2f}",
            flush=True,
        )
    assert found[1, 1] == found[2, 1], "a score does not depend on its process"
    print(f"two processes: {walls[1, 1] / walls[2, 1]:.2f} times as fast")


if __name__ == "__main__":
    main()
