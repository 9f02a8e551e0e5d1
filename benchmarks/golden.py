"""The golden record: does this tree give what a reference commit gave, to the last row, hit and letter?

    python benchmarks/golden.py [--reference d24d05c] [--cases NAME ...]     # 1 if anything differs
    python benchmarks/golden.py --list
    python benchmarks/golden.py --time                                       # processor time of the loop, beside the reference

The reference is checked out in a temporary git worktree. The cases of `golden_cases.py` run in it and in this tree, each in a
process of its own on one thread. Text, rows, hits, outcomes, reasons and whole numbers must be equal, other numbers to 1e-6.
What the reference gave is kept in `runs/golden/`, named by commit, cases, Python and torch, so that a second comparison runs
this tree only. Reports of the reference want logomaker: without it, its runs have no report.html.
A case that differs because a fault was mended is in `golden_allowed.py`, with the reason.
"""

import argparse
import contextlib
import hashlib
import math
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from golden_allowed import ALLOWED, without_what_may_differ

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
KEPT = ROOT / "runs" / "golden"
TOLERANCE = 1e-6
CASE_FILES = ("golden_cases.py", "golden_commands.py", "golden_models.py", "golden_record.py", "golden_rewards.py")
SLOWEST = 1.05
"""The most processor time that the loop may take, in units of the reference's."""


# two trees


def git(*words):
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"golden: git {' '.join(words)} failed: {done.stderr.strip()}")
    return done.stdout.strip()


@contextlib.contextmanager
def checked_out(commit):
    """A temporary worktree of a commit, gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="svdd-reference-") as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def environment(tree):
    """Of a process that imports the package from a tree, on one thread and without the network."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return os.environ | threads | {"PYTHONPATH": str(tree / "src"), "HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg"}


def record(tree, names):
    """What the cases give in a tree."""
    with tempfile.TemporaryDirectory(prefix="svdd-golden-") as folder:
        out = Path(folder) / "record.pt"
        words = [sys.executable, str(HERE / "golden_record.py"), "--tree", str(tree), "--out", str(out)]
        done = subprocess.run([*words, "--cases", *names], env=environment(tree))
        if done.returncode:
            sys.exit(f"golden: the cases of {tree} ended with status {done.returncode}")
        return torch.load(out, weights_only=True)


def case_names():
    """All cases, as this tree runs them."""
    words = [sys.executable, "-c", "from golden_cases import CASES; print(*CASES, sep='\\n')"]
    done = subprocess.run(words, cwd=HERE, env=environment(ROOT), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("golden: the cases cannot be imported with the package of this tree")
    return done.stdout.split()


def kept_file(commit):
    """Where the results of a commit are kept; another file for other cases, Python or torch."""
    content = b"".join((HERE / name).read_bytes() for name in CASE_FILES)
    cases = hashlib.sha256(content).hexdigest()[:12]
    return KEPT / f"{commit[:12]}-{cases}-python{platform.python_version()}-torch{torch.__version__}.pt"


def reference_record(commit, names):
    """What the cases gave at the reference; only those that are not kept are run."""
    path = kept_file(commit)
    kept = torch.load(path, weights_only=True) if path.is_file() else {}
    missing = [name for name in names if name not in kept]
    if missing:
        print(f"reference {commit[:12]}: {len(missing)} cases", file=sys.stderr)
        with checked_out(commit) as tree:
            new = record(tree, missing)
        kept |= new
        lasting = {name: one for name, one in kept.items() if "given" in one}
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(lasting, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
    return {name: kept[name] for name in names}


# differences


def differences(old, new, where=""):
    """Sentences about all that differs between two pieces of plain data."""
    if type(old) is not type(new):
        return [f"{where}: {shown(old)} -> {shown(new)}"]
    if isinstance(old, dict):
        return _of_mappings(old, new, where)
    if isinstance(old, list):
        if len(old) != len(new):
            return [f"{where}: {len(old)} entries -> {len(new)}"]
        return [one for i, pair in enumerate(zip(old, new, strict=True)) for one in differences(*pair, f"{where}[{i}]")]
    if isinstance(old, torch.Tensor):
        return _of_tensors(old, new, where)
    if isinstance(old, str):
        return [] if old == new else [_of_texts(old, new, where)]
    if isinstance(old, float):
        near = old == new or abs(old - new) <= TOLERANCE or (math.isnan(old) and math.isnan(new))
        return [] if near else [f"{where}: {old!r} -> {new!r}"]
    return [] if old == new else [f"{where}: {old} -> {new}"]


def _of_mappings(old, new, where):
    said = [f"{where}.{name}: is gone" for name in old if name not in new]
    said += [f"{where}.{name}: is new" for name in new if name not in old]
    return said + [one for name in old if name in new for one in differences(old[name], new[name], f"{where}.{name}")]


def _of_tensors(old, new, where):
    if old.dtype != new.dtype or old.shape != new.shape:
        return [f"{where}: {old.dtype} {tuple(old.shape)} -> {new.dtype} {tuple(new.shape)}"]
    tolerance = TOLERANCE if old.is_floating_point() else 0
    unequal = ~torch.isclose(old, new, rtol=0, atol=tolerance, equal_nan=True)
    if not unequal.any():
        return []
    first = tuple(unequal.nonzero()[0].tolist())
    return [f"{where}: {int(unequal.sum())} of {old.numel()} numbers, first {old[first]} -> {new[first]} at {first}"]


def _of_texts(old, new, where):
    """The first line that differs."""
    lines = zip(old.splitlines(), new.splitlines(), strict=False)
    number, pair = next(((i, pair) for i, pair in enumerate(lines, 1) if pair[0] != pair[1]), (0, (old, new)))
    same = next((i for i, letters in enumerate(zip(*pair, strict=False)) if len(set(letters)) > 1), min(map(len, pair)))
    start = max(0, same - 10)
    return f"{where}{f' line {number}' if number else ''}: {shown(pair[0][start:])} -> {shown(pair[1][start:])}"


def shown(value):
    return f"{value!r:.60}"


def verdict(old, new):
    """One line about a case, empty where nothing differs."""
    for tree, one in (("the reference", old), ("this tree", new)):
        if "failed" in one:
            return f"fails in {tree}: {one['failed'].strip().splitlines()[-1]:.300}"
    if "skipped" in old or "skipped" in new:
        return ""
    said = differences(without_what_may_differ(old), without_what_may_differ(new))
    more = f"; and {len(said) - 2} more" if len(said) > 2 else ""
    return "; ".join(one.removeprefix(".given").removeprefix(".") for one in said[:2]) + more


def compare(names, old, new):
    """Prints one line for every case that differs, and a summary; gives whether all is as it should be."""
    wrong, skipped, allowed = 0, 0, 0
    for name in names:
        said, reason = verdict(old[name], new[name]), ALLOWED.get(name)
        without = new[name].get("skipped") or old[name].get("skipped")
        if without:
            skipped += 1
            print(f"SKIPPED {name}: {without}")
        elif said and reason:
            allowed += 1
            print(f"allowed {name}: {said} ({reason})")
        elif said:
            wrong += 1
            print(f"DIFFERS {name}: {said}")
        elif reason:
            wrong += 1
            print(f"EQUAL {name}: is allowed to differ ({reason}) and does not; take it out of golden_allowed.py")
    equal = len(names) - wrong - skipped - allowed
    print(f"{len(names)} cases: {equal} equal, {wrong} wrong, {allowed} allowed to differ, {skipped} skipped")
    return not wrong


# the command


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", default="d24d05c", help="a commit")
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="some of the cases; all unless given")
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument("--time", action="store_true", help="processor time of the loop beside the reference's")
    return parser.parse_args()


def chosen(names, wanted):
    """The cases to run."""
    for name in [*(wanted or ()), *ALLOWED]:
        if name not in names:
            sys.exit(f"golden: there is no case {name!r}; --list shows them all")
    for name, reason in ALLOWED.items():
        if not reason.strip():
            sys.exit(f"golden: {name} is allowed to differ without a reason; give it one in golden_allowed.py")
    return wanted or names


def compare_times(commit):
    """Prints the processor times of both trees; gives whether this one is fast enough."""
    from golden_time import smallest_in_turn

    with checked_out(commit) as tree:
        old, new = smallest_in_turn([(one, environment(one)) for one in (tree, ROOT)])
    print(f"loop: {new:.3f} s of processor time, reference {old:.3f} s, ratio {new / old:.3f} (at most {SLOWEST})")
    return new / old <= SLOWEST


def main():
    args = arguments()
    commit = git("rev-parse", "--verify", f"{args.reference}^{{commit}}")
    if args.time:
        sys.exit(0 if compare_times(commit) else 1)
    names = case_names()
    if args.list:
        print("\n".join(names))
        return
    names = chosen(names, args.cases)
    old = reference_record(commit, names)
    print(f"this tree: {len(names)} cases", file=sys.stderr)
    new = record(ROOT, names)
    sys.exit(0 if compare(names, old, new) else 1)


if __name__ == "__main__":
    main()
