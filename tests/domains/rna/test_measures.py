"""RNA metrics: counts by hand, and what is left out without ViennaRNA."""

import sys

import numpy as np
import pytest

from recipes import sequence_measures
from svdd.domains.rna import measures as rna


def test_upstream_starts_are_counted_in_every_frame():
    assert rna.upstream_starts(["AUGAUG", "ATGCATGC", "CCUAG", "aug"]).tolist() == [2, 2, 0, 1]


def test_composition_by_position():
    shares = sequence_measures.composition_by_position(["ACGU", "ACGA", "ACUA", "CCUA"])
    assert np.array_equal(shares, [[0.75, 0.25, 0, 0], [0, 1, 0, 0], [0, 0, 0.5, 0.5], [0.75, 0, 0, 0.25]])


def test_summary_by_hand():
    summary = rna.rna_summary(["GGGGAAAACCCC", "AUGATGAAUU"])
    expected = {
        "uaug_rate": 0.5,
        "uaug_mean": 1.0,
        "gc": (8 / 12 + 2 / 10) / 2,
        "mfe_mean": -2.7,
        "mfe_per_base": -0.225,
    }
    assert summary == pytest.approx(expected, abs=1e-3)


def test_summary_without_viennarna_leaves_structure_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "RNA", None)
    assert set(rna.rna_summary(["ACGU"])) == {"uaug_rate", "uaug_mean", "gc"}


@pytest.mark.parametrize(("sequences", "message"), [([], "no sequences"), (["ACGX"], "'X' at position 4")])
def test_bad_sequences_are_refused(sequences, message):
    with pytest.raises(ValueError, match=message):
        rna.rna_summary(sequences)
