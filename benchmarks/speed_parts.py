"""What `benchmarks/speed.py` measures, each part in a fresh process: how fast a loop allocates depends on what ran before it.

    python benchmarks/speed_parts.py PART '{"model": "rna-utr", ...}'     # prints what it found as JSON

All times are seconds of processor time, on the number of threads that the environment sets; the two sides of a comparison run
in turn. Set-up (imports, weights, first calls) is left out.
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
    """Our loop at temperature 0."""
    return svdd.decode(
        process, reward, samples=sizes["chains"], candidates=sizes["candidates"], temperature=0.0, seed=seed
    )


def sequences(model, reward, steps, only, times, bfloat16=False, **sizes):
    """The plain loop against ours: rows, seconds and mean rewards.

    Args:
        model: a bundled masked model of sequences.
        reward: by its name.
        steps: T.
        only: how many of its steps the plain loop takes; its numbers are scaled to all of them.
        times: of each side; the smallest counts.
        bfloat16: whether ours runs in this precision too.
        **sizes: chains B and candidates M.
    """
    from plain import plain_loop

    from svdd.networks.weight_files import load_network
    from svdd.registry import bundled

    process, guide = svdd.load(model, steps=steps), svdd.load_reward(reward)
    network, alphabet, length = (
        load_network(bundled(model, "denoiser.safetensors")),
        process.kind.alphabet,
        process.kind.length,
    )
    shape = {"length": length, "steps": steps} | sizes

    def plain(taken=only):
        return plain_loop(network, guide, alphabet, **shape, only=taken)

    plain(1)
    decoded(replace(process, times=process.times[-3:]), guide, sizes)
    turns = [(timed(plain), timed(lambda: decoded(process, guide, sizes))) for _ in range(times)]
    ((designs, rows), _), (result, _) = turns[0]
    theirs, ours = (min(seconds for _, seconds in side) for side in zip(*turns, strict=True))
    share, b, m, usage = only / steps, sizes["chains"], sizes["candidates"], result.usage
    rows = {"network": round((rows["network"] - b) / share) + b, "reward": round(rows["reward"] / share)}
    assert rows == {"network": (m + 1) * steps * b + b, "reward": m * steps * b}, "the plain loop shares nothing"
    assert usage.network.asked == b + (steps - 1) * b * m, "ours asks for B+(T-1)BM rows"
    found = {
        "plain seconds": theirs / share,
        "seconds": ours,
        "ratio": theirs / share / ours,
        "network rows / plain": usage.network.rows / rows["network"],
        "reward rows / plain": usage.reward.rows / rows["reward"],
        "mean reward": float(result.rewards.mean()),
    }
    if only == steps:
        found["plain mean reward"] = float(torch.as_tensor(guide(designs)).mean())
    if bfloat16:
        short = svdd.load(model, steps=steps, precision="bfloat16")
        decoded(replace(short, times=short.times[-3:]), guide, sizes)
        found["bfloat16 ratio"] = theirs / share / timed(lambda: decoded(short, guide, sizes))[1]
    return found


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


def decode_for_every_line(model, reward, steps, **sizes):
    """Decodes with a new seed for every line on standard input, and answers with the seconds."""
    process, guide = svdd.load(model, steps=steps), svdd.load_reward(reward)
    for seed, _ in enumerate(sys.stdin):
        print(timed(lambda seed=seed: decoded(process, guide, sizes, seed))[1], flush=True)


def memory(candidates, chunk):
    """The largest memory in MB of a short run in this process."""
    process, reward = svdd.load("dna-enhancer", steps=6), svdd.load_reward("hepg2")
    svdd.decode(process, reward, samples=16, candidates=candidates, chunks={"network": chunk, "reward": chunk})
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


PARTS = {one.__name__: one for one in (sequences, overhead, decode_for_every_line, memory)}


if __name__ == "__main__":
    found = PARTS[sys.argv[1]](**json.loads(sys.argv[2]))
    if found is not None:
        print(json.dumps(found))
