"""What a run on many machines takes: 1,000 accelerators and 10,000,000 dockings, by simulation from measured rates.

    python benchmarks/scale.py [--accelerators 1000] [--cores 16000] [--rewards 10000000] [--candidates 10] [--steps 128]
                               [--network-ms 1.4] [--reward-s 2.0] [--reward-spread 0.5] [--overhead-ms 1.5]
                               [--batch 8] [--accelerator-price 2.0] [--core-price 0.03]

`--network-ms` is the time of one network row (1.4 ms is the bundled DNA network on two CPU
cores), `--reward-s` the mean time of one reward call (2 s is a docking at exhaustiveness 1), `--overhead-ms` what sending
a batch of designs to a worker and back costs. Reward times are lognormal with `--reward-spread` as the sigma of the logarithm.

Each accelerator holds chains in batches, as `decode_on_ray` does. At every step a batch computes the candidates' rows, sends
their designs to reward workers, and waits for the slowest. While one batch waits, others of the same accelerator use
it. The simulation plays one accelerator with its share of the cores, since chains never meet.
"""

import argparse
import heapq
import math

import numpy as np


def simulate(args, method, batches, generator):
    """Seconds until one accelerator's batches are through, and the seconds it and its cores were busy.

    With the posterior mean all M candidates of a chain are scored at every step, with a learned value at the last alone.
    """
    cores = max(1, args.cores // args.accelerators)
    free = [0.0] * cores
    heapq.heapify(free)
    ready = [(0.0, number, 0) for number in range(batches)]
    accelerator, busy, worked, finished = 0.0, 0.0, 0.0, 0.0
    rows = args.batch * (args.candidates if method == "posterior-mean" else 1)
    while ready:
        at, number, step = heapq.heappop(ready)
        seconds = rows * args.network_ms / 1e3
        accelerator = max(accelerator, at) + seconds
        busy += seconds
        done = accelerator
        if method == "posterior-mean" or step == args.steps - 1:
            times = generator.lognormal(
                math.log(args.reward_s) - args.reward_spread**2 / 2, args.reward_spread, args.batch * args.candidates
            )
            worked += times.sum()
            done += args.overhead_ms / 1e3
            for time in times:
                end = max(heapq.heappop(free), accelerator) + time
                heapq.heappush(free, end)
                done = max(done, end)
        finished = max(finished, done)
        if step + 1 < args.steps:
            heapq.heappush(ready, (done, number, step + 1))
    return finished, busy, worked, cores


def plan(args, method, generator):
    """A row of the table."""
    each = args.candidates * (args.steps if method == "posterior-mean" else 1)
    chains = args.rewards / each
    batches = max(1, math.ceil(chains / args.accelerators / args.batch))
    shown = min(batches, 4 * max(1, args.cores // args.accelerators))  # steady by then
    finished, busy, worked, cores = simulate(args, method, shown, generator)
    hours = finished / 3600 * batches / shown
    return {
        "value": method,
        "designs": round(chains),
        "hours": hours,
        "accelerators busy": busy / finished,
        "reward cores busy": worked / finished / cores,
        "cost of accelerators": hours * args.accelerators * args.accelerator_price,
        "cost of cores": hours * args.cores * args.core_price,
    }


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("accelerators", 1000), ("cores", 16000), ("rewards", 10_000_000), ("candidates", 10), ("steps", 128), ("batch", 8),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (
        ("network-ms", 1.4), ("reward-s", 2.0), ("reward-spread", 0.5), ("overhead-ms", 1.5),
        ("accelerator-price", 2.0), ("core-price", 0.03),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=float, default=default)
    return parser.parse_args()


def main():
    args = arguments()
    print(
        f"{args.accelerators} accelerators, {args.cores} reward cores, {args.rewards:,} reward calls, T = {args.steps}, "
        f"M = {args.candidates}; a network row {args.network_ms} ms, a reward {args.reward_s} s"
    )
    for method in ("posterior-mean", "learned"):
        row = plan(args, method, np.random.default_rng(0))
        print(
            ", ".join(
                f"{k} {v if isinstance(v, str) else f'{v:,.3g}' if v < 1e3 else f'{v:,.0f}'}" for k, v in row.items()
            )
        )


if __name__ == "__main__":
    main()
