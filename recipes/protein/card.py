"""Everything the protein model card and its reference statistics say, measured."""

from __future__ import annotations

import math
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recipes.baselines import markov_row_bits, positional_row_bits
from recipes.measures import describe, quantiles, speed, speed_setting
from recipes.protein.data import StabilityData, in_large_family, scans
from recipes.protein.oracles import STABLE, oracle_quality, predicted
from recipes.sequence_denoiser import row_bits, sample_unguided
from recipes.sequence_measures import kmer_correlation, pairwise_diversity, unique_fraction
from svdd.domains.protein.alignments import nearest_identity
from svdd.domains.protein.measures import mean_hydropathy, net_charge
from svdd.domains.protein.model import LENGTH
from svdd.domains.protein.rewards import EnsembleReward
from svdd.domains.sequence.alphabets import PROTEIN
from svdd.domains.sequence.distances import kmer_counts
from svdd.domains.sequence.ensembles import SequenceEnsemble
from svdd.networks.sequences import SequenceDenoiser

__all__ = ["measure_card", "measure_reference"]

Oracles = dict[str, SequenceEnsemble]

_LETTERS, _NATS, _SHOWN, _COMPARED = PROTEIN.letters, math.log(2), 8, 256
_WORDS = (1, 2, 3)


def measure_reference(parts: dict[str, StabilityData], oracles: Oracles) -> dict[str, Any]:
    """Summarise held-out members of the library: aggregates only, no sequence.

    Args:
        parts: The split data.
        oracles: The networks `guide` and `judge`.

    Returns:
        For the designs of the test families, all and the stable ones: counts of words, and quantiles of both oracles.
    """
    test = parts["denoiser_test"]
    groups = {"held_out": test, "stable": test.subset(test.stability > STABLE)}
    return {
        "alphabet": _LETTERS,
        "groups": {name: _aggregates(part.sequences, oracles) for name, part in groups.items()},
    }


def measure_card(
    parts: dict[str, StabilityData],
    denoiser: SequenceDenoiser,
    oracles: Oracles,
    histories: dict[str, Any],
    *,
    samples: int = 1024,
    steps: int = 86,
    draws: int = 2,
) -> dict[str, Any]:
    """Measure every number of the model card.

    Args:
        parts: The split data.
        denoiser: The trained denoiser.
        oracles: The networks `guide` and `judge`.
        histories: Settings and history of each training run.
        samples: Unguided samples to draw.
        steps: Unmasking steps of those samples.
        draws: Mask draws per sequence for the bound.

    Returns:
        A JSON-able record, which `card.md.j2` renders.
    """
    drawn = PROTEIN.decode(sample_unguided(denoiser, samples, length=LENGTH, steps=steps, seed=0))
    networks: dict[str, nn.Module] = {"denoiser": denoiser, **{f"stability-{role}": oracles[role] for role in oracles}}
    return {
        "split": {name: _rows(part) for name, part in parts.items()},
        "networks": {name: describe(network) for name, network in networks.items()},
        "training": histories,
        "nats": _nats(parts, denoiser, draws),
        "samples": {"n": samples, "steps": steps, **_sample_quality(parts, drawn, oracles)},
        "oracles": {role: _quality(parts["test"], network) for role, network in oracles.items()},
        "agreement": {
            name: float(numpy.corrcoef([_scores(oracles[role], texts).numpy() for role in ("guide", "judge")])[0, 1])
            for name, texts in {"test": parts["test"].sequences, "samples": drawn}.items()
        },
        "speed": {name: speed(network, LENGTH) for name, network in networks.items()},
        "speed_setting": speed_setting(),
    }


def _scores(network: SequenceEnsemble, texts: list[str]) -> Tensor:
    return EnsembleReward(network)(texts)


def _aggregates(texts: list[str], oracles: Oracles) -> dict[str, Any]:
    return {
        "n": len(texts),
        "oracle_quantiles": {role: quantiles(_scores(network, texts)) for role, network in oracles.items()},
        **{f"kmer{k}": kmer_counts(texts, k, alphabet=_LETTERS).tolist() for k in _WORDS},
    }


def _rows(part: StabilityData) -> dict[str, Any]:
    stable = float((part.stability > STABLE).float().mean())
    return {"rows": len(part), "families": len(part.family.unique()), "stable": stable}


def _nats(parts: dict[str, StabilityData], denoiser: SequenceDenoiser, draws: int) -> dict[str, Any]:
    """Score the denoiser and simple models of the same training part on designs of test families, with paired differences."""
    known, test = parts["denoiser_train"].tokens, parts["denoiser_test"].tokens
    with torch.no_grad():
        bound = row_bits(denoiser, test, draws=draws, seed=1).double().numpy() * _NATS
    others = {
        "composition (Markov chain of order 0)": markov_row_bits(known, test, 0, letters=len(PROTEIN)),
        "Markov chain of order 1": markov_row_bits(known, test, 1, letters=len(PROTEIN)),
        "Markov chain of order 2": markov_row_bits(known, test, 2, letters=len(PROTEIN)),
        "composition of each position": positional_row_bits(known, test, letters=len(PROTEIN)),
    }
    large = in_large_family(parts["denoiser_test"]).numpy()
    return {
        "n": len(test),
        "denoiser": float(bound.mean()),
        "standard_error": float(bound.std() * len(bound) ** -0.5),
        "small_families": float(bound[~large].mean()),
        "others": {
            name: {
                "nats": float(bits.mean() * _NATS),
                "gain": float((bits * _NATS - bound).mean()),
                "standard_error": float((bits * _NATS - bound).std() * len(bound) ** -0.5),
            }
            for name, bits in others.items()
        },
    }


def _sample_quality(parts: dict[str, StabilityData], drawn: list[str], oracles: Oracles) -> dict[str, Any]:
    known, test = parts["denoiser_train"].sequences, parts["denoiser_test"]
    texts = {"samples": drawn, "held_out": test.sequences, "stable": test.subset(test.stability > STABLE).sequences}
    compared = {"samples": drawn, "training": _spread(known, len(drawn))}
    scores = {role: {name: _scores(network, rows) for name, rows in texts.items()} for role, network in oracles.items()}
    return {
        "kmers": {
            str(k): {
                name: kmer_correlation(rows, test.sequences, k, alphabet=_LETTERS) for name, rows in compared.items()
            }
            for k in _WORDS
        },
        "divergence": {name: _divergence(rows, test.sequences) for name, rows in compared.items()},
        "shares": {name: dict(zip(_LETTERS, _shares(rows), strict=True)) for name, rows in texts.items()},
        "groups": {name: _composition(rows) for name, rows in texts.items()},
        "identity": {name: _identity(_spread(texts[name], _COMPARED), known) for name in ("samples", "held_out")},
        "unique_fraction": unique_fraction(drawn),
        "known_fraction": len(set(drawn) & set(known)) / len(set(drawn)),
        "stability": {role: {name: _stable(found) for name, found in one.items()} for role, one in scores.items()},
        "shown": [
            {"sequence": text, "guide": float(guide), "judge": float(judge)}
            for text, guide, judge in zip(
                drawn[:_SHOWN], scores["guide"]["samples"], scores["judge"]["samples"], strict=False
            )
        ],
    }


def _spread(texts: list[str], most: int) -> list[str]:
    """At most so many rows, evenly over all: neighbours in a table are often relatives."""
    return texts[:: max(len(texts) // most, 1)][:most]


def _stable(scores: Tensor) -> dict[str, float]:
    return {**quantiles(scores), "stable": float((scores > STABLE).float().mean())}


def _composition(texts: list[str]) -> dict[str, float]:
    return {
        "net charge, e": float(net_charge(texts).mean()),
        "mean hydropathy": float(mean_hydropathy(texts).mean()),
        "share with cysteine": float(numpy.mean(["C" in text for text in texts])),
        "mean edit distance of two, per residue": pairwise_diversity(_spread(texts, _COMPARED)),
    }


def _shares(texts: list[str]) -> list[float]:
    counts = kmer_counts(texts, 1, alphabet=_LETTERS)
    return [float(one) for one in counts / counts.sum()]


def _divergence(texts: list[str], reference: list[str]) -> float:
    """Kullback-Leibler divergence of compositions, in nats."""
    ours, theirs = numpy.array(_shares(texts)), numpy.array(_shares(reference))
    there = ours > 0
    return float((ours[there] * numpy.log(ours[there] / theirs[there].clip(min=1e-9))).sum())


def _identity(texts: list[str], known: list[str]) -> dict[str, float]:
    identity = nearest_identity(texts, known)
    return {
        "median": float(numpy.median(identity)),
        "largest": float(identity.max()),
        "share_below_0.7": float((identity < 0.7).mean()),
    }


def _quality(test: StabilityData, network: SequenceEnsemble) -> dict[str, Any]:
    """The ensemble and its members on all test constructs, and the ensemble without large families and within scans."""
    members = predicted(network, test)
    guess, large = members.mean(1).double().numpy(), in_large_family(test)
    alone = [oracle_quality(one.double().numpy(), test)["spearman"] for one in members.T]
    quality = {"test": oracle_quality(guess, test), "members_spearman": float(numpy.mean(alone))}
    quality["without_large"] = oracle_quality(guess[~large.numpy()], test.subset(~large))
    quality["within_scans"] = _within_scans(guess, test)
    spread, error = members.std(1).double().numpy(), abs(guess - test.stability.double().numpy())
    quality["spread"] = {"median": float(numpy.median(spread)), "spearman_with_error": _ranked(spread, error)}
    return quality


def _within_scans(guess: NDArray[Any], test: StabilityData) -> list[float]:
    """Spearman correlation within each mutational scan: over the single mutants of one protein."""
    measured = test.stability.double().numpy()
    return sorted(_ranked(guess[rows], measured[rows]) for rows in scans(test))


def _ranked(one: NDArray[Any], other: NDArray[Any]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one, other)[0])
