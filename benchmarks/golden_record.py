"""Runs golden cases with the svdd that PYTHONPATH names, and writes what they gave as plain data.

    PYTHONPATH=TREE/src python benchmarks/golden_record.py --tree TREE --out FILE.pt [--cases NAME ...]

`benchmarks/golden.py` runs it. The file holds numbers, text, tensors, lists and dictionaries only, so that a tree with other
classes can read it. Times, memory and versions are left out, and temporary paths are replaced.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from golden_cases import CASES, Skipped
from golden_commands import of_trace

import svdd

NOT_COMPARED = ("seconds", "peak_memory_mb", "versions", "date")
"""Parts of names that differ from one run of the same code to the next."""


def compared(name):
    """Whether an entry of this name must be the same in every run."""
    return not any(part in str(name) for part in NOT_COMPARED)


def anywhere(text, folder):
    """A text without the paths of this run."""
    return text.replace(str(folder), "FOLDER").replace(str(Path(__file__).resolve().parent), "BENCHMARKS")


def plain_result(result, folder):
    """All that a result says, but for times, memory and versions."""
    parts = {
        "samples": result.samples,
        "rewards": result.rewards,
        "chain": result.chain,
        "ids": result.ids,
        "scores": result.scores,
        "trace": of_trace(result.trace.to_frame()),
        "record": result.record(),
    }
    return plain(parts, folder)


def plain(value, folder):
    """`value` as numbers, text, tensors, lists and dictionaries.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(value, svdd.Result):
        return plain_result(value, folder)
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().contiguous().clone()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | Path):
        return anywhere(str(value), folder)
    if isinstance(value, Mapping):
        return {str(name): plain(part, folder) for name, part in value.items() if compared(name)}
    if isinstance(value, list | tuple):
        return [plain(part, folder) for part in value]
    if callable(value):
        return "a function"
    raise TypeError(f"a golden case gave a {type(value).__name__}, which is not plain data: {value!r:.80}")


def run_case(case):
    """What a case gave, with the categories of the package's own warnings; or why it was skipped, or how it failed."""
    with tempfile.TemporaryDirectory(prefix="svdd-golden-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        os.chdir(folder)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                given = plain(case(folder), folder)
        except Skipped as error:
            return {"skipped": str(error)}
        except Exception:
            return {"failed": traceback.format_exc()}
        finally:
            os.chdir("/")
    own = Counter(one.category.__name__ for one in caught if one.category.__module__.startswith("svdd"))
    return {"given": given, "warnings": dict(sorted(own.items()))}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", nargs="+", default=list(CASES))
    return parser.parse_args()


def main():
    args = arguments()
    tree, out = args.tree.resolve(), args.out.resolve()
    used = Path(svdd.__file__).resolve()
    if not used.is_relative_to(tree):
        sys.exit(f"golden: this process imports {used}, which is not in {tree}; set PYTHONPATH to {tree / 'src'}")
    records = {}
    for name in args.cases:
        started = time.perf_counter()
        records[name] = run_case(CASES[name])
        said = ", ".join(kind for kind in ("skipped", "failed") if kind in records[name])
        print(f"  {name} {time.perf_counter() - started:.2f} s {said}", file=sys.stderr, flush=True)
    torch.save(records, out)


if __name__ == "__main__":
    main()
