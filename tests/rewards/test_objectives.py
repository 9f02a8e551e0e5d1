"""Objectives: arithmetic, vetoes, a column for every component, and nothing asked twice."""

import math
import pickle
from collections import Counter

import pytest
import torch

from support.processes import PROCESSES, gaussian, masked, words
from svdd import Decoding, Invalid, RewardError, ScoreCache, decode, groupwise, load
from svdd.registry import load_reward
from svdd.rewards import (
    at_least,
    at_most,
    geometric_mean,
    interval,
    must,
    objective,
    pessimistic,
    product,
    ramp,
    sigmoid,
    thresholds,
    weighted_sum,
)
from svdd.rewards.desirability import Interval, Ramp, Sigmoid
from svdd.scoring.identity import reward_identity
from svdd.scoring.policy import RewardFailureWarning

pytestmark = pytest.mark.filterwarnings("ignore::svdd.decoding.alarms.DegenerateProposalWarning")  # toys

A, B = "a", "b"


def zeros(designs):
    return [float(design.count(A)) for design in designs]


def ones(designs):
    """Float32, as a network answers."""
    return torch.tensor([design.count(B) for design in designs], dtype=torch.float32)


def no_c(designs):
    return [Invalid("a c") if "c" in design else 1.0 for design in designs]


def no_cc(designs):
    return [Invalid("cc") if "cc" in design else 1.0 for design in designs]


def mute(designs):
    """Says no reason."""
    return [-math.inf if "c" in design else 1.0 for design in designs]


class Asked:
    """A component that notes what it was asked."""

    identity = "asked, for this test"

    def __init__(self, reward=zeros):
        self.reward, self.seen = reward, Counter()

    def __call__(self, designs):
        self.seen.update(designs)
        return self.reward(designs)


def text(steps=4):
    return masked(steps, decode=words)


# --- arithmetic --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "points"),
    [
        (lambda r: sigmoid(r, 2), {2: 0.5, 3: 1 / (1 + math.exp(-1)), 1000: 1.0}),
        (lambda r: sigmoid(r, 2, -2.0), {2: 0.5, 3: 1 / (1 + math.exp(2)), 1000: 0.0}),
        (lambda r: ramp(r, 1, 3), {0: 0.0, 1: 0.0, 2: 0.5, 3: 1.0, 4: 1.0}),
        (lambda r: ramp(r, 3, 1), {0: 1.0, 1: 1.0, 2: 0.5, 3: 0.0, 4: 0.0}),
        (lambda r: interval(r, 1, 2), {0: 0.0, 1: 1.0, 2: 1.0, 3: 0.0}),
        (lambda r: interval(r, 2, 2, margin=4), {0: 0.5, 1: 0.75, 2: 1.0, 3: 0.75, 6: 0.0, 7: 0.0}),
        (lambda r: at_least(r, 2), {1: 0.0, 2: 1.0, 3: 1.0}),
        (lambda r: at_most(r, 2), {1: 1.0, 2: 1.0, 3: 0.0}),
    ],
)
def test_shapes(shape, points):
    assert shape(zeros)([A * x for x in points]) == pytest.approx(list(points.values()), abs=1e-12)


@pytest.mark.parametrize(
    ("combine", "wanted"),
    [
        (weighted_sum, 2 - 3 * 1),
        (lambda parts: product(parts | {"b": (ones, 3)}), 2.0),
        (lambda parts: product(parts | {"a": (zeros, 3)} | {"b": ones}), 8.0),
        (lambda parts: geometric_mean(parts | {"a": (zeros, 3.0)} | {"b": ones}), 8 ** (1 / 4)),
        (lambda parts: thresholds({"a": at_least(zeros, 2), "b": at_least(ones, 2)}), 0.0),
        (lambda parts: thresholds({"a": at_least(zeros, 2), "b": at_least(ones, 1)}), 1.0),
        (lambda parts: thresholds({"a": (at_least(zeros, 2), 3.0), "b": at_least(ones, 2)}, share=True), 0.75),
    ],
)
def test_combinations(combine, wanted):
    assert combine({"a": zeros, "b": (ones, -3.0)})(["aab"]) == pytest.approx([wanted])


def test_a_zero_in_a_geometric_mean_is_zero():
    assert geometric_mean({"a": zeros, "b": (ones, 2.0)})(["aa", "ab"]) == [0.0, 1.0]


@pytest.mark.parametrize("combine", [product, geometric_mean])
def test_what_is_multiplied_is_not_negative(combine):
    objective = combine({"a": zeros, "fewer": lambda designs: [-1.5] * len(designs)})
    with pytest.raises(ValueError, match=r"takes numbers of 0 or more, but fewer is -1.5: see it through a ramp or"):
        objective(["a"])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: weighted_sum({}), "at least one component that counts"),
        (lambda: weighted_sum({"a": must(zeros)}), "at least one component that counts"),
        (lambda: weighted_sum({"a.b": zeros}), "a name without a dot, got 'a.b'"),
        (lambda: weighted_sum({"a": 3}), "component a is a reward, its name, or .reward, weight., got 3"),
        (lambda: weighted_sum({"a": (zeros, "much")}), "component a is a reward, its name, or"),
        (lambda: weighted_sum({"a": (zeros, math.nan)}), "weight of a is a positive number in a weighted sum, got nan"),
        (lambda: product({"a": (zeros, 0)}), "weight of a is a positive number in a product, got 0"),
        (lambda: weighted_sum({"b": ones, "a": (must(zeros), 2)}), "must be met, so it has no weight"),
        (lambda: ramp(zeros, 1, 1), "between two numbers, got 1 twice"),
        (lambda: ramp(ramp(zeros, 0, 1), 0, 1), "has the shape Ramp.* already"),
        (lambda: interval(zeros, 2, 1), "goes from low to high"),
        (lambda: sigmoid(zeros, math.inf), "middle of sigmoid is a finite number, got inf"),
    ],
)
def test_what_makes_no_sense(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_shapes_are_equal_whatever_the_type_of_their_numbers():
    assert repr(Ramp(0, 1)) == repr(Ramp(0.0, 1.0))
    assert Interval(1, 2) == Interval(1.0, 2.0, 0)
    assert Sigmoid(1) != Sigmoid(1, 2)


# --- vetoes ------------------------------------------------------------------------------------------------------


def test_an_invalid_component_vetoes_and_spares_those_after_it():
    costly = Asked()
    objective = weighted_sum({"whole": no_c, "a": (costly, -1.0)})
    assert objective(["ac", "a"]) == [-math.inf, 0.0]
    assert [getattr(one, "why", None) for one in objective(["ac", "a"])] == ["a c", None]
    assert set(costly.seen) == {"a"}
    table = objective.table(["ac", "a"])
    assert table["whole"] == [-math.inf, 1.0]
    assert math.isnan(table["a"][0])
    assert table["a"][1] == 1.0


def test_a_veto_without_a_reason_names_the_component():
    (answer,) = weighted_sum({"mute": (mute, -1.0)})(["c"])
    assert answer.why == "mute is invalid"


def test_a_condition_that_must_be_met_vetoes_without_counting():
    costly = Asked(ones)
    objective = geometric_mean({"enough": must(at_least(zeros, 2)), "b": costly})
    answers = objective(["abb", "aab"])
    assert answers == [-math.inf, 1.0]
    assert answers[0].why == "enough is not met"
    assert set(costly.seen) == {"aab"}
    assert objective.table(["abb"])["enough"] == [1.0]
    assert must(at_least(zeros, 2))(["a", "aa"]) == [-math.inf, 1.0]


def test_nan_stays_nan_and_is_left_to_the_policy():
    costly = Asked()
    objective = weighted_sum({"bad": lambda designs: [math.nan] * len(designs), "a": costly})
    assert math.isnan(objective(["a"])[0])
    assert not costly.seen
    with pytest.raises(RewardError, match="the reward returned NaN"):
        decode(text(), objective, candidates=2, samples=2)


def test_a_wrong_number_of_answers_names_the_component():
    with pytest.raises(RewardError, match=r"the component short was given 2 designs and must return 2 numbers"):
        weighted_sum({"short": lambda designs: [1.0]})(["a", "b"])


# --- decoding ----------------------------------------------------------------------------------------------------


def test_every_component_is_a_column_with_its_own_numbers_and_asked_once_for_a_design():
    first, second = Asked(zeros), Asked(ones)
    objective = weighted_sum({"zeros": ramp(first, 0, 4), "ones": (second, 0.5)})
    result = decode(text(), objective, candidates=3, samples=6, scores={"held": lambda designs: zeros(designs)})
    frame = result.to_frame()
    assert list(frame) == ["id", "chain", "sample", "reward", "valid", "zeros", "ones", "held"]
    assert frame["zeros"].tolist() == zeros(result.samples)
    assert frame["reward"].to_numpy() == pytest.approx(frame["zeros"] / 4 + frame["ones"] / 2)
    assert max(first.seen.values()) == max(second.seen.values()) == 1
    cost = result.breakdown.components["zeros"]
    assert cost.rows == len(first.seen) == result.usage.reward.rows
    assert cost.hits >= len(set(result.samples))  # the column


@pytest.mark.parametrize("name", PROCESSES)
def test_components_of_any_kind_of_state_decode_as_their_sum(name):
    from support.processes import reward

    process = PROCESSES[name]()
    together = decode(process, weighted_sum({"one": reward, "half": (reward, 0.5)}), candidates=2, samples=3)
    alone = decode(process, lambda designs: 1.5 * torch.as_tensor(reward(designs)), candidates=2, samples=3)
    assert together.to_frame()["chain"].equals(alone.to_frame()["chain"])
    assert torch.allclose(together.rewards, alone.rewards)
    assert torch.allclose(together.scores["one"], alone.rewards / 1.5)


@pytest.mark.slow
def test_components_of_a_bundled_sequence_model(tmp_path):
    """GC content and an oracle, the file of the run with both beside the objective."""
    process = load("dna-enhancer", steps=4)
    oracle, content = load_reward("hepg2"), load_reward("gc-content", target=0.6)
    objective = geometric_mean({"gc": ramp(content, -0.3, 0.0), "hepg2": sigmoid(oracle, 2.0)})
    result = decode(process, objective, candidates=2, samples=4, seed=3)
    assert result.scores["gc"].tolist() == content(result.samples).double().tolist()
    assert torch.allclose(result.scores["hepg2"], oracle(result.samples).double())
    header = result.save(tmp_path / "out").joinpath("samples.csv").read_text().splitlines()[0]
    assert header == "id,chain,sample,reward,valid,gc,hepg2"


def test_components_in_components_have_their_own_columns():
    inner = Asked(ones)
    objective = weighted_sum({"all": geometric_mean({"a": zeros, "b": inner}), "whole": no_c})
    result = decode(text(), objective, candidates=2, samples=4)
    assert list(result.scores) == ["all", "all.a", "all.b", "whole"]
    assert list(objective.components) == list(result.scores)
    assert result.scores["all.b"].tolist() == ones(result.samples).tolist()
    assert max(inner.seen.values()) == 1


def test_any_reward_may_have_components():
    class Raw:
        components = {"raw": zeros}

        def __call__(self, designs):
            return [number**2 for number in zeros(designs)]

    result = decode(text(), Raw(), candidates=2, samples=4)
    assert torch.equal(result.rewards, result.scores["raw"] ** 2)
    whole = decode(text(), weighted_sum({"b": ones, "raw": Raw()}), candidates=2, samples=4)
    assert torch.equal(whole.scores["raw"], whole.scores["raw.raw"] ** 2)


def test_designs_that_are_invalid_are_counted_by_reason_and_have_open_columns():
    """At temperature 0 of one candidate everything is kept, invalid or not."""
    result = decode(text(), weighted_sum({"whole": no_c, "mute": mute, "a": zeros}), candidates=1, samples=24)
    invalid = result.rewards.isneginf()
    assert 0 < invalid.sum() < 24
    assert torch.equal(result.scores["whole"].isneginf(), invalid)
    assert torch.equal(result.scores["a"].isnan(), invalid)
    assert result.breakdown.invalid == {"a c": result.usage.outcomes.invalid}
    assert result.record()["breakdown"]["invalid"] == result.breakdown.invalid
    assert result.to_frame().loc[invalid.numpy(), "a"].isna().all()


def test_a_component_that_fails_is_settled_by_the_policy_and_leaves_its_columns_open():
    def picky(designs):
        if any("c" in design for design in designs):
            raise KeyError("c")
        return [1.0] * len(designs)

    with pytest.warns(RewardFailureWarning) as said:
        result = decode(
            text(),
            weighted_sum({"a": zeros, "picky": picky}),
            candidates=1,
            samples=24,
            on_failure={"error": -9.0, "abort": 1.0},
        )
    failed = result.rewards == -9
    assert 0 < failed.sum() < 24
    assert torch.equal(result.scores["picky"].isnan(), failed)
    assert result.usage.outcomes.error > 0
    assert any("(picky: KeyError: 'c'); such designs count as -9.0" in str(one.message) for one in said)


def test_names_of_columns_are_taken_once():
    with pytest.raises(ValueError, match="a component cannot be named 'valid'"):
        decode(text(), weighted_sum({"valid": zeros}), candidates=2, samples=2)
    with pytest.raises(ValueError, match="a score cannot be named 'a': it is a component"):
        decode(text(), weighted_sum({"a": zeros}), candidates=2, samples=2, scores={"a": ones})


def test_a_groupwise_component_makes_a_groupwise_objective():
    @groupwise
    def share(designs):
        return [len(set(designs)) / len(designs)] * len(designs)

    first = Asked()
    objective = weighted_sum({"a": first, "share": share})
    assert objective.groupwise
    result = decode(text(), objective, candidates=2, samples=4)
    assert result.scores["share"].tolist() == share(result.samples)
    assert max(first.seen.values()) == 1


# --- files of scores, interruption -------------------------------------------------------------------------------


def test_a_file_of_scores_is_shared_by_objectives_with_the_same_component(tmp_path):
    """Another combination of a costly component asks it for new designs only."""
    one, other = Asked(), Asked()
    with ScoreCache(tmp_path / "scores.sqlite") as cache:
        decode(text(), weighted_sum({"a": one, "b": ones}), candidates=3, samples=6, cache=cache)
        result = decode(
            text(), product({"whole": no_c, "again": ramp(other, 0, 4)}), candidates=3, samples=6, cache=cache
        )
        assert len({row["identity"] for row in cache.contents()}) == 5  # two wholes, and three components
    assert not {*one.seen} & {*other.seen}
    assert result.breakdown.components["again"].hits > 0
    valid = ~result.rewards.isneginf()
    assert valid.any()
    assert torch.equal(result.scores["again"][valid], torch.tensor(zeros(result.samples)).double()[valid])


@pytest.mark.slow
def test_reasons_come_back_from_a_file_of_scores(tmp_path):
    with ScoreCache(tmp_path / "scores.sqlite") as cache:
        for _ in range(2):
            result = decode(text(), weighted_sum({"whole": no_c, "a": zeros}), candidates=1, samples=24, cache=cache)
        first = decode(text(), weighted_sum({"whole": no_c, "a": (zeros, 2.0)}), candidates=1, samples=24, cache=cache)
    assert result.usage.reward.rows == 0
    assert result.breakdown.invalid == {}  # nothing was asked
    assert first.breakdown.components["whole"].rows == 0
    assert first.breakdown.invalid == {"a c": first.usage.outcomes.invalid}


@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_the_bill_and_the_bytes_of_one_that_was_not(tmp_path):
    """Saved after two of four steps, lost after three: what the third had paid for is in the journal."""

    def run(journal=None, reward=None):
        objective = weighted_sum({"whole": no_cc, "a": ramp(reward or Asked(), 0, 4)})
        return Decoding(text(), objective, candidates=3, samples=6, batch=3, journal=journal)

    whole = run()
    list(whole)
    begun = run(ScoreCache(tmp_path / "journal.sqlite"))
    states = [begun.state() for _, step in zip(range(3), begun, strict=False) if step]
    begun.close()
    costly = Asked()
    resumed = run(ScoreCache(tmp_path / "journal.sqlite"), costly).resume(pickle.loads(pickle.dumps(states[1])))
    list(resumed)
    resumed.close()
    ours, theirs = resumed.result(), whole.result()
    assert ours.to_frame().to_csv() == theirs.to_frame().to_csv()
    assert ours.breakdown.invalid == theirs.breakdown.invalid
    assert ours.usage.outcomes == theirs.usage.outcomes
    for name, cost in theirs.breakdown.components.items():
        assert ours.breakdown.components[name].rows == cost.rows
    assert len(costly.seen) < theirs.breakdown.components["a"].rows  # the journal had the rest
    assert max(costly.seen.values()) == 1


def test_identities_cover_combination_shape_weight_and_components():
    plain = {"a": zeros, "b": ones}
    different = [
        weighted_sum(plain),
        product(plain),
        thresholds(plain),
        thresholds(plain, share=True),
        weighted_sum({"a": zeros, "b": (ones, 2.0)}),
        weighted_sum({"a": ramp(zeros, 0, 1), "b": ones}),
        weighted_sum({"a": ramp(zeros, 0, 2), "b": ones}),
        weighted_sum({"a": must(zeros), "b": ones}),
        weighted_sum({"a": no_c, "b": ones}),
        ramp(zeros, 0, 1),
    ]
    assert len({reward_identity(one) for one in different}) == len(different)
    assert reward_identity(weighted_sum(plain)) == reward_identity(weighted_sum({"a": (zeros, 1), "b": ones}))
    with pytest.raises(ValueError, match="cannot be told from others"):
        reward_identity(weighted_sum({"a": lambda designs: zeros(designs)}))


def test_an_objective_travels_to_another_process():
    objective = geometric_mean(
        {"enough": must(at_least(zeros, 1)), "a": ramp(zeros, 0, 4), "b": (sigmoid(ones, 1), 2.0)}
    )
    copy = pickle.loads(pickle.dumps(objective))
    assert copy(["aab", "b"]) == objective(["aab", "b"])
    assert copy(["b"])[0].why == "enough is not met"
    assert reward_identity(copy) == reward_identity(objective)


def test_tensors_are_designs_too():
    result = decode(
        gaussian(), weighted_sum({"sum": lambda x: x.sum(-1), "first": (lambda x: x[:, 0], 2)}), candidates=2, samples=3
    )
    assert torch.allclose(result.rewards, result.scores["sum"] + 2 * result.scores["first"])


def test_a_shape_alone_keeps_what_a_reward_has_beside_numbers():
    closed = []

    class Posing:
        def __call__(self, designs):
            return [1.0] * len(designs)

        def poses(self, designs):
            return designs

        def close(self):
            closed.append(True)

    shaped = ramp(Posing(), 0, 2)
    assert shaped.poses(["C"]) == ["C"]
    shaped.close()
    assert closed == [True]
    assert not hasattr(ramp(len, 0, 2), "poses")
    assert pickle.loads(pickle.dumps(ramp(len, 0, 2))).reward is len


def test_a_pessimistic_reward_is_a_mean_less_its_deviations():
    values = {"x": 1.0, "y": 4.0, "z": 4.0}
    members = {name: (lambda designs, value=value: [value] * len(designs)) for name, value in values.items()}
    mean, deviation = 3.0, math.sqrt(2.0)  # of 1, 4 and 4
    assert pessimistic(members)(["a"]) == pytest.approx([mean - deviation])
    assert pessimistic(members, kappa=0)(["a"]) == pytest.approx([mean])
    assert pessimistic(members, kappa=2.5)(["a", "b"]) == pytest.approx([mean - 2.5 * deviation] * 2)
    doubled = {"x": members["x"], "y": (members["y"], 2.0)}
    assert pessimistic(doubled)(["a"]) == pytest.approx([mean - deviation])
    assert pessimistic({"x": members["y"], "y": members["z"]}, kappa=9)(["a"]) == pytest.approx([4.0])


def test_a_pessimistic_reward_is_asked_of_its_members_as_any_objective_is():
    made = decode(masked(decode=words), pessimistic({"x": zeros, "y": ones}, kappa=2), samples=6, candidates=2)
    frame = made.to_frame()
    mean, apart = (frame["x"] + frame["y"]) / 2, (frame["x"] - frame["y"]).abs() / 2
    assert frame["reward"].to_numpy() == pytest.approx((mean - 2 * apart).to_numpy())
    assert pessimistic({"x": no_c, "y": ones})(["abc"])[0].why == "a c"


def test_pessimistic_rewards_that_differ_in_kappa_are_told_apart():
    one, same, other = (reward_identity(pessimistic({"x": zeros, "y": ones}, kappa=k)) for k in (1.0, 1, 2))
    assert one == same != other
    again = pickle.loads(pickle.dumps(pessimistic({"x": zeros, "y": ones}, kappa=2)))
    assert again(["aab"]) == pytest.approx([1.5 - 2 * 0.5])


@pytest.mark.parametrize("kappa", [-1.0, math.nan, math.inf])
def test_a_kappa_that_counts_no_deviations_is_refused(kappa):
    with pytest.raises(ValueError, match="kappa counts deviations below the mean, a number of 0 or more, got"):
        pessimistic({"x": zeros, "y": ones}, kappa=kappa)


def test_an_ensemble_has_two_members():
    with pytest.raises(ValueError, match="needs 2 components or more that count, got 1"):
        pessimistic({"x": zeros, "y": must(at_least(ones, 1))})
    with pytest.raises(ValueError, match="kappa is for a pessimistic combination, not for product"):
        objective("product", {"x": zeros}, kappa=1.0)
