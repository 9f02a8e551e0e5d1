"""Learned values: fitted to a process's own roll-outs, measured, saved and read back for the process they belong to."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
