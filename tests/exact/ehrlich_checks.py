"""Ehrlich functions against their definition, over all sequences of small instances."""

from itertools import pairwise, product
from math import floor, inf, prod

from svdd.domains.sequence.ehrlich_functions import ehrlich

SMALL = [
    {"length": 6, "motifs": 2, "motif_length": 3, "letters": "ACG", "seed": 0},
    {"length": 6, "motifs": 2, "motif_length": 3, "letters": "ACG", "quantization": 2, "seed": 1},
    {"length": 7, "motifs": 1, "motif_length": 3, "letters": "ACG", "quantization": 1, "seed": 2},
    {"length": 5, "motifs": 2, "motif_length": 2, "letters": "ACGT", "seed": 3},
    {"length": 5, "motifs": 1, "motif_length": 4, "letters": "ACGT", "banned": 2, "seed": 4},
    {"length": 5, "motifs": 2, "motif_length": 2, "letters": "ACGT", "banned": 0, "seed": 5},
]


def by_definition(f, x):
    """One value, place by place and letter by letter."""
    letters = f.alphabet.letters
    if any(not f.allowed[letters.index(a), letters.index(b)] for a, b in pairwise(x)):
        return -inf
    return prod(_quality(f, x, motif, offsets) for motif, offsets in zip(f.motifs, f.offsets, strict=True))


def _quality(f, x, motif, offsets):
    k, q = len(motif), f.quantization
    shares = [
        sum(x[start + at] == f.alphabet.letters[letter] for at, letter in zip(offsets, motif, strict=True)) / k
        for start in range(len(x))
        if start + max(offsets) < len(x)
    ]
    return floor(q * max(shares) + 1e-9) / q


def values_are_as_defined():
    for options in SMALL:
        f = ehrlich(**options)
        everything = ["".join(one) for one in product(options["letters"], repeat=options["length"])]
        found = f(everything)
        expected = [by_definition(f, x) for x in everything]
        assert all(abs(a - b) < 1e-12 for a, b in zip(found, expected, strict=True) if b != -inf), options
        assert [a == -inf for a in found] == [b == -inf for b in expected], options
        assert max(found) == 1, options
        assert f([f.optimum]) == [1], options
