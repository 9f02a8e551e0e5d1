"""What designs of sequences are worth: reward, held-out reward, naturalness, diversity, novelty, composition.

`measured` takes the designs of one run and asks the model and the judge about them, at a bounded cost that is counted by
itself. The columns say what the designs of one or more runs with the same settings are worth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy
from jaxtyping import Float
from numpy import ndarray

from svdd.chain.process import Process
from svdd.cost.batches import chunked
from svdd.cost.ledger import Cost, metered
from svdd.decoding.result import Result
from svdd.domains.sequence import distances
from svdd.domains.sequence.designs import SequenceKind
from svdd.domains.sequence.masked import NoLikelihoodBoundError, elbo_per_site
from svdd.domains.sequence.references import WORDS
from svdd.metrics import measures
from svdd.metrics.columns import COMPOSITION, DIVERSITY, NATURALNESS, Column
from svdd.metrics.intervals import Statistic, mean
from svdd.metrics.measures import Designs, View, between, distinct, of_first, optional, scored
from svdd.scoring.reward import Reward

ELBO_SAMPLES = 8
"""Network rows a design for its likelihood bound."""
HOMOPOLYMER = 8


def measured(
    result: Result,
    process: Process,
    judge: Reward | None = None,
    judged: str = "",
    chunks: Mapping[str, int] | None = None,
) -> Designs:
    """The designs of one run, with their likelihood bound and held-out reward.

    Args:
        result: sequences; a score of it named `judged` is used as it is.
        process: the pretrained model.
        judge: a reward that did not guide.
        judged: its name.
        chunks: rows at a time of `network` and `reward`.

    Raises:
        ValueError: for a letter that is not in the model's alphabet, or sequences of several lengths.

    Cost:
        8 network rows and, unless the result has the score, 1 row of the judge for each of the first 256 designs.
    """
    assert isinstance(process.kind, SequenceKind), "the model makes sequences"
    process.kind.alphabet.encode(result.samples)
    designs = scored(result, judge, judged, chunks)
    try:
        return bounded(designs, process, elbo_per_site, chunks)
    except NoLikelihoodBoundError as error:
        return replace(designs, notes=(*designs.notes, f"no likelihood bound: {error}"))


def bounded(designs: Designs, process: Process, bound: Any, chunks: Mapping[str, int] | None = None) -> Designs:
    """Designs with a likelihood bound of the first of them.

    Args:
        designs: of one run.
        process: the pretrained model.
        bound: `elbo_per_site` or another of its kind.
        chunks: rows at a time of `network`.
    """
    network, size = Cost(), (chunks or {}).get("network", 256)
    denoiser = chunked(metered(process.denoiser, network, process.rows_each), size)
    first, found = designs.sequences[: measures.MOST], designs.elbo.copy()
    answer = bound(replace(process, denoiser=denoiser), first, samples=ELBO_SAMPLES, rows=size)
    found[: len(first)] = answer.numpy()
    return replace(designs, elbo=found, elbo_rows=network.rows)


def diversity_of(designs: Designs) -> Statistic | None:
    """Mean edit distance of two different designs."""
    rows = designs.first
    if len(rows) < 2:
        return None
    return between(rows, distances.pairwise_distances([designs.sequences[row] for row in rows]).astype(float))


def word_correlation(texts: Sequence[str], natural: ndarray, k: int, alphabet: str) -> Statistic | None:
    """Pearson correlation of word frequencies with natural ones; None where there are fewer words than kinds of words."""
    counts = numpy.stack([distances.kmer_counts([text], k, alphabet=alphabet) for text in texts]).astype(float)
    if counts.sum() < len(natural):
        return None
    theirs = natural - natural.mean()

    def statistic(weights: Float[ndarray, "k n"]) -> Float[ndarray, " k"]:
        ours = weights @ counts
        ours -= ours.mean(1, keepdims=True)
        length = numpy.linalg.norm(ours, axis=1) * numpy.linalg.norm(theirs)
        return numpy.divide(ours @ theirs, length, out=numpy.full(len(ours), numpy.nan), where=length > 0)

    return Statistic(statistic, range(len(texts)))


@dataclass
class SequenceView(View):
    """Sequences as their columns see them."""

    @property
    def texts(self) -> list[str]:
        """The sequences."""
        return list(self.designs.sequences)

    @cached_property
    def natural(self) -> Sequence[str]:
        """The sequences of the reference, where they are known."""
        return self.reference.sequences if self.reference else ()

    def words(self, k: int) -> Any:
        """Counts of the words of a length in the reference; None where they are not known."""
        return self.reference.words.get(k) if self.reference else None


def word_column(k: int, price: bool = False) -> Column:
    """The correlation of the frequencies of words with those of the reference.

    Args:
        k: letters of a word.
        price: whether comparisons say it as what guidance costs.
    """
    return Column(
        f"correlation_{k}mer",
        f"correlation of {k}-mers with natural ones",
        NATURALNESS,
        lambda view: word_correlation(view.texts, view.words(k), k, view.kind.alphabet.letters),
        better="higher",
        given=lambda view: view.words(k) is not None,
        centred=True,
        price=price,
    )


def _known(view: SequenceView) -> bool:
    return bool(view.natural)


def _novel(view: SequenceView) -> Statistic:
    known = set(view.natural)
    return mean([text not in known for text in view.texts])


def _nearest(view: SequenceView) -> Statistic | None:
    distance = partial(distances.nearest_edit_distance, reference=view.natural)
    return optional(lambda: of_first(view.designs, distance), view.notes)


LIKELIHOOD = Column(
    "elbo_per_base", "likelihood bound", NATURALNESS, lambda view: mean(view.designs.elbo), "nats per letter", "higher",
    axis=True,
)  # fmt: skip
WORDS_OF_NATURE = tuple(word_column(k, price=k == min(WORDS)) for k in WORDS)
VARIETY = (
    Column(
        "diversity", "mean edit distance of two designs, as a share of their letters", DIVERSITY,
        lambda view: optional(lambda: diversity_of(view.designs), view.notes), better="higher", price=True,
    ),
    Column("unique", "share of different designs", DIVERSITY, lambda view: distinct(view.designs, view.texts)[0],
           better="higher"),
    Column("novel", "share of designs that are not natural ones", DIVERSITY, _novel, better="higher", given=_known),
    Column("nearest_distance", "edit distance to the nearest natural one", DIVERSITY, _nearest, "letters", given=_known),
    Column("homopolymer", f"share of designs with {HOMOPOLYMER} equal letters in a row", COMPOSITION,
           lambda view: mean(distances.longest_homopolymer(view.texts) >= HOMOPOLYMER), better="lower"),
)  # fmt: skip
GC = Column("gc", "share of G and C", COMPOSITION, lambda view: mean(distances.gc_fraction(view.texts)))
"""Of DNA and RNA."""
