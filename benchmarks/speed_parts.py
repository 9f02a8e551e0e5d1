"""What `benchmarks/speed.py` measures, each part in a fresh process: how fast a loop allocates depends on what ran before it.

    python benchmarks/speed_parts.py PART '{"model": "rna-utr", ...}'     # prints what it found as JSON

The sides of a comparison, `plain_side` and `our_side`, answer with their numbers for every line on standard input, so that they
can run in turn. All times are seconds of processor time, on the number of threads that the environment sets. Set-up (imports,
weights, first calls) is left out.
"""

import json
import resource
import statistics
import sys
import time
from dataclasses import replace

import torch

import svdd


def timed(f):
    """What `f` gives, and the processor time that it took."""
    started = time.process_time()
    result = f()
    return result, time.process_time() - started


def decoded(process, reward, sizes, seed=0):
    """Our loop at temperature 0, with a network row per candidate as in the plain loop."""
    sized = {"samples": sizes["chains"], "candidates": sizes["candidates"]}
    return svdd.decode(process, reward, value="posterior-mean", temperature=0.0, seed=seed, **sized)


def faults():
    """How often this process waited for the system to hand out a page of memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def for_every_line(run):
    """Answers every line on standard input with what `run(number)` tells, its seconds and its page faults."""
    for number, _ in enumerate(sys.stdin):
        before = faults()
        told, seconds = timed(lambda number=number: run(number))
        print(json.dumps(told() | {"seconds": seconds, "page faults": faults() - before}), flush=True)


def plain_side(model, reward, steps, only, chains, candidates):
    """The plain loop of `plain.py`.

    It never loads our model: that would tell the C library to keep freed memory, which is a part of what ours does.

    Args:
        model: a bundled masked model of sequences.
        reward: by its name.
        steps: T.
        only: how many of its steps are taken.
        chains: B.
        candidates: M.
    """
    from plain import plain_loop

    from svdd.domains.sequence.alphabets import DNA, RNA
    from svdd.networks.weight_files import load_network
    from svdd.registry import bundled

    alphabet, length = {"dna-enhancer": (DNA, 200), "rna-utr": (RNA, 50)}[model]
    network, guide = load_network(bundled(model, "denoiser.safetensors")), svdd.load_reward(reward)

    def run(taken):
        designs, rows = plain_loop(
            network,
            guide,
            alphabet,
            length=length,
            steps=steps,
            candidates=candidates,
            chains=chains,
            only=taken,
        )
        return lambda: {"rows": rows, "mean reward": float(torch.as_tensor(guide(designs)).mean())}

    run(1)
    for_every_line(lambda number: run(only))


def our_side(model, reward, steps, seeds=1, model_options=None, **sizes):
    """Our loop.

    Args:
        model: a bundled model.
        reward: by its name.
        steps: T.
        seeds: of runs, taken round and round.
        model_options: further ones of the model.
        **sizes: chains B and candidates M.
    """
    process, guide = svdd.load(model, steps=steps, **model_options or {}), svdd.load_reward(reward)

    def run(number):
        result = decoded(process, guide, sizes, number % seeds)
        costs = {"network": result.usage.network, "reward": result.usage.reward}
        return lambda: {
            "rows": {name: cost.rows for name, cost in costs.items()},
            "asked": {name: cost.asked for name, cost in costs.items()},
            "mean reward": float(result.rewards.mean()),
        }

    decoded(replace(process, times=process.times[-3:]), guide, sizes)
    for_every_line(run)


class Recorder:
    """A function whose answers are kept, and given in the same order from the second run on."""

    def __init__(self, f):
        self.f, self.answers, self.played = f, [], None

    def __call__(self, *args):
        if self.played is not None:
            return next(self.played)
        self.answers.append(self.f(*args))
        return self.answers[-1]

    def play(self):
        self.played = iter(self.answers)


def overhead(model, reward, steps, times, **sizes):
    """Share of a run that is neither network nor reward: the run again with their recorded answers, over the run itself.

    Args:
        model: a bundled masked model of sequences.
        reward: by its name.
        steps: T.
        times: of each; their medians count.
        **sizes: chains B and candidates M.
    """
    from svdd.chain.denoisers import from_logits
    from svdd.domains.sequence.bundled_models import batched_denoiser

    process, guide = svdd.load(model, steps=steps), svdd.load_reward(reward)
    vocabulary = len(process.kind.alphabet)
    logits, _ = batched_denoiser(model, vocabulary, process.kind.length)

    def run(network, scores):
        return decoded(replace(process, denoiser=from_logits(network, vocabulary)), scores, sizes)

    run(logits, guide)
    recorders = Recorder(logits), Recorder(guide)
    designs, whole, own = run(*recorders).samples, [], []
    for _ in range(times):
        whole.append(timed(lambda: run(logits, guide))[1])
        for recorder in recorders:
            recorder.play()
        again, seconds = timed(lambda: run(*recorders))
        assert again.samples == designs, "the answers of before must give the designs of before"
        own.append(seconds)
    found = {"seconds": statistics.median(whole), "own seconds": statistics.median(own)}
    return found | {"share": found["own seconds"] / found["seconds"]}


def memory(candidates, chunk):
    """The largest memory in MB of a short run in this process."""
    process, reward = svdd.load("dna-enhancer", steps=6), svdd.load_reward("hepg2")
    chunks = {"network": chunk, "reward": chunk}
    svdd.decode(process, reward, value="posterior-mean", samples=16, candidates=candidates, chunks=chunks)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


PARTS = {one.__name__: one for one in (plain_side, our_side, overhead, memory)}


if __name__ == "__main__":
    found = PARTS[sys.argv[1]](**json.loads(sys.argv[2]))
    if found is not None:
        print(json.dumps(found))
