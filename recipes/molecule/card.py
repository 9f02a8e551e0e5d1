"""Everything the model card of molecules says, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipes.baselines import markov_row_bits
from recipes.measures import describe, speed, speed_setting
from recipes.molecule.data import MoleculeData, encode_molecules
from recipes.molecule.denoiser import row_nats
from svdd.chain.process import Process
from svdd.decoding.decoding import decode
from svdd.domains.molecule.chemistry import (
    fingerprints,
    fragments,
    internal_diversity,
    nearest_of,
    scaffolds,
    uniqueness,
    validity,
)
from svdd.domains.molecule.measures.chemnet import Activations, floor, frechet
from svdd.domains.molecule.measures.properties import Histogram, property_table
from svdd.domains.molecule.measures.reference import MoleculeReference, Pieces
from svdd.domains.molecule.model import with_fragment
from svdd.domains.molecule.selfies import LONGEST, PAD
from svdd.networks.sequences import SequenceDenoiser

__all__ = ["FRAGMENTS", "PROPERTIES", "Sizes", "measure_card"]

PROPERTIES = ("qed", "sa", "logp", "weight")
FRAGMENTS = {
    "motif": "*N1CCN(c2ccccc2)CC1",
    "scaffold": "*c1ccc2nc(*)sc2c1",
    "linker": "*c1ccncc1.*C1CCCCO1",
}
"""One for each use of a fragment."""


@dataclass(frozen=True)
class Sizes:
    """How many molecules of what are measured.

    Args:
        samples: unguided samples, and as many training molecules beside them.
        scored: molecules of a test set whose bits are computed.
        draws: mask draws a molecule.
        counted: training molecules that the Markov chains count.
        held: designs of each fragment.
    """

    samples: int = 10_000
    scored: int = 10_000
    draws: int = 4
    counted: int = 400_000
    held: int = 250


def measure_card(
    molecules: MoleculeData,
    train: Sequence[str],
    tests: Mapping[str, Sequence[str]],
    network: SequenceDenoiser,
    process: Process,
    histories: dict[str, Any],
    reference: MoleculeReference,
    sizes: Sizes,
) -> dict[str, Any]:
    """Measure every number of the model card.

    Args:
        molecules: Tokens that the network was trained on.
        train: Their canonical SMILES, and those of the molecules that were left out.
        tests: SMILES of the test sets.
        network: The trained denoiser.
        process: The model with its weights.
        histories: Settings and history of the training run.
        reference: Of the test set.
        sizes: How many molecules are measured.

    Returns:
        A JSON-able record, which `card.md.j2` renders.
    """
    result = decode(process, _nothing, method="pretrained", samples=sizes.samples, batch=2000)
    rows = result.usage.network.rows
    drawn = {"samples": list(result.samples), "training molecules": _some(train, sizes.samples)}
    return {
        "data": _data(molecules, tests),
        "network": describe(network),
        "training": histories,
        "bits": {name: _bits(molecules, found, network, sizes) for name, found in tests.items()},
        "steps": process.steps,
        "quality": {name: _quality(found, reference) for name, found in drawn.items()},
        "novel": _novelty(result.samples, train),
        "reference": _described(reference),
        "examples": result.samples[:8],
        "held": {use: _held(process, fragment, sizes.held) for use, fragment in FRAGMENTS.items()},
        "sampling": {"rows_each": rows / sizes.samples, "seconds_each": result.usage.seconds / sizes.samples},
        "speed": speed(network, LONGEST),
        "speed_setting": speed_setting(),
    }


def _described(reference: MoleculeReference) -> dict[str, Any]:
    sizes = {"sampled": reference.activations.count, "neighbours": len(reference.neighbours)}
    return {"name": reference.name, "count": reference.count, **sizes}


def _nothing(molecules: Sequence[str]) -> Tensor:
    return torch.zeros(len(molecules))


def _some(molecules: Sequence[str], most: int) -> list[str]:
    """At most so many, evenly spread."""
    places = numpy.unique(numpy.linspace(0, len(molecules) - 1, min(most, len(molecules))).astype(int))
    return [molecules[place] for place in places]


def _data(molecules: MoleculeData, tests: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    counts = torch.tensor(molecules.lengths())
    known = counts.nonzero()[:, 0]
    return {
        "counts": molecules.counts,
        "train": len(molecules.train),
        "validation": len(molecules.validation),
        "tests": {name: len(found) for name, found in tests.items()},
        "length_mean": float((counts * torch.arange(len(counts))).sum() / counts.sum()),
        "length_least": int(known[0]),
        "length_most": int(known[-1]),
    }


def _bits(molecules: MoleculeData, smiles: Sequence[str], network: SequenceDenoiser, sizes: Sizes) -> dict[str, Any]:
    """Bits a symbol of a test set given its lengths, and of simple models of the same training set."""
    tokens, _ = encode_molecules(_some(smiles, sizes.scored), processes=1)
    test, lengths = tokens.long(), (tokens != PAD).sum(dim=1).numpy()
    nats = row_nats(network, test, draws=sizes.draws, seed=1).double().numpy()
    bound = nats / lengths / numpy.log(2)
    known = molecules.train[: sizes.counted].long()
    others = {"even symbols": numpy.full(len(test), numpy.log2(PAD))}
    others |= {f"Markov chain of order {k}": markov_row_bits(known, test, k, letters=PAD) for k in range(4)}
    mean, error = _per_symbol(bound, lengths)
    return {
        "n": len(test),
        "denoiser": mean,
        "standard_error": error,
        "others": {name: _compared(bits, bound, lengths) for name, bits in others.items()},
    }


def _compared(bits: NDArray[Any], bound: NDArray[Any], lengths: NDArray[Any]) -> dict[str, float]:
    gain, error = _per_symbol(bits - bound, lengths)
    return {"bits": _per_symbol(bits, lengths)[0], "gain": gain, "standard_error": error}


def _per_symbol(bits: NDArray[Any], lengths: NDArray[Any]) -> tuple[float, float]:
    """Mean over symbols of bits a symbol of each molecule, and its standard error over molecules."""
    mean = (bits * lengths).sum() / lengths.sum()
    residual = (bits - mean) * lengths / lengths.mean()
    return float(mean), float(residual.std() / len(bits) ** 0.5)


def _quality(molecules: Sequence[str], reference: MoleculeReference) -> dict[str, Any]:
    found = Activations.of(molecules)
    table = property_table(molecules)
    return {
        "n": len(molecules),
        "validity": validity(molecules),
        "uniqueness": uniqueness(molecules),
        "internal_diversity": internal_diversity(molecules),
        "fcd": frechet(found, reference.activations),
        "fcd_floor": floor(reference.activations, found.count),
        "nearest_similarity": float(nearest_of(fingerprints(molecules), reference.neighbours).mean()),
        "fragment_similarity": _cosine(fragments(molecules), reference.fragments),
        "scaffold_similarity": _cosine(scaffolds(molecules), reference.scaffolds),
        "properties": {name: _property(name, table[name].to_numpy(), reference) for name in PROPERTIES},
    }


def _cosine(counts: Mapping[str, int], theirs: Pieces) -> float:
    product = sum(count * theirs.counts.get(name, 0) for name, count in counts.items())
    length = numpy.sqrt(sum(count**2 for count in counts.values())) * theirs.length
    return float(product / length) if length else numpy.nan


def _property(name: str, values: NDArray[Any], reference: MoleculeReference) -> dict[str, float]:
    """Mean and spread of a property, and how far its distribution is from the reference's."""
    ours, theirs = Histogram.of(name, values), reference.histograms[name]
    return {
        "mean": float(numpy.nanmean(values)),
        "sd": float(numpy.nanstd(values)),
        "wasserstein": ours.distance(theirs),
        "divergence": ours.divergence(theirs),
    }


def _novelty(molecules: Sequence[str], train: Sequence[str]) -> float:
    """Share of the different molecules that are not in the training set, whose SMILES are canonical."""
    different = {smiles for smiles in molecules if smiles}
    return len(different - set(train)) / len(different)


def _held(process: Process, fragment: str, samples: int) -> dict[str, Any]:
    """How many designs hold a fragment, and what they are like."""
    from rdkit import Chem

    designs = decode(with_fragment(process, fragment), _nothing, method="pretrained", samples=samples).samples
    settings = Chem.AdjustQueryParameters.NoAdjustments()
    settings.makeDummiesQueries = True
    queries = [Chem.AdjustQueryProperties(Chem.MolFromSmiles(part), settings) for part in fragment.split(".")]
    found = [Chem.MolFromSmiles(smiles) for smiles in designs]
    held = [all(molecule.HasSubstructMatch(query) for query in queries) for molecule in found]
    return {
        "fragment": fragment,
        "n": samples,
        "held": sum(held) / samples,
        "uniqueness": uniqueness(designs),
        "internal_diversity": internal_diversity(designs),
        "properties": {name: float(value) for name, value in property_table(designs)[list(PROPERTIES)].mean().items()},
        "examples": list(designs[:3]),
    }
