"""A pretrained model as a Markov chain: states, distributions, schedules, denoisers, transitions, the process."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
