"""What designs are compared with: natural sequences, or the counts of them that came with a model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy
from numpy.typing import NDArray

from svdd.domains.sequence.distances import kmer_counts
from svdd.registry import bundled_folders

WORDS = (3, 6)
"""Lengths of the words of nucleic acids whose frequencies are compared."""
ANY = "held_out"
"""The group of natural sequences that no reward aims at."""


@dataclass(frozen=True)
class Reference:
    """Natural sequences, themselves or in numbers.

    Args:
        name: for files and reports.
        alphabet: letters, in the order of `words`.
        words: counts of the words of each length.
        motifs: JASPAR matrix identifier of each motif.
        hits: mean hits a sequence of each motif, where they are known.
        sequences: the sequences, where they are known.
    """

    name: str
    alphabet: str
    words: Mapping[int, NDArray[numpy.int64]]
    motifs: Mapping[str, str] = field(default_factory=dict)
    hits: Mapping[str, float] = field(default_factory=dict)
    sequences: Sequence[str] = ()


def natural(name: str, sequences: Sequence[str], alphabet: str, words: Sequence[int] = WORDS) -> Reference:
    """A reference from sequences.

    Args:
        name: for files and reports.
        sequences: natural ones.
        alphabet: their letters.
        words: lengths of the words that are counted.
    """
    counts = {k: kmer_counts(sequences, k, alphabet=alphabet) for k in words}
    return Reference(name, alphabet, counts, sequences=sequences)


def of_model(model: str, group: str = ANY) -> Reference | None:
    """The statistics that came with a bundled model, None if none came.

    Args:
        model: its name.
        group: of natural sequences; that of all held-out ones, or the first one, where the file has no such group.
    """
    path = bundled_folders().get(model, Path()) / "reference.json"
    if not path.is_file():
        return None
    read = json.loads(path.read_text(encoding="utf-8"))
    groups = read["groups"]
    chosen = next(name for name in (group, *groups) if name in groups)
    found = groups[chosen]
    words = {int(key.removeprefix("kmer")): numpy.array(found[key]) for key in found if key.startswith("kmer")}
    name = f"{model}, {chosen.replace('_', ' ')}"
    return Reference(name, read["alphabet"], words, read.get("motifs", {}), found.get("motif_hits_mean", {}))
