"""The one way to a reward: what a reward is, who calls it, what its failures mean, where its scores are kept."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
