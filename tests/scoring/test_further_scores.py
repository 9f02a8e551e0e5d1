"""Further scores of a run: asked once for a design, kept in files of scores, their failures settled by their own policy."""

import math
from types import SimpleNamespace

import pytest
import torch

from support.processes import masked, reward, words
from svdd.decoding.decoding import Decoding, decode
from svdd.scoring.policy import Policy
from svdd.scoring.reward import Failure, Invalid, groupwise

SETTINGS = {"candidates": 3, "samples": 6}


class Counting:
    """How many `a` there are; remembers what it was asked."""

    identity = "a, counted"

    def __init__(self):
        self.seen = []

    def __call__(self, designs):
        self.seen += designs
        return [float(word.count("a")) for word in designs]


class Fragile:
    """Works in the background, two designs at a time; one design is invalid and one fails."""

    identity, policy, at_once = "fragile", Policy(error=-1.0), 2

    def __init__(self):
        self.sizes = []

    def __call__(self, designs):
        raise AssertionError("what can be handed over is")

    def submit(self, designs):
        self.sizes.append(len(designs))
        return SimpleNamespace(result=lambda: [Invalid("odd"), Failure("error", "broken")][: len(designs)])


def text(**settings):
    return masked(decode=words, **settings)


def test_equal_designs_are_scored_once(tmp_path):
    score = Counting()
    result = decode(text(), lambda designs: [0.0] * len(designs), scores={"a": score}, batch=2, **SETTINGS)
    assert len(score.seen) == len(set(score.seen))
    assert result.scores["a"].tolist() == [word.count("a") for word in result.samples]
    assert result.breakdown.components["a"].rows == len(score.seen)


def test_a_file_of_scores_keeps_them(tmp_path):
    first, second = Counting(), Counting()
    one = decode(text(), reward, scores={"a": first}, cache=tmp_path / "scores.sqlite", **SETTINGS)
    other = decode(text(), reward, scores={"a": second}, cache=tmp_path / "scores.sqlite", **SETTINGS)
    assert first.seen
    assert second.seen == []
    assert other.to_frame().equals(one.to_frame())


def test_a_score_that_cannot_be_told_from_others_is_not_kept(tmp_path):
    seen = []

    def score(designs):
        seen.extend(designs)
        return [1.0] * len(designs)

    for _ in range(2):
        decode(text(), reward, scores={"one": score}, cache=tmp_path / "scores.sqlite", **SETTINGS)
    assert len(seen) == 2 * len(set(seen))


@pytest.mark.slow
def test_an_interrupted_run_scores_no_design_twice(tmp_path):
    from svdd.scoring.score_file import ScoreCache

    def run(score):
        journal = ScoreCache(tmp_path / "journal.sqlite")
        return Decoding(text(), reward, scores={"a": score}, batch=3, journal=journal, **SETTINGS)

    first, second = Counting(), Counting()
    begun = run(first)
    states = [begun.state() for _, step in zip(range(5), begun, strict=False) if step]  # 4 steps a batch
    begun.close()
    assert first.seen
    resumed = run(second).resume(states[3])  # the last step of the first batch, before its scores
    list(resumed)
    resumed.close()
    assert not {*first.seen} & {*second.seen}
    whole = decode(text(), reward, scores={"a": Counting()}, batch=3, **SETTINGS)
    assert resumed.result().to_frame().equals(whole.to_frame())
    assert resumed.result().breakdown.components["a"].rows == whole.breakdown.components["a"].rows


def test_failures_are_settled_by_the_scores_own_policy():
    score = Fragile()
    with pytest.warns(UserWarning, match="such designs count as -1"):
        result = decode(text(), reward, scores={"fragile": score}, **SETTINGS)
    found = dict(zip(result.samples, result.scores["fragile"].tolist(), strict=True))
    different = list(dict.fromkeys(result.samples))
    assert [found[word] for word in different] == [-math.inf if i % 2 == 0 else -1 for i in range(len(different))]
    assert max(score.sizes) == 2


def test_scores_of_tensors_and_of_whole_batches():
    whole = groupwise(lambda x: [float(len(x))] * len(x))
    result = decode(masked(), reward, scores={"n": whole, "zeros": lambda x: (x == 0).sum(-1)}, **SETTINGS)
    assert result.scores["n"].tolist() == [6.0] * 6
    assert torch.equal(result.scores["zeros"], (result.samples == 0).sum(-1).double())
