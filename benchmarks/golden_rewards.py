"""Rewards of the golden cases that have a process of their own, or are named by their file."""

import os
import sys
import time
from pathlib import Path


def length(designs):
    return [float(len(design)) for design in designs]


def letters(designs):
    """Not numbers of halves, and large, so that rounding shows."""
    return [1000 / 3 * design.count("a") + 0.1 * design.count("b") for design in designs]


def moody(designs):
    """Fails as the design begins: AA and AG raise, AT times out, GA is NaN, CC is invalid and says why."""
    return [_one(design) for design in designs]


def fragile(designs):
    """As `moody`, but AAG hangs and ACG ends its process; few do, since new processes take seconds to start."""
    for design in designs:
        if design.startswith("AAG"):
            time.sleep(3600)
        if design.startswith("ACG"):
            os._exit(3)
    return moody(designs)


def _one(design):
    import svdd  # here, so that this file can also be a program that starts at once

    begins = design[:2]
    if begins in ("AA", "AG"):
        raise KeyError(design)
    if begins == "AT":
        raise TimeoutError("an hour")
    if begins == "GA":
        return float("nan")
    return svdd.Invalid("begins with CC") if begins == "CC" else 1000 / 3 * design.count("G") + design.count("A")


if __name__ == "__main__":  # as a command: designs by line in, scores by line out
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        print(line.count("G") - line.count("A") / 3)
