"""Rewards of the golden cases that have a process of their own, or are named by their file."""

import os
import sys
import time


def length(designs):
    return [float(len(design)) for design in designs]


def letters(designs):
    """Not numbers of halves, and large, so that rounding shows."""
    return [1000 / 3 * design.count("a") + 0.1 * design.count("b") for design in designs]


def moody(designs):
    """Fails as the design begins: AA and AG raise, AT times out, CA is NaN, CC is invalid and says why."""
    return [_one(design) for design in designs]


def fragile(designs):
    """As `moody`, but AAA hangs and AC ends its process."""
    for design in designs:
        if design.startswith("AAA"):
            time.sleep(3600)
        if design.startswith("AC"):
            os._exit(3)
    return moody(designs)


def _one(design):
    import svdd  # here, so that this file can also be a program that starts at once

    begins = design[:2]
    if begins in ("AA", "AG"):
        raise KeyError(design)
    if begins == "AT":
        raise TimeoutError("an hour")
    if begins == "CA":
        return float("nan")
    return svdd.Invalid("begins with CC") if begins == "CC" else 1000 / 3 * design.count("G") + design.count("A")


if __name__ == "__main__":  # as a command: designs by line in, scores by line out
    for line in open(sys.argv[1], encoding="utf-8"):
        print(line.count("G") - line.count("A") / 3)
