"""Learned values: fitted to a process's own roll-outs, measured, saved and read back for the process they belong to."""

from svdd.fitting.fit import LowTemperatureWarning, fit_value
from svdd.fitting.value import FittedValue, load_value

__all__ = ["FittedValue", "LowTemperatureWarning", "fit_value", "load_value"]
