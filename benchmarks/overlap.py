"""What worker processes save when the reward is as slow as the network: python benchmarks/overlap.py

The bundled DNA model, on one thread, with a reward that takes as long as the network did for the same run. It is run in this
process and in one worker in turn; the ratio of the wall times is 0.5 at best, on two cores that nothing else uses. With --wait
the network and the reward of a toy wait instead of computing, which other work on the machine disturbs less.
"""

import argparse
import os
import statistics
import time
from dataclasses import replace

SECONDS = "OVERLAP_SECONDS"


def count(designs):
    return [float(design.count("G") + design.count("C")) for design in designs]


def compute(designs):
    """Computes for as long as the environment says a design."""
    end = time.process_time() + float(os.environ[SECONDS]) * len(designs)
    while time.process_time() < end:
        sum(range(1000))
    return count(designs)


def wait(designs):
    """Waits for as long as the environment says a design."""
    time.sleep(float(os.environ[SECONDS]) * len(designs))
    return count(designs)


def waiting(steps):
    """A toy whose network waits."""
    import torch

    from svdd.domains.toy.toy import gaussian_process

    process = gaussian_process(steps=steps)

    def denoiser(x, t, cond):
        time.sleep(float(os.environ[SECONDS]) * len(x))
        return process.denoiser(x, t, cond)

    return replace(process, denoiser=denoiser, decode=lambda x: [str(row) for row in torch.as_tensor(x).tolist()])


def run(process, reward, arguments):
    from svdd import decode

    started = time.perf_counter()
    sizes = {"candidates": arguments.candidates, "samples": arguments.samples}
    result = decode(process, reward, value="posterior-mean", temperature=0.5, **sizes)
    return time.perf_counter() - started, result


def main():
    import torch

    from svdd import load, workers

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--length", type=int, default=100)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--candidates", type=int, default=10)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--wait", action="store_true")
    arguments = parser.parse_args()
    reward = wait if arguments.wait else compute
    torch.set_num_threads(1)
    os.environ[SECONDS] = "0.002" if arguments.wait else "0"
    if arguments.wait:
        process = waiting(arguments.steps)
    else:
        process = load("dna-enhancer", steps=arguments.steps, length=arguments.length)
    _, free = run(process, reward, arguments)
    if not arguments.wait:
        os.environ[SECONDS] = str(free.usage.network.seconds / free.usage.reward.rows)
    print(
        f"network {free.usage.network.seconds:.1f} s for {free.usage.network.rows:,} rows; {free.usage.reward.rows:,} rewards"
    )
    ratios = []
    with workers(f"{__file__}:{reward.__name__}", 1, batch=arguments.batch, timeout=60) as pool:
        pool(["ACGT"])
        for _ in range(arguments.repeats):
            here, one = run(process, reward, arguments)
            there, other = run(process, pool, arguments)
            assert one.samples == other.samples
            ratios.append(there / here)
            print(f"in turn {here:.1f} s, overlapping {there:.1f} s: {ratios[-1]:.2f}", flush=True)
    print(f"median {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
