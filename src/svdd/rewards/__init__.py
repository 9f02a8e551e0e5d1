"""Rewards of no domain: in worker processes, programs, HTTP addresses, several components in one.

Kinds of rewards that a domain brings, such as `docking`, are names of this room too.
"""

from typing import Any

import lazy_loader

from svdd import registry

_of_this_room, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["docking"]


def __getattr__(name: str) -> Any:
    if name in registry.REWARD_SCHEMES and name not in __all__[:-1]:
        return registry.locate("reward", name, registry.REWARD_SCHEMES)
    return _of_this_room(name)
