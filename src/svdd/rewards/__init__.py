"""Rewards: callables from decoded samples to one number each."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svdd.rewards.docking_reward import docking as docking

__all__ = ["docking"]


def __getattr__(name: str) -> Any:
    """Imported when it is first used: docking brings processes and chemistry."""
    if name not in __all__:
        raise AttributeError(f"module 'svdd.rewards' has no attribute {name!r}")
    from svdd.rewards.docking_reward import docking

    return docking
