"""Rewards of molecules by RDKit: drug-likeness, synthesis, lipophilicity, size, similarity, patterns and alerts.

Every reward takes a list of SMILES and returns a list with one number each. What is no molecule, or several in one, is
invalid: -inf, with the reason (`svdd.Invalid`). Charges and isotopes are as fine as any. Most of these numbers are not to be
made as large as can be: give them a shape and a weight in an objective (`svdd.rewards.objectives`).
"""

from typing import Any

from svdd.domains.molecule.measures import properties
from svdd.domains.molecule.rewards.filters import has_substructure as has_substructure
from svdd.domains.molecule.rewards.filters import lacks_substructure as lacks_substructure
from svdd.domains.molecule.rewards.filters import passes_filters as passes_filters
from svdd.domains.molecule.rewards.filters import similarity as similarity
from svdd.domains.molecule.rewards.molecule_reward import MoleculeReward

# Mean and standard deviation of logP, SA score and ring penalty over the molecules of ZINC250k, as published.
_ZINC = (
    (2.4570953396190123, 1.434324401111988),
    (3.0525811293166134, 0.8335207024513095),
    (0.0485696876403053, 0.2860212110245455),
)


def qed() -> MoleculeReward:
    """Drug-likeness QED (0 to 1, weighted as its authors do): 0.6 and more is drug-like. Needs RDKit.

    References:
        Bickerton et al., Nature Chemistry 4:90, 2012.
    """
    return MoleculeReward("qed", properties.qed)


def sa() -> MoleculeReward:
    """Ease of synthesis, (10 - SA) / 9 of the synthetic accessibility score SA (0 hard to 1 easy). Needs RDKit.

    SA runs from 1 to 10; SA < 5 is a number above 5/9 here, SA <= 4 one of 2/3 and more.

    References:
        Ertl & Schuffenhauer, J. Cheminformatics 1:8, 2009.
    """
    return MoleculeReward("sa", _sa)


def logp() -> MoleculeReward:
    """Crippen's octanol-water logP (no unit; drugs about 0 to 5): higher is more lipophilic. Needs RDKit.

    References:
        Wildman & Crippen, J. Chem. Inf. Comput. Sci. 39:868, 1999.
    """
    return MoleculeReward("logp", properties.logp)


def penalised_logp() -> MoleculeReward:
    r"""Penalised logP, not normalised (no unit; ZINC about -5 to 4): higher is better. Needs RDKit.

    $r(x) = \log P(x) - SA(x) - \max(0, \text{atoms of the largest ring} - 6)$

    with SA from 1 to 10, and rings as RDKit counts them (a smallest set). It has no upper bound and is met best by long chains:
    a benchmark, not a goal. `penalised_logp_zinc` is the normalised convention; their numbers cannot be compared.

    References:
        Gomez-Bombarelli et al., ACS Central Science 4:268, 2018.
    """
    return MoleculeReward("penalised-logp", _penalised)


def penalised_logp_zinc() -> MoleculeReward:
    r"""Penalised logP, each term normalised by its mean and deviation over ZINC250k (deviations; ZINC about -10 to 5).

    $r(x) = \frac{\log P - 2.457}{1.434} - \frac{SA - 3.053}{0.834} - \frac{\text{ring penalty} - 0.049}{0.286}$

    Needs RDKit. Terms as of `penalised_logp`; a molecule with large fused rings may differ from published numbers, where
    rings are a basis of cycles that is not always the smallest.

    References:
        Jin et al., arXiv 1802.04364; You et al., arXiv 1806.02473.
    """
    return MoleculeReward("penalised-logp-zinc", _penalised_zinc)


def weight() -> MoleculeReward:
    """Molecular weight (Da, above 0; drugs about 150 to 500). Needs RDKit."""
    return MoleculeReward("molecular-weight", properties.weight)


def tpsa() -> MoleculeReward:
    """Topological polar surface area of nitrogen and oxygen (square Angstrom, at least 0; oral drugs up to 140). Needs RDKit.

    References:
        Ertl, Rohde & Selzer, J. Med. Chem. 43:3714, 2000.
    """
    return MoleculeReward("tpsa", properties.tpsa)


def rings(aromatic: bool = False) -> MoleculeReward:
    """Number of rings (a count, at least 0), all or the aromatic ones. Needs RDKit.

    Args:
        aromatic: Counts aromatic rings only.
    """
    return MoleculeReward("rings", properties.aromatic_rings if aromatic else properties.rings, aromatic=aromatic)


def _terms(molecule: Any) -> tuple[float, float, float]:
    """LogP, SA score and ring penalty."""
    largest = max(map(len, molecule.GetRingInfo().AtomRings()), default=0)
    return properties.logp(molecule), properties.sa(molecule), float(max(0, largest - 6))


def _penalised(molecule: Any) -> float:
    lipophilicity, difficulty, penalty = _terms(molecule)
    return lipophilicity - difficulty - penalty


def _penalised_zinc(molecule: Any) -> float:
    lipophilicity, difficulty, penalty = (
        (term - mean) / deviation for term, (mean, deviation) in zip(_terms(molecule), _ZINC, strict=True)
    )
    return lipophilicity - difficulty - penalty


def _sa(molecule: Any) -> float:
    return (10 - properties.sa(molecule)) / 9
