"""Our loop against a plain one, on the bundled DNA network and its reward: rows, wall time, overhead, memory.

    python benchmarks/speed.py [--steps 128] [--candidates 10] [--chains 32] [--lengths 50 200]
                               [--temperatures 0 0.5] [--out FILE.json]

The network runs in float32; ours also in bfloat16, a named option of the model.

The plain loop is the way the method is usually written: candidates one by one, the winner's prediction computed again at
the next step, nothing shared. It calls the same network and reward, without gradients, on the same number of threads.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace

import torch

import svdd
from svdd.domains.sequence.alphabets import DNA
from svdd.networks.weight_files import load_network
from svdd.registry import bundled, load_reward


@torch.no_grad()
def plain_loop(network, reward, *, length, steps, candidates, chains, temperature, seed):
    """SVDD with the posterior mean, written plainly. Returns designs and rows of network and reward."""
    generator = torch.Generator().manual_seed(seed)
    mask, rows = len(DNA), {"network": 0, "reward": 0}

    def log_p(x):
        rows["network"] += len(x)
        return network(x).log_softmax(-1)

    def filled(x, log_p):
        return torch.where(x == mask, log_p.argmax(-1), x)

    x = torch.full((chains, length), mask)
    for step in range(steps):
        p = log_p(x).exp()  # the winner's prediction, computed again
        reveal = 1 / (steps - step)
        proposals, values = [], []
        for _ in range(candidates):
            gumbel = -(-torch.rand(p.shape, generator=generator).clamp(min=1e-10).log()).log()
            token = (p.log() + gumbel).argmax(-1)
            shown = (torch.rand(x.shape, generator=generator) < reveal) & (x == mask)
            child = torch.where(shown, token, x)
            rows["reward"] += chains
            values.append(reward(DNA.decode(filled(child, log_p(child)))))
            proposals.append(child)
        value = torch.stack(values)
        if temperature:
            noise = -(-torch.rand(value.shape, generator=generator).clamp(min=1e-10).log()).log()
            value = value / temperature + noise
        best = value.argmax(0)
        x = torch.stack(proposals)[best, torch.arange(chains)]
    return DNA.decode(x), rows


class Recorder:
    """A function whose answers are kept, and played back in the same order without it."""

    def __init__(self, f):
        self.f, self.answers, self.playing = f, [], None

    def __call__(self, *args):
        if self.playing is not None:
            return next(self.playing)
        self.answers.append(self.f(*args))
        return self.answers[-1]


def ours(process, reward, temperature, args):
    started = time.perf_counter()
    result = svdd.decode(
        process, reward, method="svdd", candidates=args.candidates, temperature=temperature, samples=args.chains, seed=0
    )
    return result, time.perf_counter() - started


def compare(length, temperature, args):
    """Both loops in this process, one after the other, then ours again on recorded answers, and ours in bfloat16."""
    network = load_network(bundled("dna-enhancer", "denoiser.safetensors")).eval()
    process, reward = svdd.load("dna-enhancer", steps=args.steps, length=length), load_reward("hepg2")
    short = svdd.load("dna-enhancer", steps=args.steps, length=length, precision="bfloat16")
    with torch.no_grad():
        network(torch.zeros(32, length, dtype=torch.int64))  # first calls set up kernels
        for one in (process, short):
            svdd.decode(replace(one, times=one.times[-3:]), reward, samples=4, candidates=2)
    settings = {"length": length, "steps": args.steps, "candidates": args.candidates, "chains": args.chains}
    settings["temperature"] = temperature
    started = time.perf_counter()
    designs, rows = plain_loop(network, reward, **settings, seed=0)
    plain_seconds = time.perf_counter() - started
    recorded = Recorder(process.denoiser), Recorder(reward)
    result, seconds = ours(replace(process, denoiser=recorded[0]), recorded[1], temperature, args)
    for recorder in recorded:
        recorder.playing = iter(recorder.answers)
    again, overhead = ours(replace(process, denoiser=recorded[0]), recorded[1], temperature, args)
    assert again.samples == result.samples, "played-back answers must give the same designs"
    half, half_seconds = ours(short, reward, temperature, args)
    t, m, b = args.steps, args.candidates, args.chains
    usage = result.usage
    assert rows["network"] == (m + 1) * t * b, "the plain loop pays (M+1)TB rows"
    assert usage.network.asked == b + (t - 1) * b * m, "ours asks for B+(T-1)BM rows"
    return {
        **settings,
        "plain network rows": rows["network"],
        "our network rows asked": usage.network.asked,
        "our network rows computed": usage.network.rows,
        "rows computed / plain": usage.network.rows / rows["network"],
        "plain reward rows": rows["reward"],
        "our reward rows": usage.reward.rows,
        "plain seconds": plain_seconds,
        "our seconds": seconds,
        "our network seconds": usage.network.seconds,
        "our reward seconds": usage.reward.seconds,
        "speed-up": plain_seconds / seconds,
        "overhead": overhead / seconds,
        "our seconds, bfloat16": half_seconds,
        "speed-up, bfloat16": plain_seconds / half_seconds,
        "plain mean reward": float(torch.as_tensor(reward(designs)).mean()),
        "our mean reward": float(result.rewards.mean()),
        "our mean reward, bfloat16": float(half.rewards.mean()),
    }


def memory(candidates, chunk):
    """Peak memory in MB of a short run in this process."""
    process, reward = svdd.load("dna-enhancer", steps=6), load_reward("hepg2")
    chunks = {"network": chunk, "reward": chunk}
    svdd.decode(process, reward, samples=16, candidates=candidates, chunks=chunks)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compared(args):
    """Every length and temperature in a fresh process: how fast a loop allocates depends on what ran before it."""
    sizes = [f"--{name}={getattr(args, name)}" for name in ("steps", "candidates", "chains")]
    for length in args.lengths:
        for temperature in args.temperatures:
            command = [
                sys.executable,
                __file__,
                "--one",
                f"--lengths={length}",
                f"--temperatures={temperature}",
                *sizes,
            ]
            table = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            shape = ", ".join(f"{k} {table[k]:g}" for k in ("length", "steps", "candidates", "chains", "temperature"))
            print(f"\n{shape}; {torch.get_num_threads()} threads")
            for key, number in list(table.items())[5:]:
                print(f"  {key:28s} {number:12.4g}" if isinstance(number, float) else f"  {key:28s} {number:12d}")
            yield table


def memory_table(args):
    """Peak memory for growing M, a fresh process each."""
    table = {}
    for candidates in (2, 10, 40):
        command = [sys.executable, __file__, "--memory", str(candidates), "--chunk", str(args.chunk)]
        table[candidates] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return table


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--candidates", type=int, default=10)
    parser.add_argument("--chains", type=int, default=32)
    parser.add_argument("--lengths", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.0, 0.5])
    parser.add_argument("--chunk", type=int, default=64)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out")
    return parser.parse_args()


def main():
    args = arguments()
    if args.memory:
        print(memory(args.memory, args.chunk))
        return
    if args.one:
        print(json.dumps(compare(args.lengths[0], args.temperatures[0], args)))
        return
    tables = list(compared(args))
    peaks = memory_table(args)
    print(f"\npeak memory in MB, chunks of {args.chunk} rows: " + ", ".join(f"M={m} {p:.0f}" for m, p in peaks.items()))
    if args.out:
        with open(args.out, "w") as file:
            json.dump({"threads": torch.get_num_threads(), "speed": tables, "peak memory MB": peaks}, file, indent=2)


if __name__ == "__main__":
    main()
