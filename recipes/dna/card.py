"""Everything the DNA model card and its reference statistics say, measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import torch
from torch import Tensor

from recipes.baselines import kmer_detection, markov_bits, network_detection
from recipes.dna.data import (
    DENOISER_VALIDATION,
    GUIDE,
    GUIDE_VALIDATION,
    JUDGE,
    JUDGE_VALIDATION,
    TEST,
    EnhancerData,
)
from recipes.dna.oracles import oracle_quality
from recipes.measures import agreement, describe, gc_moments, quantiles, speed, speed_setting
from recipes.sequence_denoiser import bits_per_base, reverse_complement, sample_unguided
from recipes.sequence_measures import (
    homopolymer_rate,
    kmer_correlation,
    motif_correlation,
    pairwise_diversity,
    unique_fraction,
)
from svdd.domains.dna.motifs import ENHANCER_MOTIFS, jaspar_matrices, motif_hits
from svdd.domains.sequence.distances import kmer_counts, longest_homopolymer, nearest_edit_distance
from svdd.domains.sequence.rewards import SequenceReward
from svdd.networks.sequences import SequenceClassifier, SequenceDenoiser

__all__ = ["measure_card", "measure_reference"]

_ACTIVE_SHARE = 0.1


def measure_reference(parts: dict[str, EnhancerData], oracles: dict[str, SequenceClassifier]) -> dict[str, Any]:
    """Summarise natural sites: aggregates only, no sequence.

    Args:
        parts: The split data.
        oracles: The networks `guide` and `judge`.

    Returns:
        For the most active HepG2-only sites (the tenth with the largest total signal, test
        chromosomes left out) and for the test sites, all and by cell line: k-mer counts, GC,
        mean motif hits and quantiles of both oracles.
    """
    test = parts["test"]
    groups = {
        "active_hepg2": _active_hepg2(parts),
        "held_out": test.sequences,
        "held_out_hepg2": test.subset(test.label == 1).sequences,
        "held_out_k562": test.subset(test.label == 0).sequences,
    }
    return {
        "alphabet": "ACGT",
        "motifs": ENHANCER_MOTIFS,
        "groups": {name: _aggregates(rows, oracles) for name, rows in groups.items()},
    }


def measure_card(
    parts: dict[str, EnhancerData],
    denoiser: SequenceDenoiser,
    oracles: dict[str, SequenceClassifier],
    histories: dict[str, Any],
    *,
    samples: int = 1024,
    steps: int = 128,
    detection_steps: int = 300,
) -> dict[str, Any]:
    """Measure every number of the model card.

    Args:
        parts: The split data.
        denoiser: The trained denoiser.
        oracles: The networks `guide` and `judge`.
        histories: Settings and history of each training run.
        samples: Unguided samples to draw.
        steps: Unmasking steps of those samples.
        detection_steps: Training steps of the network that tells samples from natural sites.

    Returns:
        A JSON-able record, which `card.md.j2` renders.
    """
    length = parts["test"].tokens.shape[1]
    drawn = sample_unguided(denoiser, samples, length=length, steps=steps, seed=0)
    networks: dict[str, SequenceDenoiser | SequenceClassifier] = {
        "denoiser": denoiser,
        **{f"hepg2-{name}": net for name, net in oracles.items()},
    }
    return {
        "split": _split(parts),
        "networks": {name: describe(network) for name, network in networks.items()},
        "training": histories,
        "bits_per_base": _bits(parts, denoiser),
        "samples": {"n": samples, "steps": steps, **_sample_quality(parts, drawn, oracles)},
        "detection": _detection(parts["test"], drawn, detection_steps),
        "oracles": {name: oracle_quality(net, parts["test"]) for name, net in oracles.items()},
        "oracle_agreement": agreement(
            SequenceReward(oracles["guide"]),
            SequenceReward(oracles["judge"]),
            {"test_sites": parts["test"].sequences, "samples": _text(drawn)},
        ),
        "speed": {name: speed(network, 200, calls=20) for name, network in networks.items()},
        "speed_setting": speed_setting(),
    }


def _active_hepg2(parts: dict[str, EnhancerData]) -> list[str]:
    sites = [parts["denoiser_train"], parts["denoiser_validation"]]
    label = torch.cat([part.label for part in sites])
    signal = torch.cat([part.signal for part in sites])
    sequences = [text for part in sites for text in part.sequences]
    rows = (label == 1).nonzero().flatten()
    count = max(round(_ACTIVE_SHARE * len(rows)), 1)
    best = rows[signal[rows].argsort(descending=True)[:count]]
    return [sequences[row] for row in best.tolist()]


def _aggregates(sequences: list[str], oracles: dict[str, SequenceClassifier]) -> dict[str, Any]:
    gc_mean, gc_sd = gc_moments(sequences)
    hits = motif_hits(sequences).mean(axis=0)
    return {
        "n": len(sequences),
        "gc_mean": gc_mean,
        "gc_sd": gc_sd,
        "motif_hits_mean": dict(zip(ENHANCER_MOTIFS, hits.tolist(), strict=True)),
        "oracle_quantiles": {name: quantiles(SequenceReward(network)(sequences)) for name, network in oracles.items()},
        "kmer3": kmer_counts(sequences, 3).tolist(),
        "kmer6": kmer_counts(sequences, 6).tolist(),
    }


def _split(parts: dict[str, EnhancerData]) -> dict[str, Any]:
    return {
        "chromosomes": {
            "test": TEST,
            "guide": GUIDE,
            "guide_validation": GUIDE_VALIDATION,
            "judge": JUDGE,
            "judge_validation": JUDGE_VALIDATION,
            "denoiser_validation": DENOISER_VALIDATION,
        },
        "rows": {name: len(part) for name, part in parts.items()},
        "hepg2_share": {name: float(part.label.mean()) for name, part in parts.items()},
    }


def _bits(parts: dict[str, EnhancerData], denoiser: SequenceDenoiser) -> dict[str, Any]:
    """Score the denoiser and Markov chains of the same training sites on the test sites."""
    training, test = parts["denoiser_train"].tokens, parts["test"].tokens
    both = torch.cat([training, reverse_complement(training)])
    with torch.no_grad():
        bound, error = bits_per_base(denoiser, test, draws=8, seed=1)
        seen, _ = bits_per_base(denoiser, training[: len(test)], draws=2, seed=1)
    chains = {str(order): markov_bits(both, test, order) for order in range(9)}
    return {
        "denoiser": bound,
        "denoiser_standard_error": error,
        "denoiser_on_training_sites": seen,
        "uniform": 2.0,
        "markov": chains,
        "beats": [order for order, bits in chains.items() if bound < bits],
    }


def _sample_quality(
    parts: dict[str, EnhancerData], drawn: Tensor, oracles: dict[str, SequenceClassifier]
) -> dict[str, Any]:
    samples, test = _text(drawn), parts["test"].sequences
    training = parts["denoiser_train"].sequences
    return {
        **_word_correlations(samples, training, test),
        "composition": {"samples": _composition(samples), "natural": _composition(test)},
        **_motif_content(samples, test),
        "unique_fraction": unique_fraction(samples),
        "diversity": {
            "samples": pairwise_diversity(samples[:256]),
            "natural": pairwise_diversity(test[:256]),
        },
        "nearest_training_distance": {
            "samples": _distances(samples[:128], training),
            "natural": _distances(test[:128], training),
        },
        "oracle_quantiles": {name: quantiles(SequenceReward(network)(samples)) for name, network in oracles.items()},
    }


def _word_correlations(samples: list[str], training: list[str], test: list[str]) -> dict[str, float]:
    """Correlate k-mers with those of the test sites, for samples and for the best substitute.

    The ceiling puts natural training sites in the place of samples, in equal number.
    """
    natural = training[:: max(len(training) // len(samples), 1)][: len(samples)]
    groups = {"correlation": samples, "ceiling": natural}
    return {f"kmer{k}_{name}": kmer_correlation(rows, test, k) for k in (3, 4, 5, 6) for name, rows in groups.items()}


def _motif_content(samples: list[str], test: list[str]) -> dict[str, Any]:
    matrices = jaspar_matrices()
    hits, natural = motif_hits(samples, matrices), motif_hits(test, matrices)
    means = zip(matrices, hits.mean(axis=0).tolist(), natural.mean(axis=0).tolist(), strict=True)
    return {
        "motif_hits": {name: {"samples": ours, "natural": theirs} for name, ours, theirs in means},
        "motif_spearman": motif_correlation(hits, natural),
    }


def _composition(sequences: list[str]) -> dict[str, float]:
    gc_mean, gc_sd = gc_moments(sequences)
    dimers = kmer_counts(sequences, 2)
    return {
        "gc_mean": gc_mean,
        "gc_sd": gc_sd,
        "cpg_share": float(dimers[1 * 4 + 2] / dimers.sum()),
        "homopolymer_rate": homopolymer_rate(sequences),
        "longest_homopolymer_mean": float(longest_homopolymer(sequences).mean()),
    }


def _distances(sequences: Sequence[str], reference: Sequence[str]) -> dict[str, float]:
    distance = nearest_edit_distance(sequences, reference)
    return {"smallest": float(distance.min()), "median": float(numpy.median(distance))}


def _detection(test: EnhancerData, drawn: Tensor, steps: int) -> dict[str, Any]:
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
    natural = test.subset(order[: len(drawn)])
    network = network_detection(drawn, natural.tokens, steps=steps)
    return {"kmer_auroc": kmer_detection(_text(drawn), natural.sequences), "network": network}


def _text(tokens: Tensor) -> list[str]:
    return ["".join("ACGT"[token] for token in row) for row in tokens.tolist()]
