"""Rewards of one molecule at a time: SMILES are read once for all, and what is no molecule is invalid with the reason."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from svdd.domains.molecule.chemistry import chem, parsed
from svdd.registry import REWARDS, origin
from svdd.scoring.reward import Invalid

_PROBLEMS = {
    "AtomValenceException": "an atom with too many bonds",
    "KekulizeException": "aromatic rings without a Kekule structure",
    "AtomKekulizeException": "an aromatic atom outside a ring",
}

_REASONS: dict[str, Callable[[Any], bool]] = {
    "no heavy atom": lambda molecule: not molecule.GetNumHeavyAtoms(),
    "several molecules in one": lambda molecule: len(chem().GetMolFrags(molecule)) > 1,
    "an open end (*)": lambda molecule: any(atom.GetAtomicNum() == 0 for atom in molecule.GetAtoms()),
}
"""Why a molecule is no design: the first that is so."""


def read(designs: Sequence[str]) -> list[Any]:
    """RDKit's molecules, and `Invalid` in the place of a design that is none, or that is several or has an open end.

    They are shared with others, so never change one.

    Args:
        designs: SMILES.

    Raises:
        ValueError: for anything but a list of text.
    """
    if isinstance(designs, str) or not all(isinstance(design, str) for design in designs):
        raise ValueError(f"a reward of molecules takes a list of SMILES, got {designs!r:.80}")
    return [_read(design) for design in designs]


@lru_cache(maxsize=1 << 12)
def _read(smiles: str) -> Any:
    molecule = parsed(smiles) if smiles.split() == [smiles] else None  # RDKit would take the rest for a name
    if molecule is None:
        return Invalid(_problem(smiles))
    return next((Invalid(reason) for reason, is_so in _REASONS.items() if is_so(molecule)), molecule)


def _problem(smiles: str) -> str:
    from rdkit import rdBase

    if not smiles.strip():
        return "an empty design"
    if not smiles.isascii():
        return "not a SMILES: a letter that is not ASCII"
    with rdBase.BlockLogs():
        raw = chem().MolFromSmiles(smiles, sanitize=False) if smiles.split() == [smiles] else None
        found = chem().DetectChemistryProblems(raw) if raw is not None else []
    return _PROBLEMS.get(found[0].GetType() if found else "", "not a SMILES")


class MoleculeReward:
    """A number of each molecule, wherever the SMILES is one.

    Args:
        name: it is known by.
        measure: one molecule of RDKit to a number; a function of a module, so that the reward can be sent to a process.
        **options: it was made with.
    """

    def __init__(self, name: str, measure: Callable[[Any], float], **options: Any) -> None:
        chem()
        self.measure = measure
        self.named = (name, options)
        if name in REWARDS:
            self.origin = origin(name, options)

    def __call__(self, designs: Sequence[str]) -> list[float]:
        """A number a design, `Invalid` where there is none."""
        return [one if isinstance(one, Invalid) else float(self.measure(one)) for one in read(designs)]

    def __repr__(self) -> str:
        name, options = self.named
        return f"{name}({', '.join(f'{key}={value!r}' for key, value in options.items())})"
