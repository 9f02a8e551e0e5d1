"""Rewards of molecules that compare: with others by fingerprints, with patterns, and with catalogues of alerts, by RDKit."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any

from svdd.domains.molecule.chemistry import catalogues, chem, fingerprinter, rules_of
from svdd.domains.molecule.lists import is_molecule_file, read_molecules
from svdd.domains.molecule.rewards.molecule_reward import MoleculeReward, read
from svdd.messages import check, check_known, letter_name, odd_letter
from svdd.registry import PathWhere, origin
from svdd.scoring.identity import Origin
from svdd.scoring.reward import Invalid


def has_substructure(smarts: str) -> MoleculeReward:
    """Whether a molecule has a pattern (1 or 0). Needs RDKit.

    Args:
        smarts: The pattern, as SMARTS.

    Raises:
        ValueError: If it is no SMARTS.
    """
    _pattern(_text("smarts", smarts))
    return MoleculeReward("has-substructure", partial(_has, smarts), smarts=smarts)


def lacks_substructure(smarts: str) -> MoleculeReward:
    """Whether a molecule does not have a pattern (1 or 0). Needs RDKit.

    Args:
        smarts: The pattern, as SMARTS.

    Raises:
        ValueError: If it is no SMARTS.
    """
    _pattern(_text("smarts", smarts))
    return MoleculeReward("lacks-substructure", partial(_lacks, smarts), smarts=smarts)


def passes_filters(catalogs: str | Sequence[str] = ("PAINS", "BRENK"), *more: str) -> MoleculeReward:
    """Whether a molecule has none of the alerts of catalogues of RDKit (1 or 0). Needs RDKit.

    Args:
        catalogs: Names, such as PAINS, BRENK, NIH, ZINC or CHEMBL; a list of them, or text with commas.
        *more: Further names.

    Raises:
        ValueError: If a catalogue is unknown, or none is given.

    References:
        Baell & Holloway, J. Med. Chem. 53:2719, 2010 (PAINS); Brenk et al., ChemMedChem 3:435, 2008 (BRENK).
    """
    given = catalogs.split(",") if isinstance(catalogs, str) else catalogs
    names = tuple(name.strip() for name in (*given, *more))
    check(names, f"give at least 1 catalogue of alerts; known are {', '.join(sorted(catalogues()))}")
    for name in names:
        check_known("catalogue of alerts", name, catalogues())
    return MoleculeReward("passes-filters", partial(_passes, names), catalogs=names)


class Similarity:
    """Similarity of molecules to the nearest of some; see `similarity`."""

    def __init__(self, references: Sequence[str], direction: str, source: str = "") -> None:
        chem()
        check(direction in ("up", "down"), f"direction is up (be like them) or down (be different), got {direction!r}")
        molecules = read(references)
        for number, (smiles, molecule) in enumerate(zip(references, molecules, strict=True), 1):
            if isinstance(molecule, Invalid):
                which = f", molecule {number} of {source}: {molecule.why}"
                neither = f", neither a molecule ({molecule.why}) nor a file"
                raise ValueError(f"cannot compare with {smiles!r}{which if source else neither}{_odd_letter(smiles)}")
        check(references, "similarity needs at least 1 molecule to compare with, got none")
        self.references, self.direction = tuple(references), direction
        self._fingerprints = [_fingerprint(molecule) for molecule in molecules]

    def __call__(self, designs: Sequence[str]) -> list[float]:
        """A number a design, `Invalid` where there is none."""
        return [one if isinstance(one, Invalid) else self._of(one) for one in read(designs)]

    def _of(self, molecule: Any) -> float:
        from rdkit.DataStructs import BulkTanimotoSimilarity

        nearest = float(max(BulkTanimotoSimilarity(_fingerprint(molecule), self._fingerprints)))
        return nearest if self.direction == "up" else 1.0 - nearest

    def __repr__(self) -> str:
        return f"similarity to {len(self.references)} molecules, {self.direction}"

    @property
    def origin(self) -> Origin:
        """What decides its numbers: the references themselves, whatever file they come from."""
        references = hashlib.sha256("\n".join(self.references).encode()).hexdigest()
        return origin("similarity", {"direction": self.direction, "references": references})


def similarity(
    to: Annotated[str | Path | Sequence[str], PathWhere(is_molecule_file)], direction: str = "up"
) -> Similarity:
    """Tanimoto similarity to the nearest of some molecules (0 to 1), or 1 less it; of ECFP4, 1024 bits. Needs RDKit.

    Args:
        to: A SMILES, a list of them, or a file: .smi or .txt with one first on each line, .csv or .tsv with a column
            `smiles`, or .sdf; also as .gz.
        direction: `up` rewards being like one of them, `down` being different from all: 1 - similarity.

    Raises:
        ValueError: If there is none, one is no molecule, or the direction is another word.

    References:
        Rogers & Hahn, J. Chem. Inf. Model. 50:742, 2010.
    """
    if isinstance(to, Path) or (isinstance(to, str) and is_molecule_file(to)):
        return Similarity(read_molecules(Path(to)), direction, str(to))
    if isinstance(to, str):
        word, *name = to.split() or [""]
        several = name and not any(isinstance(one, Invalid) for one in read(name))
        check(not several, f"to={to!r} holds {len(name) + 1} molecules, and text is one: give a list or a file of them")
        to = [word] if word else []
    return Similarity(to, direction)


def _odd_letter(text: str) -> str:
    odd = odd_letter(text)
    return "" if odd is None else f"; it has {letter_name(odd)}"


def _fingerprint(molecule: Any) -> Any:
    return fingerprinter().GetFingerprint(molecule)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is text, got {value!r}")
    return value


@lru_cache(maxsize=64)
def _pattern(smarts: str) -> Any:
    chemistry = chem()
    from rdkit import rdBase

    with rdBase.BlockLogs():
        pattern = chemistry.MolFromSmarts(smarts) if odd_letter(smarts) is None else None
    check(pattern is not None, f"{smarts!r} is no SMARTS{_odd_letter(smarts)}")
    return pattern


def _has(smarts: str, molecule: Any) -> bool:
    return molecule.HasSubstructMatch(_pattern(smarts))


def _lacks(smarts: str, molecule: Any) -> bool:
    return not _has(smarts, molecule)


def _passes(names: tuple[str, ...], molecule: Any) -> bool:
    return not rules_of(names).HasMatch(molecule)
