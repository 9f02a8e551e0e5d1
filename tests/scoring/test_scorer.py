"""The one way to a reward: further scores, rewards in the background, raw loops and stopped runs go it too."""

import math

import pytest
import torch

import svdd
from exact import scoring_checks
from support.processes import masked, streams, words
from support.processes import reward as rewards_of_text
from svdd.cost.ledger import Cost
from svdd.rewards.objectives import weighted_sum
from svdd.scoring.policy import IN_WORKERS, RewardFailureWarning
from svdd.scoring.reward import Failure, Invalid
from svdd.scoring.scorer import Scorer

SETTINGS = {"candidates": 2, "samples": 6}


def zeros(designs):
    return [0.0] * len(designs)


class Greedy:
    """Runs out of memory with more than two designs at a time."""

    def __init__(self):
        self.sizes = []

    def __call__(self, designs):
        self.sizes.append(len(designs))
        if len(designs) > 2:
            raise MemoryError
        return [float(len(design)) for design in designs]


def test_a_score_that_runs_out_of_memory_gets_fewer_designs():
    greedy = Greedy()
    with pytest.warns(UserWarning, match="out of memory"):
        result = svdd.decode(masked(decode=words), zeros, scores={"s": greedy}, **SETTINGS)
    assert result.scores["s"].tolist() == [4.0] * 6
    assert max(greedy.sizes) > 2


def test_chunks_of_the_reward_bound_scores_and_components_too():
    greedy, part = Greedy(), Greedy()
    objective = weighted_sum({"part": part})
    svdd.decode(masked(decode=words), objective, scores={"s": greedy}, chunks={"reward": 2}, **SETTINGS)
    assert max(greedy.sizes) == max(part.sizes) == 2


@pytest.mark.parametrize("more", [{}, {"on_failure": {"error": "invalid"}}, {"share": False}])
def test_a_score_that_fails_has_no_number_and_ends_no_run(more):
    def picky(designs):
        if any("a" in design for design in designs):
            raise KeyError("a")
        return [1.0] * len(designs)

    with pytest.warns(RewardFailureWarning, match="the score s failed on .*; such designs have no number"):
        result = svdd.decode(masked(decode=words), zeros, scores={"s": picky}, candidates=1, samples=12, **more)
    failed = ["a" in sample for sample in result.samples]
    assert result.scores["s"].isnan().tolist() == failed
    assert any(failed)
    assert not all(failed)
    assert result.usage.outcomes.failed == 0


def test_the_scores_beside_one_that_failed_are_kept(tmp_path):
    seen = []

    def picky(designs):
        seen.extend(designs)
        return [math.nan if "a" in design else 1.0 for design in designs]

    picky.identity = "picky"
    settings = {"scores": {"s": picky}, "cache": tmp_path / "scores.sqlite", "candidates": 1, "samples": 12}
    for _ in range(2):
        with pytest.warns(RewardFailureWarning):
            svdd.decode(masked(decode=words), rewards_of_text, **settings)
    assert all(seen.count(design) == (2 if "a" in design else 1) for design in seen)


class Refusing:
    """Works in the background, and refuses designs with an `a` when they are handed over."""

    at_once = 1

    def submit(self, designs):
        if any("a" in design for design in designs):
            raise ValueError("no a")
        return self

    def result(self):
        return [1.0]

    def __call__(self, designs):
        return self.submit(designs).result()


def test_what_is_refused_when_it_is_handed_over_is_judged_like_any_failure():
    scorer = Scorer(Refusing(), policy=svdd.Policy(error="invalid"))
    with pytest.warns(RewardFailureWarning, match="ValueError: no a"):
        assert scorer(["b", "a", "c"]).tolist() == [1.0, -math.inf, 1.0]
    with pytest.raises(ValueError, match="no a"):
        Scorer(Refusing())(["b", "a"])
    assert scorer.pending == set()


class InBackground:
    """Works in the background; a design of one letter alone takes too long."""

    policy, at_once = IN_WORKERS, 2

    def submit(self, designs):
        return type("Answer", (), {"result": lambda answer: [self._one(design) for design in designs]})()

    def __call__(self, designs):
        raise AssertionError("what can be handed over is")

    @staticmethod
    def _one(design):
        return Failure("timeout", "3 s") if len(set(design)) == 1 else float(design.count("a"))


@pytest.mark.parametrize("make", [svdd.posterior_mean, svdd.monte_carlo, svdd.rollout])
def test_the_policy_of_a_reward_holds_in_a_loop_of_your_own(make):
    value = make(InBackground())
    steps = svdd.svdd(masked(decode=words), value, candidates=4, temperature=0.5, chains=9, rng=streams(9))
    with pytest.warns(RewardFailureWarning, match="such designs count as invalid"):
        last = svdd.last(steps)
    assert last.particles.final


def test_a_cache_that_could_not_be_used_is_refused(tmp_path):
    with pytest.raises(ValueError, match="leave out cache, or share=False"):
        svdd.decode(masked(decode=words), zeros, cache=tmp_path / "scores.sqlite", share=False, **SETTINGS)
    assert not (tmp_path / "scores.sqlite").exists()


def test_each_component_is_settled_by_its_own_policy():
    scoring_checks.a_component_keeps_its_own_policy()


def test_a_run_that_its_budget_stopped_returns_different_designs():
    scoring_checks.a_stopped_run_returns_different_designs()


def test_reasons_and_failures_of_components_reach_the_reward_with_their_names():
    objective = weighted_sum({"far": InBackground(), "near": lambda designs: [Invalid("odd")] * len(designs)})
    answers = objective(["ab", "aa"])
    assert (answers[0].why, answers[1].why) == ("odd", "far: 3 s")
    assert answers[1].policy is IN_WORKERS


def test_a_question_of_designs_on_their_way_waits_and_pays_nothing():
    cost = Cost()
    scorer = svdd.memoised(InBackground(), cost=cost)
    first, second = scorer.submit(["ab", "aab"]), scorer.submit(["aab", "ba"])
    assert torch.equal(second.result(), torch.tensor([2.0, 1.0], dtype=torch.float64))
    assert first.result().tolist() == [1.0, 2.0]
    assert cost.rows == 3 + 1  # the second result was wanted first, so its design was paid for again
