"""Settings of a fit, checked before anything is paid for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any

from svdd.chain.tree import Tree
from svdd.fitting.readers import known
from svdd.messages import check, check_known, unknown
from svdd.scoring.score_file import ScoreCache

AUTOMATIC = "automatic"
"""The network that suits the states."""
TARGETS = {
    "mean": "E[r(x_0) | x_t], the mean reward; at most the soft value, at any temperature (Jensen)",
    "soft": "a log E[exp(r(x_0)/a) | x_t], the soft value, from the rewards of whole roll-outs",
    "soft-q": "a log E[exp(r(x_0)/a) | x_t], the soft value, by soft Bellman backups over children",
}
FEWEST = 16


@dataclass(frozen=True)
class Settings:
    """What `fit_value` takes; its docstring explains them."""

    target: str = "mean"
    temperature: float | int | None = None
    network: Any = AUTOMATIC
    network_options: Mapping[str, Any] = field(default_factory=dict)
    features: Callable[..., Any] | None = None
    rollouts: int = 2000
    states: int = 8
    train_steps: int = 1000
    batch: int = 128
    learning_rate: float = 2e-3
    children: int = 8
    sweeps: int | None = None
    cond: Tree = ()
    seed: int = 0
    forward_noise: bool = False
    invalid: float | int | None = None
    cache: ScoreCache | str | Path | None = None
    held_out: int = 256
    nested: tuple[int, int] = (64, 32)
    candidates: int = 10
    chunks: Mapping[str, int] = field(default_factory=dict)
    progress: bool | Callable[[str, int, int], None] = True

    def __post_init__(self) -> None:
        check_known("target", self.target, TARGETS)
        if isinstance(self.network, str) and self.network not in (AUTOMATIC, *known()):
            raise ValueError(unknown("network", self.network, (AUTOMATIC, *known())))
        if self.target != "mean" and (self.temperature is None or not 0 < self.temperature < float("inf")):
            raise ValueError(
                f"target {self.target} needs a finite temperature above 0, got {self.temperature}; "
                "as it tends to 0 the soft value becomes a maximum, which no number of roll-outs finds; try target mean"
            )
        check(self.temperature is None or self.temperature > 0, f"temperature must be above 0, got {self.temperature}")
        numeric = isinstance(self.invalid, int | float) and not isinstance(self.invalid, bool)
        if self.invalid is not None and not (numeric and isfinite(self.invalid)):
            raise ValueError(f"invalid is the finite reward that an invalid design counts as, got {self.invalid!r}")
        self._check_sizes()
        if self.forward_noise and self.target == "soft-q":
            raise ValueError("soft-q needs the model's own states; forward_noise goes with the targets mean and soft")

    def _check_sizes(self) -> None:
        check(self.rollouts >= FEWEST, f"a value needs at least {FEWEST} roll-outs to learn from, got {self.rollouts}")
        for name in ("states", "train_steps", "batch", "children"):
            check(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("held_out", "candidates"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0 (0 measures nothing), got {getattr(self, name)}")
        if self.sweeps is not None and not 1 <= self.sweeps <= self.train_steps:
            raise ValueError(f"sweeps must be between 1 and train_steps, got {self.sweeps}")

    @property
    def soft(self) -> float | None:
        """The temperature of a soft target, None of the mean."""
        return None if self.target == "mean" or self.temperature is None else float(self.temperature)


def make_settings(given: Mapping[str, Any]) -> Settings:
    """Settings from names and values.

    Raises:
        ValueError: for a name that is not a setting, or an impossible value.
    """
    names = [one.name for one in fields(Settings)]
    for name in given:
        check_known("setting of fit_value", name, names)
    return Settings(**given)
