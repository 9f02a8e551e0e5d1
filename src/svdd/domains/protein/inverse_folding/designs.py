"""Designs for a backbone: sequences, and the native one beside them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from svdd.domains.protein.inverse_folding.backbones import DesignedBackbone
from svdd.domains.protein.pdb_text import models_text, pdb_text
from svdd.domains.sequence.designs import SequenceKind

PLACED = 10
"""Designs, the best different ones, that are written on their backbone."""


@dataclass(frozen=True)
class BackboneKind(SequenceKind):
    """Sequences for a backbone.

    Args:
        native: the letters of the structure at the sites of a design, X where they are not known.
        backbone: its name.
        structure: the backbone itself; None where only its name is known, as in the folder of a run.
    """

    native: str = field(default="", kw_only=True)
    backbone: str = field(default="", kw_only=True)
    structure: DesignedBackbone | None = field(default=None, kw_only=True, compare=False, repr=False)
    decides: ClassVar[tuple[str, ...]] = (*SequenceKind.decides, "native", "backbone")

    @property
    def whose(self) -> str:
        """With the backbone, whose residues say how long they are."""
        return f"sequences for {self.backbone}, a letter per designed residue,"

    def facts(self) -> dict[str, Any]:
        """With the native sequence."""
        return {**super().facts(), "native": self.native, "backbone": self.backbone}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "BackboneKind":
        """The inverse of `facts`."""
        plain = SequenceKind.of_facts(facts)
        known = {name: facts.get(name, "") for name in ("native", "backbone")}
        return cls(plain.alphabet, plain.length, plain.masked, domain=plain.domain, **known)

    def write(self, designs: Any, ids: Sequence[str], numbers: Mapping[str, Any], folder: Path) -> None:
        """Writes samples.fasta, and the best designs on their backbone as structures.pdb."""
        super().write(designs, ids, numbers, folder)
        if self.structure is not None:
            rows = best_rows(designs, numbers["reward"], PLACED)
            said = [" ".join([ids[row], *(f"{name}={of[row]:.6g}" for name, of in numbers.items())]) for row in rows]
            text = models_text([placed(self.structure, designs[row]) for row in rows], said)
            (folder / "structures.pdb").write_text(text, encoding="utf-8")


def placed(structure: DesignedBackbone, design: str) -> str:
    """A design on its backbone as text of PDB, with B factors of 1 where its letter is not that of the structure.

    Raises:
        ValueError: for a design of another length.
    """
    return pdb_text(structure.backbone, structure.letters(design), [float(yes) for yes in structure.changed(design)])


def best_rows(designs: Sequence[str], rewards: Iterable[float], most: int) -> list[int]:
    """The rows of the different designs of highest reward, best first; those without a finite reward are left out."""
    order = sorted((-float(reward), row) for row, reward in enumerate(rewards) if math.isfinite(reward))
    first: dict[str, int] = {}
    for _, row in order:
        first.setdefault(designs[row], row)
    return list(first.values())[:most]


def recovery(sequence: str, native: str) -> float:
    """The share of native letters among the sites where the native letter is known; NaN if none is.

    Args:
        sequence: of a design.
        native: of the same length, X where it is not known.
    """
    known = [(ours, theirs) for ours, theirs in zip(sequence, native, strict=True) if theirs != "X"]
    return sum(ours == theirs for ours, theirs in known) / len(known) if known else float("nan")
