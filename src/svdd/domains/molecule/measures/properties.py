"""Properties of molecules, how far the properties of two sets lie apart, and which molecules are published hits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.typing import ArrayLike

from svdd.domains.molecule.chemistry import NEW, parsed
from svdd.messages import check_known

if TYPE_CHECKING:
    import pandas


BINS: dict[str, tuple[float | int, float | int, int]] = {
    "qed": (0, 1, 50),
    "sa": (1, 10, 90),
    "logp": (-6, 10, 80),
    "weight": (0, 1000, 100),
    "tpsa": (0, 300, 60),
    "atoms": (0, 80, 80),
    "rings": (0, 12, 12),
    "aromatic_rings": (0, 8, 8),
    "rotatable_bonds": (0, 20, 20),
    "donors": (0, 15, 15),
    "acceptors": (0, 20, 20),
}
"""Every property, with the lowest edge, the highest edge and the number of the bins that sets are compared on."""


def property_table(molecules: Sequence[str]) -> "pandas.DataFrame":
    """QED (0 to 1), SA (1 easy to 10 hard), Crippen logP, weight (Da), TPSA (A^2) and counts of each molecule.

    Args:
        molecules: SMILES.

    Returns:
        A row a molecule, NaN where invalid, with the columns of `BINS`.

    Raises:
        ImportError: without RDKit; it names the extra.
    """
    import pandas

    rows = [_properties(smiles) for smiles in molecules]
    return pandas.DataFrame(rows, columns=list(BINS), dtype=float)


def qed(molecule: Any) -> float:
    """Drug-likeness of RDKit's molecule, 0 to 1."""
    from rdkit.Chem import QED

    return QED.qed(molecule)


def sa(molecule: Any) -> float:
    """SA score, 1 (easy to make) to 10."""
    from rdkit.Contrib.SA_Score import sascorer

    return sascorer.calculateScore(molecule)


def logp(molecule: Any) -> float:
    """Crippen's logP."""
    from rdkit.Chem import Crippen

    return Crippen.MolLogP(molecule)  # type: ignore[attr-defined]


def weight(molecule: Any) -> float:
    """Weight in Da."""
    from rdkit.Chem import Descriptors

    return Descriptors.MolWt(molecule)  # type: ignore[attr-defined]


def tpsa(molecule: Any) -> float:
    """Polar surface in square Angstrom."""
    from rdkit.Chem import rdMolDescriptors

    return rdMolDescriptors.CalcTPSA(molecule)


def rings(molecule: Any) -> int:
    """Number of rings."""
    from rdkit.Chem import rdMolDescriptors

    return rdMolDescriptors.CalcNumRings(molecule)


def aromatic_rings(molecule: Any) -> int:
    """Number of aromatic rings."""
    from rdkit.Chem import rdMolDescriptors

    return rdMolDescriptors.CalcNumAromaticRings(molecule)


def _properties(smiles: str) -> dict[str, float]:
    molecule = parsed(smiles)
    if molecule is None:
        return {}
    from rdkit.Chem import rdMolDescriptors

    measured = {one.__name__: one(molecule) for one in (qed, sa, logp, weight, tpsa, rings, aromatic_rings)}
    return measured | {
        "atoms": molecule.GetNumHeavyAtoms(),
        "rotatable_bonds": rdMolDescriptors.CalcNumRotatableBonds(molecule),
        "donors": rdMolDescriptors.CalcNumHBD(molecule),
        "acceptors": rdMolDescriptors.CalcNumHBA(molecule),
    }


@dataclass(frozen=True)
class Histogram:
    """How a property is distributed over a set of molecules.

    Args:
        counts: molecules in each bin of `BINS`; the outer bins also hold what lies beyond them.
        low: lowest edge.
        high: highest edge.
    """

    counts: Float[ndarray, " bins"]
    low: float | int
    high: float | int

    @classmethod
    def of(cls, name: str, values: ArrayLike, weights: ArrayLike | None = None) -> "Histogram":
        """The histogram of the finite values of a property.

        Args:
            name: of `BINS`.
            values: one a molecule.
            weights: how often each counts, once unless given.

        Raises:
            ValueError: for an unknown property.
        """
        check_known("property", name, BINS)
        low, high, bins = BINS[name]
        numbers = numpy.asarray(values, dtype=float)
        known = numpy.isfinite(numbers)
        times = None if weights is None else numpy.asarray(weights, dtype=float)[known]
        place = ((numbers[known] - low) / (high - low) * bins).astype(int).clip(0, bins - 1)
        return cls(numpy.bincount(place, times, minlength=bins).astype(float), low, high)

    def divergence(self, other: "Histogram") -> float:
        r"""$\sum_i p_i \log(p_i / q_i)$ of the other's shares q from these shares p, in nats; NaN if one is empty.

        Half a molecule is added to every bin of both, so that no bin is empty.
        """
        if not self.counts.sum() or not other.counts.sum():
            return numpy.nan
        p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (self.counts, other.counts))
        return float((p * numpy.log(p / q)).sum())

    def distance(self, other: "Histogram") -> float:
        r"""Wasserstein distance, $\int |F - G|$ of the distributions F and G, in the property's unit; NaN if one is empty.

        Values count as if they lay at the middle of their bins: exact for counts, within one bin's width for the rest.
        """
        if not self.counts.sum() or not other.counts.sum():
            return numpy.nan
        ours, theirs = (counts.cumsum() / counts.sum() for counts in (self.counts, other.counts))
        return float(numpy.abs(ours - theirs).sum() * (self.high - self.low) / len(self.counts))


def hits(
    docking: ArrayLike, qed: ArrayLike, sa: ArrayLike, similarity: ArrayLike, *, threshold: float | int
) -> Bool[ndarray, " n"]:
    """Which molecules dock better than a known active, are drug-like, can be made and are novel; NaN is no hit.

    Docking reward > threshold, QED > 0.5, SA < 5 and similarity to the nearest training molecule < 0.4.

    Args:
        docking: kcal/mol, sign turned, so that higher is better.
        qed: 0 to 1.
        sa: 1 to 10, not turned round.
        similarity: Tanimoto similarity of ECFP4 to the nearest training molecule.
        threshold: of the target: 10.0 for parp1, 8.5 for fa7, 8.7845 for 5ht1b, 10.3 for braf, 9.1 for jak2.

    References:
        Lee et al. (MOOD), arXiv 2206.07632.
    """
    dock, drug, synthesis, near = (numpy.asarray(values, dtype=float) for values in (docking, qed, sa, similarity))
    return (dock > threshold) & (drug > 0.5) & (synthesis < 5) & (near < NEW)


def novel_hit_ratio(molecules: Sequence[str], hit: Bool[ndarray, " n"]) -> float:
    """Number of different hits over the number of designs, invalid and repeated ones counted below; NaN for none.

    Args:
        molecules: canonical SMILES.
        hit: of `hits`.
    """
    found = {smiles for smiles, yes in zip(molecules, hit, strict=True) if yes}
    return len(found) / len(molecules) if len(molecules) else numpy.nan


def top_share(
    molecules: Sequence[str], docking: ArrayLike, passes: Bool[ndarray, " n"], share: float = 0.05
) -> tuple[float, float]:
    """Mean and standard deviation of the best docking rewards of different molecules that pass the other criteria.

    Args:
        molecules: canonical SMILES.
        docking: kcal/mol, sign turned.
        passes: the criteria other than docking.
        share: of all designs, 0.05 as published: the best 150 of 3,000.
    """
    best: dict[str, float] = {}
    rewards = numpy.asarray(docking, dtype=float).tolist()
    for smiles, reward, yes in zip(molecules, rewards, passes, strict=True):
        if yes and numpy.isfinite(reward):
            best[smiles] = max(reward, best.get(smiles, reward))
    chosen = sorted(best.values(), reverse=True)[: max(1, int(share * len(molecules)))]
    return (float(numpy.mean(chosen)), float(numpy.std(chosen))) if chosen else (numpy.nan, numpy.nan)
