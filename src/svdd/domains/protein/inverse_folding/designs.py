"""Designs for a backbone: sequences, and the native one beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from svdd.domains.sequence.designs import SequenceKind


@dataclass(frozen=True)
class BackboneKind(SequenceKind):
    """Sequences for a backbone.

    Args:
        native: the letters of the structure at the sites of a design, X where they are not known.
        backbone: its name.
    """

    native: str = field(default="", kw_only=True)
    backbone: str = field(default="", kw_only=True)
    decides: ClassVar[tuple[str, ...]] = (*SequenceKind.decides, "native", "backbone")

    def facts(self) -> dict[str, Any]:
        """With the native sequence."""
        return {**super().facts(), "native": self.native, "backbone": self.backbone}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "BackboneKind":
        """The inverse of `facts`."""
        plain = SequenceKind.of_facts(facts)
        known = {name: facts.get(name, "") for name in ("native", "backbone")}
        return cls(plain.alphabet, plain.length, plain.masked, domain=plain.domain, **known)


def recovery(sequence: str, native: str) -> float:
    """The share of native letters among the sites where the native letter is known; NaN if none is.

    Args:
        sequence: of a design.
        native: of the same length, X where it is not known.
    """
    known = [(ours, theirs) for ours, theirs in zip(sequence, native, strict=True) if theirs != "X"]
    return sum(ours == theirs for ours, theirs in known) / len(known) if known else float("nan")
