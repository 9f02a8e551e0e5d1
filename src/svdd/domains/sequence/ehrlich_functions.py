r"""Ehrlich functions: rewards of sequences in closed form whose maximum, 1, and one sequence that reaches it are known.

Like a protein, a sequence is good if some motifs are in it, at spacings of their own, and none at all if it breaks a rule. With
c motifs $a_i$ of k letters at offsets $s_i$ and q steps of quality,

$$f(x) = \prod_{i=1}^{c} \frac{1}{q} \max_l \Big\lfloor \frac{q}{k} \sum_{j=1}^{k} 1[x_{l + s_{ij}} = a_{ij}] \Big\rfloor$$

where no two neighbours in x are a banned transition, and $-\infty$ elsewhere. The motifs are pieces of one walk without banned
transitions, every letter may follow itself, and a motif spans at most L / c places: so the motifs fit beside each other, with
letters repeated in the gaps.

References:
    Stanton et al., Closed-form test functions for biophysical sequence optimization algorithms, arXiv 2407.00236.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from jaxtyping import Bool, Int64
from numpy import ndarray
from numpy.random import PCG64, Generator

from svdd.domains.sequence.alphabets import PROTEIN, Alphabet
from svdd.messages import check
from svdd.scoring.reward import Invalid

BANNED_SHARE = 0.15
"""Of the letters that may not follow a letter, unless the number is given: 3 of 20, as in the paper's own code."""


@dataclass(eq=False, repr=False)
class EhrlichFunction:
    """One function; see `ehrlich`, which draws them.

    Args:
        alphabet: the letters.
        length: L.
        allowed: whether letter j may follow letter i.
        motifs: their letters, as tokens.
        offsets: where each letter of a motif stands, from its first, which is at 0.
        quantization: q.
    """

    alphabet: Alphabet
    length: int
    allowed: Bool[ndarray, "v v"]
    motifs: Int64[ndarray, "c k"]
    offsets: Int64[ndarray, "c k"]
    quantization: int

    def __call__(self, sequences: Sequence[str]) -> list[float]:
        """One number per sequence, `Invalid` for one with a banned transition.

        Raises:
            ValueError: for another length, and for a foreign letter.
        """
        x = self._tokens(sequences)
        feasible = self._feasible(x)
        values = numpy.prod([self._quality(x, *pair) for pair in zip(self.motifs, self.offsets, strict=True)], axis=0)
        return [
            float(value) if fine else Invalid("a banned transition")
            for value, fine in zip(values, feasible, strict=True)
        ]

    def __repr__(self) -> str:
        motifs, letters = self.motifs.shape
        return f"an Ehrlich function of {self.length} letters, with {motifs} motifs of {letters}"

    def feasible(self, sequences: Sequence[str]) -> list[bool]:
        """Whether each sequence has no banned transition; errors as of a call."""
        return self._feasible(self._tokens(sequences)).tolist()

    @property
    def optimum(self) -> str:
        """A sequence of value 1: the motifs one after the other, with letters repeated in gaps and at the end."""
        spans = numpy.diff(self.offsets, axis=1, append=self.offsets[:, -1:] + 1)
        tokens = numpy.repeat(self.motifs.ravel(), spans.ravel())
        return self._text(numpy.pad(tokens, (0, self.length - len(tokens)), mode="edge"))

    def samples(self, count: int, seed: int = 0) -> list[str]:
        """Feasible sequences: walks from a random letter, each step to an allowed letter with equal chance.

        Args:
            count: how many.
            seed: of the draw.
        """
        draw = Generator(PCG64(seed))
        return [self._text(numpy.array(_walk(self.allowed, self.length, draw))) for _ in range(count)]

    def _tokens(self, sequences: Sequence[str]) -> Int64[ndarray, "n L"]:
        x = self.alphabet.encode(sequences).numpy()
        check(
            x.shape[1] == self.length,
            f"this Ehrlich function is of {self.length} letters, but the sequences have {x.shape[1]}",
        )
        return x

    def _feasible(self, x: Int64[ndarray, "n L"]) -> Bool[ndarray, " n"]:
        return self.allowed[x[:, :-1], x[:, 1:]].all(axis=1)

    def _quality(self, x: Int64[ndarray, "n L"], motif: Int64[ndarray, " k"], offsets: Int64[ndarray, " k"]) -> Any:
        """The share of a motif that is there, at its best place, rounded down to a multiple of 1 / q."""
        places = self.length - int(offsets[-1])
        there = [x[:, at : at + places] == letter for letter, at in zip(motif, offsets.tolist(), strict=True)]
        return numpy.sum(there, axis=0).max(axis=1) * self.quantization // len(motif) / self.quantization

    def _text(self, tokens: Int64[ndarray, " L"]) -> str:
        return "".join(self.alphabet.letters[token] for token in tokens)


def ehrlich(
    length: int,
    motifs: int = 4,
    motif_length: int = 4,
    quantization: int | None = None,
    banned: int | None = None,
    letters: str = PROTEIN.letters,
    seed: int = 0,
) -> EhrlichFunction:
    r"""An Ehrlich function (0 to 1, and its maximum 1 is known): a test of methods, cheap and in closed form.

    $f(x) = \prod_{i=1}^{c} h_q(x, a_i, s_i)$, and -inf for a sequence with a banned transition

    where h is the share of motif $a_i$ that stands at its spacing $s_i$ somewhere in x, rounded down to a multiple of 1 / q.
    `optimum` is a sequence of value 1. All is drawn by the seed: equal arguments give equal functions on any machine.

    Args:
        length: L, letters of a design; others are refused.
        motifs: c.
        motif_length: k.
        quantization: q, steps of a motif's quality, 1 to k; k unless given.
        banned: letters that may not follow a letter; about 3 of 20 unless given. With 0 every sequence is feasible.
        letters: of the alphabet, at least 3: the twenty amino acids unless given, ACGT for DNA, ACGU for RNA.
        seed: of the draw.

    Raises:
        ValueError: for motifs that do not fit, and impossible numbers.

    References:
        Stanton et al., arXiv 2407.00236. Their later variants with epistasis are not here.
    """
    size = len(letters)
    check(size >= 3 and len(set(letters)) == size, f"letters are at least 3 different ones, got {letters!r}")
    check(letters.isascii() and letters.isupper() and letters.isalpha(), f"letters are A to Z, got {letters!r}")
    check(min(motifs, motif_length) >= 1, f"motifs and their letters number at least 1, got {motifs} of {motif_length}")
    check(
        motifs * motif_length <= length,
        f"{motifs} motifs of {motif_length} letters do not fit beside each other in {length} letters",
    )
    check(seed >= 0, f"seed is at least 0, got {seed}")
    steps = motif_length if quantization is None else quantization
    check(1 <= steps <= motif_length, f"quantization lies between 1 and motif_length ({motif_length}), got {steps}")
    bans = max(1, round(BANNED_SHARE * size)) if banned is None else banned
    check(0 <= bans <= size - 2, f"banned lies between 0 and {size - 2} for {size} letters, got {bans}")
    draw = Generator(PCG64(seed))
    allowed = _transitions(size, bans, draw)
    walk = numpy.array(_walk(allowed & ~numpy.eye(size, dtype=bool), motifs * motif_length, draw))
    offsets = [[0, *sorted(_some(range(1, length // motifs), motif_length - 1, draw))] for _ in range(motifs)]
    made = EhrlichFunction(
        Alphabet(letters, mask="*"), length, allowed, walk.reshape(motifs, motif_length), numpy.array(offsets), steps
    )
    assert made([made.optimum]) == [1.0], "the motifs fit"
    return made


def _transitions(size: int, bans: int, draw: Generator) -> Bool[ndarray, "v v"]:
    """Which letter may follow which: all but some, and never banned is a letter after itself or the next of a random cycle.

    So every letter can be reached from every other one.
    """
    cycle = _some(range(size), size, draw)
    following = dict(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    allowed = numpy.ones((size, size), dtype=bool)
    for letter in range(size):
        others = [other for other in range(size) if other not in (letter, following[letter])]
        allowed[letter, _some(others, bans, draw)] = False
    return allowed


def _walk(allowed: Bool[ndarray, "v v"], steps: int, draw: Generator) -> list[int]:
    """Letters, each allowed after the one before it."""
    letters = _some(range(len(allowed)), 1, draw)
    while len(letters) < steps:
        letters += _some(numpy.flatnonzero(allowed[letters[-1]]).tolist(), 1, draw)
    return letters


def _some(values: Sequence[int], count: int, draw: Generator) -> list[int]:
    """Different ones of some values in random order; of a generator, plain floats are the same in every release of NumPy."""
    order = numpy.argsort(draw.random(len(values)), kind="stable")
    return [values[place] for place in order[:count].tolist()]
