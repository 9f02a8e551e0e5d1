"""Ray: what a batch of rewards costs beside the reward itself, and the speed-up from one worker to two.

    python benchmarks/ray_workers.py [--steps 32] [--samples 16] [--candidates 5]

Run it on idle cores: each worker has one.
"""

import argparse
import time
from functools import partial

import torch

import svdd
from svdd.clusters.actors import ONE_CORE, connect
from svdd.clusters.remote_reward import reward_on_ray


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("steps", 32), ("samples", 16), ("candidates", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    connect()
    print(f"start of Ray: {time.perf_counter() - started:.1f} s")
    here, designs = svdd.load_reward("gc-content"), ["ACGT" * 50] * 64
    with reward_on_ray(here, partial(svdd.load_reward, "gc-content"), 1, {"num_cpus": 0.5}) as remote:
        remote(designs)
        for name, reward in (("here", here), ("on an actor", remote)):
            started = time.perf_counter()
            for _ in range(200):
                reward(designs)
            print(f"a batch of 64 designs {name}: {(time.perf_counter() - started) / 200 * 1e3:.2f} ms")
    make, settings = partial(svdd.load, "dna-enhancer", steps=args.steps), {"samples": args.samples, "seed": 0}
    settings |= {"candidates": args.candidates, "value": "posterior-mean"}
    seconds = {}
    for workers in (1, 2):
        started = time.perf_counter()
        result = svdd.decode_on_ray(
            make, "hepg2", workers=workers, resources=ONE_CORE, batch=args.samples // 4, **settings
        )
        seconds[workers] = time.perf_counter() - started
        print(f"{workers} worker(s): {seconds[workers]:.1f} s, median reward {float(result.rewards.median()):.2f}")
    print(f"speed-up from 1 to 2 workers: {seconds[1] / seconds[2]:.2f}")


if __name__ == "__main__":
    main()
