"""What a run costs beside the plain loop, an earlier version, and its own network and reward; the goal of each.

    python benchmarks/speed.py [--parts NAME ...] [--times 2] [--reference fe89dfc] [--bfloat16] [--fast] [--out FILE.json]

All but memory is a ratio of processor seconds on one thread, of sides that take turns, each in a fresh process: in one process
the first would decide how the system hands out memory to the second. Page faults tell how often a side waited for that; *memory
kept* is the plain loop where it hardly waits.

- Sequences: `plain.py`, the algorithm as it was published, on the same network and reward, against ours at temperature 0. At
  T = 512 the plain loop takes an eighth of its steps, which all cost the same, and its numbers are scaled.
- Molecules: a reference commit, in a temporary git worktree, against this tree; a median over seeds.
- Own: the share of a run that is neither network nor reward, by playing back their recorded answers.
- Images: the plain loop of `images.py` against `svdd.steer`.
- Memory: the largest of a short run, for growing M.

`benchmarks/make_page.py` makes docs/cost.md of the file that `--out benchmarks/results/speed.json` writes.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from golden import HERE, ROOT, checked_out, environment, git
from golden_time import in_turn

RNA, DNA = {"model": "rna-utr", "reward": "mrl"}, {"model": "dna-enhancer", "reward": "hepg2"}
MOLECULE = {"model": "molecule", "reward": "qed"}
PARTS = {
    "rna-128": ("sequences", RNA | {"steps": 128, "chains": 32, "candidates": 10}, 2.9),
    "dna-64": ("sequences", DNA | {"steps": 64, "chains": 8, "candidates": 10}, 1.5),
    "rna-512": ("sequences", RNA | {"steps": 512, "chains": 16, "candidates": 10}, None),
    "molecule": ("molecules", MOLECULE | {"steps": 16, "chains": 4, "candidates": 4}, 2.5),
    "own-128": ("own", RNA | {"steps": 128, "chains": 16, "candidates": 10}, 0.05),
    "own-512": ("own", RNA | {"steps": 512, "chains": 16, "candidates": 10}, 0.08),
    "images": (
        "images",
        {"model": "image-small", "reward": "compressibility", "steps": 10, "chains": 2, "candidates": 8},
        2.0,
    ),
    "memory": ("memory", {"candidates": (2, 10, 40), "chunk": 64}, None),
}
"""Kind, sizes and goal of each part; the own share is at most its goal, the others are at least theirs."""
KEPT = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}
"""Lets the C library of Linux keep what is freed, so that a program waits for each page of memory once."""
SHORT = {"steps": 4, "chains": 2, "candidates": 2}


def answer(script, *words):
    """What a script prints as JSON, in a process of its own that has one thread."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), *words], env=environment(ROOT), stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(f"speed: {script} {' '.join(words)} ended with status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


# the parts


def side(name, tree, variables=None, **options):
    """A side of a comparison, as `in_turn` takes it."""
    return [str(HERE / "speed_parts.py"), name, json.dumps(options)], environment(tree) | (variables or {}), tree


def smallest(answers):
    return min(answer["seconds"] for answer in answers)


def sequences(sizes, args):
    """The plain loop against ours."""
    t, b, m = (sizes[name] for name in ("steps", "chains", "candidates"))
    only = t // 8 if t >= 512 else t
    sides = [side("our_side", ROOT, **sizes)]
    sides += [side("plain_side", ROOT, variables, **sizes, only=only) for variables in ({}, KEPT)]
    if args.bfloat16:
        sides.append(side("our_side", ROOT, **sizes, model_options={"precision": "bfloat16"}))
    ours, plain, kept, *short = in_turn(sides, args.times)
    assert plain[0]["rows"] == {"network": (m + 1) * only * b + b, "reward": m * only * b}, (
        "the plain loop shares nothing"
    )
    assert ours[0]["asked"]["network"] == b + (t - 1) * b * m, "ours asks for B+(T-1)BM rows"
    scale, rows = t / only, {"network": (m + 1) * t * b + b, "reward": m * t * b}
    found = {"plain seconds": smallest(plain) * scale, "seconds": smallest(ours), "plain steps": only}
    found["ratio"] = found["plain seconds"] / found["seconds"]
    found["ratio, memory kept"] = smallest(kept) * scale / found["seconds"]
    found |= {f"{name} rows / plain": ours[0]["rows"][name] / rows[name] for name in rows}
    found |= {"plain page faults": round(plain[-1]["page faults"] * scale), "page faults": ours[-1]["page faults"]}
    found |= {"plain mean reward": plain[0]["mean reward"]} if only == t else {}
    found["mean reward"] = ours[0]["mean reward"]
    return found | ({"bfloat16 ratio": found["plain seconds"] / smallest(short[0])} if short else {})


def molecules(sizes, args):
    """The reference commit against this tree: the medians over seeds, after a first run of each side."""
    commit, seeds = git("rev-parse", "--short", "--verify", f"{args.reference}^{{commit}}"), 1 if args.fast else 8
    with checked_out(commit) as tree:
        sides = in_turn([side("our_side", one, **sizes, seeds=seeds + 1) for one in (tree, ROOT)], seeds + 1)
    old, new = (statistics.median(answer["seconds"] for answer in answers[1:]) for answers in sides)
    return {"reference": commit, "plain seconds": old, "seconds": new, "ratio": old / new}


def own(sizes, args):
    """What is neither network nor reward."""
    return answer("speed_parts.py", "overhead", json.dumps(sizes | {"times": 1 if args.fast else 3}))


def images(sizes, args):
    """The plain loop of images against `svdd.steer`; the smallest of each side."""
    words = [f"--prompts={sizes['chains']}", f"--steps={sizes['steps']}", f"--candidates={sizes['candidates']}"]
    turns = []
    for _ in range(1 if args.fast else 3):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "images.json"
            command = [sys.executable, str(HERE / "images.py"), *words, "--decode-rows=16", f"--out={out}"]
            subprocess.run(command, env=environment(ROOT), stdout=subprocess.DEVNULL, check=True)
            turns.append(json.loads(out.read_text(encoding="utf-8")))
    plain, ours = (min(turn[side]["processor"] for turn in turns) for side in ("plain", "steered"))
    rows = turns[0]["steered"]["rows"]["network"] / turns[0]["plain"]["rows"]["network"]
    return {"plain seconds": plain, "seconds": ours, "ratio": plain / ours, "network rows / plain": rows}


def memory(sizes, args):
    """The largest memory for each number of candidates."""
    words = [json.dumps({"candidates": m, "chunk": sizes["chunk"]}) for m in sizes["candidates"]]
    return {"megabytes": [answer("speed_parts.py", "memory", each) for each in words]}


# what came out


def title(kind, sizes):
    """A part in words."""
    if kind == "memory":
        return f"memory in chunks of {sizes['chunk']} rows"
    shape = ", ".join(
        f"{letter} = {sizes[name]}" for letter, name in zip("TBM", ("steps", "chains", "candidates"), strict=True)
    )
    return f"{sizes['model']} with {sizes['reward']}, {shape}"


def judged(kind, found, goal):
    """A part's number against its goal, as words and as whether it holds."""
    if kind == "memory":
        return f"{', '.join(f'{number:.0f}' for number in found['megabytes'])} MB", None
    if kind == "own":
        told, holds, words = f"own share {found['share']:.1%}", found["share"] <= (goal or 1), f"at most {goal:.0%}"
    else:
        beside = f"commit {found['reference']}" if kind == "molecules" else "the plain loop"
        told, words = f"{found['ratio']:.2f} times less than {beside}", f"at least {goal}"
        holds = found["ratio"] >= (goal or 0)
    return (f"{told}; goal {words}: {'holds' if holds else 'MISSES'}", holds) if goal else (f"{told}; no goal", None)


def measured(name, args):
    """One part, with its sizes, its goal and whether that holds."""
    kind, sizes, goal = PARTS[name]
    sizes = sizes | ({"candidates": (2,)} if kind == "memory" else SHORT) if args.fast else sizes
    found = {"memory": memory, "images": images, "own": own, "molecules": molecules, "sequences": sequences}[kind](
        sizes, args
    )
    words, holds = judged(kind, found, goal)
    print(
        f"{name}: {title(kind, sizes)}",
        *(f"  {key:22s} {shown(value)}" for key, value in found.items()),
        sep="\n",
        flush=True,
    )
    return {
        "kind": kind,
        "title": title(kind, sizes),
        "said": words,
        "goal": goal,
        "holds": holds,
        "sizes": sizes,
    } | found


def shown(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--parts", nargs="+", default=list(PARTS), choices=list(PARTS), metavar="NAME", help=", ".join(PARTS)
    )
    parser.add_argument("--times", type=int, default=2, help="that each side of sequences runs; the smallest counts")
    parser.add_argument("--reference", default="fe89dfc", help="the commit that molecules are compared with")
    parser.add_argument("--bfloat16", action="store_true", help="our loop on sequences in bfloat16 too")
    parser.add_argument("--fast", action="store_true", help="tiny sizes, whose numbers mean nothing")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    args.times = 1 if args.fast else args.times
    return args


def main():
    args = arguments()
    parts = {name: measured(name, args) for name in args.parts}
    print("\nprocessor seconds, one thread" + ("; tiny sizes, whose numbers mean nothing" if args.fast else ""))
    for part in parts.values():
        print(f"{part['title']}: {part['said']}")
    if args.out:
        setting = {"torch": torch.__version__, "python": platform.python_version(), "fast": args.fast}
        args.out.write_text(json.dumps({"setting": setting, "parts": parts}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
