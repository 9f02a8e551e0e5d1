"""Processor time of the decoding loop itself: a network and a reward that cost nothing, at the sizes of DNA.

`benchmarks/golden.py --time` uses it. Run as a program it decodes once for every line on standard input, and answers with the
seconds of processor time; so two trees can be timed in turn, each in a process of its own.
"""

import dataclasses
import importlib
import json
import subprocess
import sys
import time

LENGTH, STEPS, CANDIDATES, CHAINS = 200, 64, 10, 16
TIMES = 7


def smallest_in_turn(trees):
    """The smallest of several times of each tree.

    Args:
        trees: folder and environment of each.
    """
    found = in_turn([([__file__], env, tree) for tree, env in trees], TIMES + 1)
    return [min(times[1:]) for times in found]  # first calls set up kernels


def in_turn(programs, times):
    """The answers of programs that stay open and answer in turn, each in a process of its own.

    Args:
        programs: words, environment and folder of each; a script of Python that answers with a line of JSON to every line on
            standard input.
        times: how many answers of each.
    """
    opened = [
        subprocess.Popen(
            [sys.executable, *words], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
        )
        for words, env, folder in programs
    ]
    try:
        answers = [[_once(process) for process in opened] for _ in range(times)]
    finally:
        for process in opened:
            process.stdin.close()
            process.wait()
    return list(zip(*answers, strict=True))


def _once(process):
    process.stdin.write("\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        sys.exit(f"{' '.join(process.args)} ended without an answer")
    return json.loads(answer)


def _from_logits():
    """A denoiser of masked tokens, from the module that has it in this tree."""
    for module in ("svdd.chain.denoisers", "svdd.denoisers"):
        try:
            return importlib.import_module(module).from_logits
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError("svdd has no denoisers; add their new module here")


def prepared():
    """A process whose network answers from a table, and a reward that only counts letters."""
    import torch

    import svdd

    table = torch.arange(LENGTH * 4, dtype=torch.float32).reshape(LENGTH, 4).sin()
    dna = svdd.load("dna-enhancer", steps=STEPS, length=LENGTH)
    network = _from_logits()(lambda x, t, cond: table.expand(len(x), LENGTH, 4), 4)
    return dataclasses.replace(dna, denoiser=network), lambda designs: [float(one.count("G")) for one in designs]


def main():
    import svdd

    process, reward = prepared()
    for _ in sys.stdin:
        started = time.process_time()
        sizes = {"samples": CHAINS, "candidates": CANDIDATES}
        svdd.decode(process, reward, value="posterior-mean", temperature=0.5, seed=1, **sizes)
        print(time.process_time() - started, flush=True)


if __name__ == "__main__":
    main()
