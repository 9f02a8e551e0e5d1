"""Baselines of the cards: Markov chains, and classifiers that tell samples from natural sequences."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from svdd.domains.sequence.distances import kmer_counts
from svdd.networks.sequences import SequenceClassifier
from svdd.networks.training import TrainingSettings, isolated_randomness, train

__all__ = ["detection", "kmer_detection", "markov_bits", "markov_row_bits", "network_detection", "positional_row_bits"]


def markov_bits(training: Tensor, held_out: Tensor, order: int, *, strength: float = 20.0) -> float:
    """Bits per base of held-out sequences under an interpolated Markov chain: the mean of `markov_row_bits`."""
    return float(markov_row_bits(training, held_out, order, strength=strength).mean())


def markov_row_bits(
    training: Tensor, held_out: Tensor, order: int, *, strength: float = 20.0, letters: int = 4
) -> NDArray[numpy.float64]:
    """Bits per letter of each held-out sequence under an interpolated Markov chain, shape (m,).

    p_k(b | c) = (count(c, b) + strength p_{k-1}(b | shorter c)) / (count(c) + strength)

    starting from even letters. The first letters of a sequence use the lower orders.

    Args:
        training: Sequences counted, shape (n, L); of double strands both should be there.
        held_out: Sequences scored, shape (m, L).
        order: Length of the context.
        strength: Weight of the next lower order, in counts.
        letters: Size of the alphabet; tokens beyond it are padding at the end of a sequence, which counts for nothing.
    """
    known, scored = training.numpy(), held_out.numpy()
    chances = numpy.full((*scored.shape, letters), 1 / letters)
    for size in range(order + 1):
        pairs = _contexts(known, size, letters) * letters + known[:, size:]
        counts = numpy.bincount(pairs[known[:, size:] < letters], minlength=letters ** (size + 1))
        seen = counts.reshape(-1, letters)[_contexts(scored, size, letters)]
        total = seen.sum(axis=-1, keepdims=True) + strength
        chances[:, size:] = (seen + strength * chances[:, size:]) / total
    there = scored < letters
    chosen = numpy.take_along_axis(chances, scored.clip(max=letters - 1)[..., None], axis=2)[..., 0]
    return numpy.asarray(-numpy.log2(chosen).sum(axis=1, where=there) / there.sum(axis=1))


def _contexts(tokens: NDArray[numpy.int64], size: int, letters: int) -> NDArray[numpy.int64]:
    """Number the context of `size` letters before each letter that has one."""
    width = tokens.shape[1] - size
    contexts = numpy.zeros((len(tokens), width), dtype=numpy.int64)
    for offset in range(size):
        contexts = contexts * letters + tokens[:, offset : offset + width].clip(max=letters - 1)
    return contexts


def positional_row_bits(
    training: Tensor, held_out: Tensor, *, previous: bool = False, letters: int = 4
) -> NDArray[numpy.float64]:
    """Bits per letter of each held-out sequence if a letter depends on its position alone, shape (m,).

    Args:
        training: Sequences counted, shape (n, L), each letter once more than it occurs.
        held_out: Sequences scored, shape (m, L).
        previous: Whether a letter depends on the letter before it too.
        letters: Size of the alphabet.
    """

    def contexts(tokens: Tensor) -> NDArray[Any]:
        before = functional.pad(tokens, (1, 0))[:, :-1] if previous else torch.zeros_like(tokens)
        return (torch.arange(tokens.shape[1]) * letters + before).numpy()

    counts = numpy.ones((training.shape[1] * letters, letters))
    numpy.add.at(counts, (contexts(training), training.numpy()), 1)
    chances = counts / counts.sum(axis=1, keepdims=True)
    return numpy.asarray(-numpy.log2(chances[contexts(held_out), held_out.numpy()]).mean(axis=1))


def kmer_detection(samples: list[str], natural: list[str], *, k: int = 4, folds: int = 5) -> float:
    """Cross-validated AUROC of a logistic regression on k-mer counts, 0.5 if none can tell.

    Args:
        samples: Sequences drawn from a model.
        natural: Natural sequences it did not see.
        k: Largest word length; all lengths up to it are used.
        folds: Number of folds.
    """
    sizes = range(1, k + 1)
    counts = [numpy.concatenate([kmer_counts([text], size) for size in sizes]) for text in samples + natural]
    return detection(numpy.array(counts), len(samples), folds=folds)


def detection(features: NDArray[Any], samples: int, *, folds: int = 5) -> float:
    """Cross-validated AUROC of a logistic regression that tells the first rows from the others, 0.5 if it cannot.

    Args:
        features: One row a sequence.
        samples: How many rows are of samples; the others are natural.
        folds: Number of folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    label = numpy.repeat([1, 0], [samples, len(features) - samples])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=2000))
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    chance = cross_val_predict(model, features, label, cv=split, method="predict_proba")[:, 1]
    return float(roc_auc_score(label, chance))


def network_detection(samples: Tensor, natural: Tensor, *, steps: int = 300) -> dict[str, float]:
    """AUROC of a small convolutional network on the fifth of the rows it was not trained on.

    Args:
        samples: Tokens drawn from a model, shape (n, L).
        natural: Natural tokens it did not see, shape (m, L).
        steps: Training steps.

    Returns:
        `auroc`, and `n`, the number of rows it was measured on.
    """
    from sklearn.metrics import roc_auc_score

    tokens = torch.cat([samples, natural])
    label = torch.cat([torch.ones(len(samples)), torch.zeros(len(natural))])
    order = torch.randperm(len(tokens), generator=Generator().manual_seed(0))
    held_out, training = order[: len(order) // 5], order[len(order) // 5 :]
    settings = TrainingSettings(steps=steps, learning_rate=3e-3, warm_up=20, average_decay=0.98, evaluate_every=steps)

    def loss_of(module: nn.Module, generator: Generator) -> Tensor:
        rows = training[torch.randint(len(training), (128,), generator=generator)]
        logit = module(tokens[rows])[:, 0].float()
        return functional.binary_cross_entropy_with_logits(logit, label[rows])

    def auroc_of(module: nn.Module) -> float:
        return float(roc_auc_score(label[held_out], module(tokens[held_out])[:, 0].float()))

    with isolated_randomness(0):
        network = SequenceClassifier(channels=48, stages=3, dropout=0.1, both_strands=True)
    # One evaluation, at the end: choosing among several would flatter the network.
    value = train(network, loss_of, auroc_of, settings).best_value
    return {"auroc": value, "n": len(held_out)}
