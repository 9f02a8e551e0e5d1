"""Columns that a reward computes from those of its components: at no cost, in objectives too."""

import math

import pytest
import torch

from support.processes import masked
from svdd.decoding.columns import ColumnTakenError
from svdd.decoding.decoding import decode
from svdd.rewards import weighted_sum
from svdd.scoring.components import columns_of, names_of
from svdd.scoring.policy import RewardFailureWarning
from svdd.scoring.reward import Invalid


def texts(x):
    return ["".join("ACGT-"[int(token)] for token in row) for row in x]


def count(designs):
    return [float(design.count("A")) for design in designs]


def share(designs, columns):
    return [found / len(design) for design, found in zip(designs, columns["count"], strict=True)]


def reward(designs):
    return count(designs)


reward.components = {"count": count}
reward.derived = {"share": share}


def test_a_column_is_computed_from_those_of_components():
    assert names_of(reward) == ["count", "share"]
    columns = columns_of(reward, ["AACC", "CC", "A"])
    assert columns["share"].tolist() == [0.5, 0.0, 1.0]
    assert {name: column.tolist() for name, column in columns_of(reward, []).items()} == {"count": [], "share": []}


def test_it_is_a_column_of_a_run_and_costs_nothing():
    result = decode(masked(decode=texts), reward, method="pretrained", samples=3)
    plain = decode(masked(decode=texts), count, method="pretrained", samples=3)
    assert result.samples == plain.samples
    assert result.usage.reward.rows == plain.usage.reward.rows
    lengths = torch.tensor([len(design) for design in result.samples])
    assert torch.equal(result.scores["share"], result.scores["count"] / lengths)
    with pytest.raises(ColumnTakenError, match="'share'"):
        decode(masked(decode=texts), reward, candidates=2, samples=2, scores={"share": count})


def test_in_an_objective_it_is_named_after_its_component():
    """What an earlier component finds invalid has no number there."""

    def short(designs):
        return [Invalid("long") if len(design) > 3 else 1.0 for design in designs]

    goal = weighted_sum({"short": short, "letters": (reward, 2.0)})
    columns = columns_of(goal, ["AAC", "AAAAA"])
    assert list(columns) == names_of(goal) == ["short", "letters", "letters.count", "letters.share"]
    assert columns["letters.share"][0] == pytest.approx(2 / 3)
    assert columns["letters.share"][1].isnan()


def test_where_a_component_fails_there_is_no_number():
    def failing(designs):
        if "bad" in designs:
            raise RuntimeError("no")
        return count(designs)

    def other(designs):
        return count(designs)

    other.components = {"count": failing}
    other.derived = {"share": share}
    with pytest.warns(RewardFailureWarning, match="'bad' stay open"):
        columns = columns_of(other, ["A", "bad"])
    assert columns["share"][0] == 1.0
    assert math.isnan(columns["share"][1])
