"""Failures of a reward: counted by kind, settled by a policy, charged to the guilty design alone."""

import math
import pickle

import pytest
import torch

from svdd.cost.ledger import Breakdown, Outcomes
from svdd.scoring.answers import plain_numbers
from svdd.scoring.policy import IN_WORKERS, Policy, RewardFailureWarning, told
from svdd.scoring.reward import Failure, Invalid, RewardError, groupwise
from svdd.scoring.score_file import ScoreCache
from svdd.scoring.scorer import Scorer
from svdd.scoring.stored_scores import StoredScores


def judged(reward, policy=None, outcomes=None, breakdown=None, store=None):
    """The reward as a run calls it, without memory unless it has files."""
    return Scorer(reward, policy=policy, outcomes=outcomes, breakdown=breakdown, store=store, share=store is not None)


def moody(designs):
    """A G raises, a T is too slow, a C is not a number, an A alone is invalid, others count their letters."""
    numbers = []
    for design in designs:
        if "G" in design:
            raise KeyError(design)
        if "T" in design:
            raise TimeoutError("3 s")
        numbers.append(math.nan if "C" in design else -math.inf if design == "A" else float(len(design)))
    return numbers


def test_each_outcome_is_counted_and_settled_by_its_own_policy():
    outcomes = Outcomes()
    f = judged(moody, Policy(nan=-1.0, error="invalid", timeout=-2), outcomes)
    with pytest.warns(RewardFailureWarning):
        numbers = f(["AA", "G", "A", "T", "C", "AAA"])
    assert numbers.tolist() == [2, -math.inf, -math.inf, -2, -1, 3]
    assert outcomes == Outcomes(invalid=1, nan=1, error=1, timeout=1)


@pytest.mark.parametrize(
    ("design", "error"), [("G", KeyError), ("T", TimeoutError), ("C", RewardError)], ids=["error", "timeout", "nan"]
)
def test_without_a_policy_any_failure_stops_the_run_as_it_was_raised(design, error):
    outcomes = Outcomes()
    with pytest.raises(error):
        judged(moody, outcomes=outcomes)(["AA", design])
    assert outcomes == Outcomes()


def test_nan_that_stops_is_told_with_rows_and_a_design():
    with pytest.raises(RewardError, match=r"returned NaN for 1 of 2 designs \(rows 1\), such as 'C'"):
        judged(moody, Policy(error="invalid"))(["AA", "C"])
    with pytest.raises(RewardError, match=r"returned \+inf for 1 of 1 designs"):
        judged(lambda designs: [math.inf])(["AA"])


def test_the_first_failure_of_each_kind_is_told_once():
    f = judged(moody, Policy(error="invalid"))
    with pytest.warns(
        RewardFailureWarning, match=r"the reward failed on 'G' \(KeyError: 'G'\); such designs count as invalid"
    ):
        f(["AA", "G"])
    assert f(["AA", "GG"]).tolist() == [2, -math.inf]  # a second warning would be an error


def test_a_failure_that_goes_away_is_only_a_retry():
    seen, outcomes = [], Outcomes()

    def shaky(designs):
        seen.append(list(designs))
        if len(seen) < 3:
            raise ConnectionError("busy")
        return [1.0] * len(designs)

    assert judged(shaky, Policy(retries=3), outcomes)(["A"]).tolist() == [1.0]
    assert outcomes == Outcomes(retries=2)
    assert len(seen) == 3


def test_retries_end():
    outcomes = Outcomes()
    with pytest.raises(KeyError):
        judged(moody, Policy(retries=2), outcomes)(["AA", "G"])
    assert outcomes.retries == 2  # the innocent one was not asked again


def test_too_many_failures_stop_the_run():
    f = judged(moody, Policy(error="invalid", abort=0.25))
    with pytest.warns(RewardFailureWarning):
        f(["G"] * 5 + ["A" * 9] * 14)  # 5 of 19: too few designs to judge
    f(["AA"])
    with pytest.raises(RewardError, match=r"failed on 6 of 21 designs, more than the share 0.25"):
        f(["G"])


def test_a_reward_of_the_whole_batch_is_never_taken_apart():
    sizes = []

    @groupwise
    def rank(designs):
        sizes.append(len(designs))
        raise ValueError("no")

    outcomes = Outcomes()
    with pytest.warns(RewardFailureWarning):
        assert judged(rank, Policy(error=0.0, retries=1), outcomes)(["A", "B", "C"]).tolist() == [0, 0, 0]
    assert sizes == [3, 3]
    assert outcomes == Outcomes(error=3, retries=3)


def test_answers_with_failures_in_them():
    outcomes = Outcomes()
    f = judged(lambda designs: [1.0, Failure("timeout", "5 s"), 3.0], IN_WORKERS, outcomes)
    with pytest.warns(RewardFailureWarning, match=r"did not answer in time on 'b' \(5 s\)"):
        assert f(["a", "b", "c"]).tolist() == [1, -math.inf, 3]
    assert outcomes == Outcomes(timeout=1)


def test_reasons_are_counted_with_the_invalid_and_survive_retries_and_processes(tmp_path):
    answers = [[1.0, Invalid("no start codon"), Failure("timeout", "5 s"), -math.inf], [Invalid("no start codon")]]
    outcomes, breakdown = Outcomes(), Breakdown()
    with ScoreCache(tmp_path / "journal.sqlite") as journal:
        store = StoredScores("mine", journal=journal)
        f = judged(lambda d: answers.pop(0), Policy(timeout="invalid", retries=1), outcomes, breakdown, store)
        assert f(["a", "b", "c", "d"]).tolist() == [1, -math.inf, -math.inf, -math.inf]
        kept = journal.get("mine", ["a", "b", "c", "d"])
    assert outcomes == Outcomes(invalid=3, retries=1)
    assert breakdown.invalid == {"no start codon": 2}
    assert [kept[design][2] for design in "abcd"] == ["", "invalid: no start codon", "invalid: no start codon", ""]
    (copy,) = pickle.loads(pickle.dumps(plain_numbers([Invalid("late")], 1)))
    assert (copy, copy.why, repr(copy)) == (-math.inf, "late", "Invalid('late')")
    assert told({"invalid": 3}, breakdown.invalid)[1] == "invalid: 2 no start codon"


def test_reasons_that_are_all_different_share_a_line():
    breakdown = Breakdown()
    for number in range(1000):
        breakdown.count(f"{number} is no molecule")
    assert len(breakdown.invalid) == 51
    assert breakdown.invalid["other reasons"] == 950
    again = Breakdown()
    again.add(breakdown.as_dict())
    assert again == breakdown


def test_a_wrong_shape_is_nobodys_failure_and_stops_every_run():
    with pytest.raises(RewardError, match="must return 2 numbers"):
        judged(lambda designs: [1.0], Policy(error="invalid", nan="invalid"))(["a", "b"])


def test_running_out_of_memory_is_left_to_the_chunks():
    def greedy(designs):
        raise MemoryError

    with pytest.raises(MemoryError):
        judged(greedy, Policy(error="invalid"))(["a"])


def test_tensors_are_taken_apart_too():
    def picky(x):
        if bool((x > 2).any()):
            raise ValueError("large")
        return x.sum(-1)

    with pytest.warns(RewardFailureWarning):
        assert judged(picky, Policy(error=-1.0))(torch.tensor([[1.0], [3.0]])).tolist() == [1.0, -1.0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"error": "ignore"}, "error is stop, invalid or a number, got 'ignore'"),
        ({"nan": math.nan}, "nan is stop, invalid or a number, got nan"),
        ({"timeout": True}, "timeout is stop, invalid or a number, got True"),
        ({"retries": -1}, "retries is 0 or more, got -1"),
        ({"abort": 1.5}, "abort is a part of the designs from 0 to 1, got 1.5"),
        ({"tiemout": "stop"}, "unknown setting of on_failure 'tiemout'; did you mean timeout"),
    ],
)
def test_policies_that_make_no_sense(given, said):
    with pytest.raises(ValueError, match=said):
        Policy().changed(given)
