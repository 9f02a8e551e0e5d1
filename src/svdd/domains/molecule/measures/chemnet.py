"""The Fréchet ChemNet distance of two sets of molecules."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy
import torch
from jaxtyping import Float
from numpy import ndarray

from svdd.domains.molecule.chemistry import canonical
from svdd.messages import check, module_of
from svdd.metrics.moments import Moments, check_enough, floor, frechet

__all__ = ["Activations", "activations", "fcd", "floor", "frechet"]

WIDTH = 512
_LONGEST = 350


@dataclass(frozen=True)
class Activations(Moments):
    """Mean and covariance of ChemNet's last layer, 512 features, over a set of molecules."""

    @classmethod
    def of(cls, molecules: Sequence[str], *, device: str = "cpu", rows: int = 64) -> "Activations":
        """The statistics of the valid molecules; arguments as `activations`.

        Raises:
            ValueError: for fewer than two valid molecules.
        """
        found = activations(molecules, device=device, rows=rows).astype(float)
        check(len(found) >= 2, f"the ChemNet distance needs at least 2 valid molecules, got {len(found)}")
        return cls(found.mean(0), numpy.cov(found.T), len(found))


def activations(molecules: Sequence[str], *, device: str = "cpu", rows: int = 64) -> Float[ndarray, "n w"]:
    """ChemNet's last layer for every valid molecule.

    Args:
        molecules: SMILES.
        device: where the network runs.
        rows: molecules at a time.

    Raises:
        ImportError: without fcd_torch; it names the extra.
    """
    network, letters = _chemnet()
    texts = canonical(molecules)
    found = [numpy.zeros((0, WIDTH), dtype=numpy.float32)]
    network.to(device)
    with torch.no_grad():
        for start in range(0, len(texts), rows):
            batch = numpy.stack([letters(text, _LONGEST) for text in texts[start : start + rows]])
            x = torch.from_numpy(batch / batch.shape[-1]).transpose(1, 2).float()  # as ChemNet was trained
            found.append(network(x.to(device)).cpu().numpy())
    return numpy.concatenate(found)


def fcd(
    molecules: Sequence[str] | Activations, reference: Sequence[str] | Activations, *, device: str = "cpu"
) -> float:
    r"""Fréchet distance of two sets under ChemNet, $|\mu - m|^2 + \mathrm{tr}(C + D - 2 (C D)^{1/2})$.

    It depends on the number of molecules: fewer read higher, so compare sets of one size, of at least 500.

    Args:
        molecules: SMILES, or their statistics.
        reference: SMILES, or their statistics.
        device: where ChemNet runs.

    Raises:
        ImportError: without fcd_torch; it names the extra.
        TooFewForFrechetError: for fewer than 500 valid molecules in either set.

    References:
        Preuer et al., J. Chem. Inf. Model. 58, 1736 (2018), arXiv 1803.09518.
    """
    ours, theirs = (
        given if isinstance(given, Activations) else Activations.of(_enough(given), device=device)
        for given in (molecules, reference)
    )
    check_enough(min(ours.count, theirs.count))
    return frechet(ours, theirs)


def _enough(molecules: Sequence[str]) -> list[str]:
    """The valid molecules, where there are enough for a distance, before ChemNet reads them."""
    valid = canonical(molecules)
    check_enough(len(valid))
    return valid


@lru_cache(maxsize=1)
def _chemnet() -> tuple[Any, Any]:
    """The network and what turns SMILES into its input."""
    package = module_of("molecules", "fcd_torch", "the ChemNet distance needs fcd_torch")
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn before the trained ones are read
        return package.FCD().model, package.utils.get_one_hot
