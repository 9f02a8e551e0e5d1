"""A reward that fails as its design says: `hang`, `exit`, `segfault`, `leak`, `greedy`, `raise`, `nan`; else its length."""

import ctypes
import os
import time

LEAKED = []


def fragile(designs):
    return [_one(design) for design in designs]


def _one(design):
    if design.startswith("hang"):
        while True:
            pass
    if design.startswith("exit"):
        os._exit(3)
    if design.startswith("segfault"):
        ctypes.string_at(0)
    if design.startswith("leak"):
        LEAKED.append(bytearray(30 * 2**20))
    if design.startswith("greedy"):
        bytearray(500 * 2**20)
    if design.startswith("raise"):
        raise KeyError(design)
    if design.startswith("late"):
        raise TimeoutError("an hour")
    return float("nan") if design == "nan" else float(len(design))


def sleepy(designs):
    time.sleep(0.05 * len(designs))
    return [float(len(design)) for design in designs]


def patient(designs):
    time.sleep(0.004 * len(designs))
    return [sum(design) for design in designs]


def pid(designs):
    return [float(os.getpid())] * len(designs)


def short(designs):
    return [1.0]


def number_of_designs(designs):
    return [float(len(designs))] * len(designs)


number_of_designs.groupwise = True


def batch_size(designs):
    return [float(len(designs))] * len(designs)


# changes of a reward


def doubled(reward):
    return lambda designs: [2 * number for number in reward(designs)]


def never_made(reward):
    return 1 / 0


def with_80_mb(reward):
    LEAKED.append(bytearray(80 * 2**20))
    return reward
