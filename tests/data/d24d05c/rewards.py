"""The reward of these files: how many G a design has."""

import os
import signal


def count_g(designs):
    """Presses Ctrl-C where SVDD_STOP says so."""
    if os.environ.pop("SVDD_STOP", ""):
        signal.raise_signal(signal.SIGINT)
    return [float(design.count("G")) for design in designs]
