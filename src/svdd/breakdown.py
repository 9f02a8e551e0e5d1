"""The breakdown of a run's reward: why designs were invalid, and what each of its components cost."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from svdd.accounting import Cost

_KINDS, _LETTERS = 50, 80
_REST = "other reasons"


@dataclass
class Breakdown:
    """What a run learns of its reward beyond the bill.

    Args:
        invalid: designs that were invalid, by the reason that the reward gave.
        components: what each component, and each further score, was asked and what it cost.
    """

    invalid: dict[str, int] = field(default_factory=dict)
    components: dict[str, Cost] = field(default_factory=dict)

    def count(self, why: str, times: int = 1) -> None:
        """Counts invalid designs; reasons beyond the first 50 share a line."""
        short = why[:_LETTERS]
        name = short if short in self.invalid or len(self.invalid) < _KINDS else _REST
        self.invalid[name] = self.invalid.get(name, 0) + times

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for files."""
        return asdict(self)

    def restore(self, earlier: Mapping[str, Any]) -> None:
        """Goes on from what `as_dict` gave; whoever holds a component's ledger keeps it."""
        self.invalid.clear()
        for cost in self.components.values():
            vars(cost).update(vars(Cost()))
        self.add(earlier)

    def add(self, other: Mapping[str, Any]) -> None:
        """Takes in what another part of the run gave with `as_dict`."""
        for why, times in other.get("invalid", {}).items():
            self.count(why, times)
        for name, spent in other.get("components", {}).items():
            mine = vars(self.components.setdefault(name, Cost()))
            mine.update({part: mine[part] + number for part, number in spent.items()})
