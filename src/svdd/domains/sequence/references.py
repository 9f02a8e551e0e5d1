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
"""Lengths of the words whose frequencies are compared."""
_GROUPS = {"hepg2": "active_hepg2", "mrl": "most_active"}
_ANY = "held_out"


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


def natural(name: str, sequences: Sequence[str], alphabet: str) -> Reference:
    """A reference from sequences; their motif hits where the alphabet is that of DNA and the extra is installed."""
    words = {k: kmer_counts(sequences, k, alphabet=alphabet) for k in WORDS}
    motifs, hits = _dna_motifs(sequences) if alphabet == "ACGT" else ({}, {})
    return Reference(name, alphabet, words, motifs, hits, sequences)


def _dna_motifs(sequences: Sequence[str]) -> tuple[dict[str, str], dict[str, float]]:
    from svdd.domains.sequence.motifs import ENHANCER_MOTIFS, motif_hits

    try:
        means = motif_hits(sequences).mean(axis=0).tolist()
    except ImportError:  # told where the designs are measured
        return ENHANCER_MOTIFS, {}
    return ENHANCER_MOTIFS, dict(zip(ENHANCER_MOTIFS, means, strict=True))


def of_model(model: str, reward: str) -> Reference | None:
    """The statistics that came with a bundled model, of the group that a reward aims at; None if none came."""
    path = bundled_folders().get(model, Path()) / "reference.json"
    if not path.is_file():
        return None
    read = json.loads(path.read_text(encoding="utf-8"))
    group = _GROUPS.get(reward, _ANY)
    if group not in read["groups"]:
        group = next(iter(read["groups"]))
    found = read["groups"][group]
    words = {k: numpy.array(found[f"kmer{k}"]) for k in WORDS if f"kmer{k}" in found}
    name = f"{model}, {group.replace('_', ' ')}"
    return Reference(name, read["alphabet"], words, read.get("motifs", {}), found.get("motif_hits_mean", {}))
