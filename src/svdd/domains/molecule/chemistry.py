"""Statistics of sets of molecules: validity, uniqueness, novelty, diversity, and likeness to a reference set.

Molecules are SMILES; an empty string, or what RDKit does not read, is an invalid one. The definitions are those of MOSES
(Polykovskiy et al., arXiv 1811.12823) but where a docstring says otherwise: of the valid molecules, repeated ones counted.
Properties and the Fréchet ChemNet distance are in `svdd.domains.molecule.measures`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy
from jaxtyping import Bool, Float32, UInt8
from numpy import ndarray

from svdd.messages import check, module_of

BITS, RADIUS = 1024, 2
"""Of the fingerprints: ECFP4 folded to 1024 bits, as MOSES and MOOD have them."""
NEW = 0.4
"""Similarity to the nearest known molecule below which MOOD calls a molecule novel."""
# Signs of stereochemistry in SMILES.
_STEREO = frozenset("@/\\")
# Fingerprints at a time, so that a table of similarities is at most 64 MiB.
_BLOCK = 4096


def chem() -> Any:
    """RDKit's `Chem`.

    Raises:
        ImportError: without RDKit; it names the extra.
    """
    return module_of("molecules", "rdkit.Chem", "molecules need rdkit")


def read(smiles: str) -> Any:
    """A molecule of one's own, None for text that is none: RDKit skips letters that are not ASCII and takes the rest."""
    chemistry = chem()
    from rdkit import rdBase

    with rdBase.BlockLogs():
        return chemistry.MolFromSmiles(smiles) if plain(smiles) else None


def plain(smiles: str) -> bool:
    """Whether text begins with a word of letters that SMILES can have; behind a blank may be a name in any letters."""
    word = next(iter(smiles.split()), "")
    return bool(word) and word.isascii() and word.isprintable()


@lru_cache(maxsize=1 << 12)
def parsed(smiles: str) -> Any:
    """As `read`, but shared, so never change it."""
    return read(smiles)


def canonical(molecules: Iterable[str]) -> list[str]:
    """The canonical SMILES of the valid molecules, in their order."""
    write = chem().MolToSmiles
    return [write(found) for found in map(parsed, molecules) if found is not None]


def flat(molecules: Iterable[str]) -> list[str]:
    """The canonical SMILES of the valid molecules without stereochemistry, which most generators do not know."""
    whole, write = canonical(molecules), chem().MolToSmiles
    return [write(parsed(smiles), isomericSmiles=False) if _STEREO & set(smiles) else smiles for smiles in whole]


def validity(molecules: Sequence[str]) -> float:
    """Share of text that is a molecule, between 0 and 1; NaN for no text."""
    return _share([parsed(smiles) is not None for smiles in molecules])


def uniqueness(molecules: Sequence[str]) -> float:
    """Number of different molecules over the number of valid ones, between 0 and 1; NaN if none is valid."""
    valid = canonical(molecules)
    return len(set(valid)) / len(valid) if valid else numpy.nan


def novelty(molecules: Sequence[str], known: Iterable[str]) -> float:
    """Share of the different molecules that are not among the known ones, between 0 and 1; NaN if none is valid.

    A molecule is known by its atoms and bonds: another stereoisomer is no new one.

    Args:
        molecules: to judge.
        known: the training set, say; written in any way.
    """
    different, before = set(flat(molecules)), set(flat(known))
    return len(different - before) / len(different) if different else numpy.nan


def distant(molecules: Sequence[str], known: Sequence[str], below: float = NEW) -> float:
    """Share of the different molecules whose nearest known one is less similar than `below`, between 0 and 1.

    References:
        Lee et al. (MOOD), arXiv 2206.07632, with 0.4.
    """
    different = list(dict.fromkeys(canonical(molecules)))
    return _share(nearest_similarity(different, known) < below)


def fingerprints(molecules: Sequence[str]) -> UInt8[ndarray, "n bytes"]:
    """Circular fingerprints of radius 2 (ECFP4) of molecules, 1024 bits in 128 bytes, all 0 where invalid."""
    found = numpy.zeros((len(molecules), BITS // 8), dtype=numpy.uint8)
    for row, molecule in enumerate(map(parsed, molecules)):
        if molecule is not None:
            found[row] = numpy.packbits(fingerprinter().GetFingerprintAsNumPy(molecule))
    return found


@lru_cache(maxsize=1)
def fingerprinter() -> Any:
    """RDKit's maker of these fingerprints."""
    chem()
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    return GetMorganGenerator(radius=RADIUS, fpSize=BITS)


def tanimoto(ours: UInt8[ndarray, "n bytes"], theirs: UInt8[ndarray, "m bytes"]) -> Float32[ndarray, "n m"]:
    r"""Similarity of every two fingerprints, $|a \wedge b| / |a \vee b|$, between 0 and 1; 0 where both are empty."""
    a, b = (numpy.unpackbits(given, axis=1).astype(numpy.float32) for given in (ours, theirs))
    both = a @ b.T
    either = a.sum(1)[:, None] + b.sum(1) - both
    return numpy.divide(both, either, out=both, where=either > 0)


def nearest_similarity(molecules: Sequence[str], known: Sequence[str]) -> Float32[ndarray, " n"]:
    """Similarity of each valid molecule to its nearest known one; the mean is the SNN of MOSES.

    Raises:
        ValueError: if no known molecule is valid.
    """
    theirs = fingerprints(canonical(known))
    check(len(theirs), f"nearest similarity needs at least 1 valid known molecule, got 0 of {len(known)}")
    return nearest_of(fingerprints(canonical(molecules)), theirs)


def nearest_of(ours: UInt8[ndarray, "n bytes"], theirs: UInt8[ndarray, "m bytes"]) -> Float32[ndarray, " n"]:
    """Similarity of each fingerprint to the nearest of others, in blocks of bounded memory."""
    nearest = numpy.zeros(len(ours), dtype=numpy.float32)
    for row in range(0, len(ours), _BLOCK):
        for column in range(0, len(theirs), _BLOCK):
            block = slice(row, row + _BLOCK)
            found = tanimoto(ours[block], theirs[column : column + _BLOCK]).max(1)
            nearest[block] = numpy.maximum(nearest[block], found)
    return nearest


def internal_diversity(molecules: Sequence[str]) -> float:
    r"""$1 - \overline{T(a, b)}$ over every two valid molecules of the list; NaN for fewer than two.

    MOSES also counts each molecule with itself, which lowers its figure by a share 1/n.
    """
    found = fingerprints(canonical(molecules))
    n = len(found)
    if n < 2:
        return numpy.nan
    blocks = [found[row : row + _BLOCK] for row in range(0, n, _BLOCK)]
    total = sum(float(tanimoto(one, other).sum(dtype=float)) for one in blocks for other in blocks)
    return 1 - (total - n) / (n * (n - 1))


def fragments(molecules: Sequence[str]) -> Counter[str]:
    """How often each piece is left when the valid molecules are cut at all their BRICS bonds."""
    return _counted(molecules, _fragments)


def scaffolds(molecules: Sequence[str]) -> Counter[str]:
    """How often each Bemis-Murcko scaffold occurs; those of fewer than two rings are left out, as in MOSES."""
    return _counted(molecules, _scaffold)


def fragment_similarity(molecules: Sequence[str], known: Sequence[str]) -> float:
    """Cosine of the counts of BRICS fragments of two sets, between 0 and 1; NaN if one has none."""
    return cosine(fragments(molecules), fragments(known))


def scaffold_similarity(molecules: Sequence[str], known: Sequence[str]) -> float:
    """Cosine of the counts of scaffolds of two sets, between 0 and 1; NaN if one has none."""
    return cosine(scaffolds(molecules), scaffolds(known))


def cosine(ours: Mapping[str, int], theirs: Mapping[str, int]) -> float:
    """Cosine of two sets of counts."""
    lengths = [sum(count**2 for count in counts.values()) for counts in (ours, theirs)]
    product = sum(count * theirs.get(name, 0) for name, count in ours.items())
    return float(product / numpy.sqrt(lengths[0] * lengths[1])) if all(lengths) else numpy.nan


def alerts(molecules: Sequence[str], catalogue: str = "PAINS") -> Bool[ndarray, " n"]:
    """Whether each valid molecule has a pattern of a catalogue of alerts.

    Args:
        molecules: to judge.
        catalogue: one that RDKit has: PAINS, BRENK, NIH, ZINC, CHEMBL.

    References:
        Baell and Holloway, J. Med. Chem. 53, 2719 (2010), for PAINS.
    """
    known = catalogues()
    check(catalogue in known, f"unknown catalogue {catalogue!r}; RDKit has {', '.join(known)}")
    rules, found = rules_of((catalogue,)), map(parsed, molecules)
    return numpy.array([rules.HasMatch(molecule) for molecule in found if molecule is not None], dtype=bool)


def catalogues() -> Mapping[str, Any]:
    """RDKit's catalogues of alerts, by name."""
    chem()
    from rdkit.Chem.FilterCatalog import FilterCatalogParams

    return FilterCatalogParams.FilterCatalogs.names


@lru_cache(maxsize=8)
def rules_of(names: tuple[str, ...]) -> Any:
    """The alerts of catalogues, in one."""
    from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

    known, settings = catalogues(), FilterCatalogParams()
    for name in names:
        settings.AddCatalog(known[name])
    return FilterCatalog(settings)


def _share(answers: Sequence[bool] | ndarray) -> float:
    return float(numpy.mean(answers)) if len(answers) else numpy.nan


def _counted(molecules: Sequence[str], pieces: Callable[[str], tuple[str, ...]]) -> Counter[str]:
    valid = (smiles for smiles in molecules if parsed(smiles) is not None)
    return Counter(piece for smiles in valid for piece in pieces(smiles))


def _fragments(smiles: str) -> tuple[str, ...]:
    from rdkit.Chem.BRICS import BreakBRICSBonds  # at all of them

    return tuple(chem().MolToSmiles(BreakBRICSBonds(parsed(smiles))).split("."))


def _scaffold(smiles: str) -> tuple[str, ...]:
    from rdkit.Chem.Scaffolds.MurckoScaffold import GetScaffoldForMol

    scaffold = GetScaffoldForMol(parsed(smiles))
    return (chem().MolToSmiles(scaffold),) if scaffold.GetRingInfo().NumRings() >= 2 else ()
