"""Rewards of the golden cases that have a process of their own, or are named by their file."""

import os
import sys
import time


def length(designs):
    return [float(len(design)) for design in designs]


def letters(designs):
    """Not numbers of halves, and large, so that rounding shows."""
    return [1000 / 3 * design.count("a") + 0.1 * design.count("b") for design in designs]


def fragile(designs):
    """Fails as the design begins: ab hangs, ba ends its process, bb raises, bc times out, cb is NaN, cc is invalid."""
    return [_one(design) for design in designs]


def _one(design):
    from svdd import Invalid  # where the workers start, so that this file can also be a program

    begins = design[:2]
    if begins == "ab":
        time.sleep(3600)
    if begins == "ba":
        os._exit(3)
    if begins == "bb":
        raise KeyError(design)
    if begins == "bc":
        raise TimeoutError("an hour")
    if begins == "cb":
        return float("nan")
    return Invalid("begins with cc") if begins == "cc" else 1000 / 3 * design.count("a") + design.count("b")


if __name__ == "__main__":  # as a command: designs by line in, scores by line out
    for line in open(sys.argv[1], encoding="utf-8"):
        print(line.count("G") - line.count("A") / 3)
