"""Everything the RNA model card and its reference statistics say, measured."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from recipes.baselines import detection, kmer_detection, markov_row_bits, positional_row_bits
from recipes.measures import agreement, describe, gc_moments, quantiles, regression_quality, speed, speed_setting
from recipes.rna.data import LENGTH, UtrData
from recipes.rna.oracles import predicted
from recipes.sequence_denoiser import row_bits, sample_unguided
from recipes.sequence_measures import composition_by_position, kmer_correlation, pairwise_diversity, unique_fraction
from svdd.domains.rna.measures import rna_summary, upstream_starts
from svdd.domains.sequence.alphabets import DNA, RNA
from svdd.domains.sequence.distances import kmer_counts
from svdd.networks.regressors import ConvolutionalRegressor
from svdd.networks.sequences import SequenceDenoiser

if TYPE_CHECKING:
    import pandas

__all__ = ["measure_card", "measure_reference"]

Oracles = dict[str, ConvolutionalRegressor]

_ACTIVE_SHARE, _FOLDED = 0.01, 1000
_LETTERS = RNA.letters
_PUBLISHED = ("old_pred", "retrained_pred")


def measure_reference(parts: dict[str, UtrData], human: pandas.DataFrame | None, oracles: Oracles) -> dict[str, Any]:
    """Summarise held-out and natural 5'UTRs: aggregates only, no sequence.

    Args:
        parts: The split data.
        human: Natural 5'UTRs and variants, if there are any.
        oracles: The networks `guide` and `judge`.

    Returns:
        For held-out library members (the random test part), for the hundredth of the deepest-sequenced test part with
        the largest load, and for natural human 5'UTRs: k-mer counts, composition and quantiles of both oracles.
    """
    groups = {"held_out": parts["test_random"].tokens, "most_active": _most_active(parts["test_deep"])}
    if human is not None:
        groups["natural_human"] = RNA.encode(_natural(human))
    return {
        "alphabet": _LETTERS,
        "groups": {name: _aggregates(tokens, oracles) for name, tokens in groups.items()},
    }


def measure_card(
    parts: dict[str, UtrData],
    human: pandas.DataFrame | None,
    denoiser: SequenceDenoiser,
    oracles: Oracles,
    histories: dict[str, Any],
    *,
    samples: int = 4000,
    steps: int = 128,
    draws: int = 4,
) -> dict[str, Any]:
    """Measure every number of the model card but those of the stability oracle.

    Args:
        parts: The split data.
        human: Natural 5'UTRs and variants, if there are any.
        denoiser: The trained denoiser.
        oracles: The networks `guide` and `judge`.
        histories: Settings and history of each training run.
        samples: Unguided samples to draw.
        steps: Unmasking steps of those samples.
        draws: Mask draws per sequence for the bits.

    Returns:
        A JSON-able record, which `utr.md.j2` renders.
    """
    drawn = sample_unguided(denoiser, samples, length=LENGTH, steps=steps, seed=0)
    networks: dict[str, nn.Module] = {"denoiser": denoiser, **{f"mrl-{role}": net for role, net in oracles.items()}}
    return {
        "split": {name: _loads(part) for name, part in parts.items()},
        "networks": {name: describe(network) for name, network in networks.items()},
        "training": histories,
        "bits_per_base": {name: _bits(parts, name, denoiser, draws) for name in ("test_random", "test_deep")},
        "natural_bits": None if human is None else _natural_bits(human, denoiser, draws),
        "samples": {"n": samples, "steps": steps, **_sample_quality(parts, human, drawn, oracles)},
        "detection": _detection(parts["test_random"], drawn),
        "oracles": {role: _oracle_quality(network, parts, human) for role, network in oracles.items()},
        "published": {} if human is None else _published(human),
        "oracle_agreement": agreement(
            partial(predicted, oracles["guide"]),
            partial(predicted, oracles["judge"]),
            {"test_deep": parts["test_deep"].tokens, "samples": drawn},
        ),
        "speed": {name: speed(network, LENGTH) for name, network in networks.items()},
        "speed_setting": speed_setting(),
    }


def _most_active(test: UtrData) -> Tensor:
    count = max(round(_ACTIVE_SHARE * len(test)), 1)
    return test.tokens[test.load.argsort(descending=True)[:count]]


def _natural(human: pandas.DataFrame) -> list[str]:
    """The different natural 5'UTRs, without their variants where the table says which those are."""
    names = human["mother"] if "mother" in human else human["utr"]
    return sorted({text.upper() for text in names if len(text) == LENGTH})


def _aggregates(tokens: Tensor, oracles: Oracles) -> dict[str, Any]:
    texts = RNA.decode(tokens)
    return {
        "n": len(texts),
        **_composition(texts),
        "composition_by_position": composition_by_position(texts).round(4).tolist(),
        "oracle_quantiles": {name: quantiles(predicted(network, tokens)) for name, network in oracles.items()},
        "kmer3": kmer_counts(texts, 3, alphabet=_LETTERS).tolist(),
        "kmer6": kmer_counts(texts, 6, alphabet=_LETTERS).tolist(),
    }


def _loads(part: UtrData) -> dict[str, Any]:
    return {"rows": len(part), "load_mean": float(part.load.mean()), "load_sd": float(part.load.std())}


def _bits(parts: dict[str, UtrData], name: str, denoiser: SequenceDenoiser, draws: int) -> dict[str, Any]:
    """Score the denoiser and simple models of the same training part on a test part, and their paired differences."""
    training, test = parts["denoiser_train"].tokens, parts[name].tokens
    with torch.no_grad():
        bound = row_bits(denoiser, test, draws=draws, seed=1).double().numpy()
    others = {f"Markov chain of order {order}": markov_row_bits(training, test, order) for order in (0, 1, 3, 5)}
    others |= {
        "composition of each position": positional_row_bits(training, test, previous=False),
        "the same, given the letter before": positional_row_bits(training, test, previous=True),
    }
    error = len(bound) ** -0.5
    rows = {
        model: {
            "bits": float(bits.mean()),
            "gain": float((bits - bound).mean()),
            "standard_error": float((bits - bound).std() * error),
        }
        for model, bits in others.items()
    }
    return {
        "n": len(test),
        "denoiser": float(bound.mean()),
        "standard_error": float(bound.std() * error),
        "others": rows,
    }


def _natural_bits(human: pandas.DataFrame, denoiser: SequenceDenoiser, draws: int) -> dict[str, float]:
    with torch.no_grad():
        bits = row_bits(denoiser, RNA.encode(_natural(human)), draws=draws, seed=1)
    return {"bits": float(bits.mean()), "standard_error": float(bits.std() / len(bits) ** 0.5)}


def _sample_quality(
    parts: dict[str, UtrData], human: pandas.DataFrame | None, drawn: Tensor, oracles: Oracles
) -> dict[str, Any]:
    test = parts["test_random"].tokens
    as_many = parts["denoiser_train"].tokens[: len(drawn)]
    groups = {"samples": drawn, "held_out": test}
    if human is not None:
        groups["natural_human"] = RNA.encode(_natural(human))
    texts = {name: RNA.decode(tokens) for name, tokens in groups.items()}
    correlations = {
        f"kmer{k}_{name}": kmer_correlation(RNA.decode(tokens), texts["held_out"], k, alphabet=_LETTERS)
        for k in (3, 6)
        for name, tokens in (("correlation", drawn), ("ceiling", as_many))
    }
    return {
        **correlations,
        "composition": {name: _composition(rows) for name, rows in texts.items()},
        "position_gap": {"samples": _position_gap(drawn, test), "as_many_training_rows": _position_gap(as_many, test)},
        "first_position": {name: composition_by_position(rows)[0].tolist() for name, rows in texts.items()},
        "unique_fraction": unique_fraction(texts["samples"]),
        "diversity": {name: pairwise_diversity(rows[:256]) for name, rows in texts.items()},
        "oracle_quantiles": {
            role: {name: quantiles(predicted(network, tokens)) for name, tokens in groups.items()}
            for role, network in oracles.items()
        },
    }


def _position_gap(tokens: Tensor, reference: Tensor) -> dict[str, float]:
    """How far the share of a letter at a position is from the reference's, over all positions and letters."""
    gap = numpy.abs(composition_by_position(RNA.decode(tokens)) - composition_by_position(RNA.decode(reference)))
    return {"mean": float(gap.mean()), "largest": float(gap.max())}


def _composition(texts: list[str]) -> dict[str, float]:
    """Means over all rows; free energies are those of the first thousand."""
    (gc_mean, gc_sd), starts = gc_moments(texts), upstream_starts(texts)
    return rna_summary(texts[:_FOLDED]) | {
        "gc": gc_mean,
        "gc_sd": gc_sd,
        "uaug_rate": float((starts > 0).mean()),
        "uaug_mean": float(starts.mean()),
    }


def _detection(test: UtrData, drawn: Tensor) -> dict[str, Any]:
    """AUROC of logistic regressions that tell samples from as many held-out rows, by their words and by their sites."""
    natural = test.tokens[: len(drawn)]
    both = torch.cat([drawn, natural])
    return {
        "n": len(drawn),
        "words": kmer_detection(DNA.decode(drawn), DNA.decode(natural), k=4),
        "sites": detection(functional.one_hot(both, 4).flatten(1).double().numpy(), len(drawn)),
    }


def _oracle_quality(
    network: ConvolutionalRegressor, parts: dict[str, UtrData], human: pandas.DataFrame | None
) -> dict[str, Any]:
    groups = {name: (parts[name].tokens, parts[name].load.numpy()) for name in ("test_deep", "test_random")}
    if human is not None:
        groups["natural_human"] = RNA.encode(human["utr"].tolist()), human["hrl"].to_numpy()
    return {
        name: regression_quality(predicted(network, tokens).double().numpy(), load)
        for name, (tokens, load) in groups.items()
    }


def _published(human: pandas.DataFrame) -> dict[str, Any]:
    """The quality of predictions that the table of natural 5'UTRs carries."""
    found = [name for name in _PUBLISHED if name in human]
    return {name: regression_quality(human[name].to_numpy(), human["hrl"].to_numpy()) for name in found}
