"""Accounting: wrappers that change no number, count what they should, and share only what is equal."""

import warnings

import numpy as np
import pytest
import torch

from support.processes import masked, mixed, reward, spied, streams, token_network
from svdd import decode
from svdd.chain import tree
from svdd.chain.distributions import Categorical
from svdd.chain.rng import Rng
from svdd.cost.batches import chunked, count
from svdd.cost.ledger import Cost, Usage, metered
from svdd.cost.sharing import deduplicated
from svdd.decoding.decoding import accounted
from svdd.decoding.decoding import last as last_step
from svdd.method.algorithms import svdd
from svdd.method.values import posterior_mean
from svdd.scoring.reward import RewardError
from svdd.scoring.scorer import memoised


def recorder(f=lambda x: x * 2):
    sizes = []

    def wrapper(x, *args):
        sizes.append(count(x))
        return f(x, *args)

    return wrapper, sizes


# --- chunks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (99, [7])])
def test_chunks_are_joined_to_the_answer_of_one_call(limit, sizes):
    f, seen = recorder()
    x = torch.arange(14).view(7, 2)
    assert torch.equal(chunked(f, limit)(x), x * 2)
    assert seen == sizes


def test_trees_distributions_and_lists_are_chunked():
    process = mixed()
    x = process.start(5, (), streams(5)).x
    whole, parts = process.denoiser(x, process.times[0], ()), chunked(process.denoiser, 2)(x, process.times[0], ())
    assert all(torch.equal(a, b) for a, b in zip(tree.leaves(whole), tree.leaves(parts), strict=True))
    assert chunked(lambda words: [len(word) for word in words], 2)(["a", "bb", "ccc"]) == [1, 2, 3]


def test_time_goes_to_every_chunk_and_conditioning_is_cut_like_the_state():
    met = []
    f = chunked(lambda x, t, cond: met.append((x.tolist(), float(t), cond["c"].tolist())) or x, 2)
    f(torch.arange(3), torch.tensor(0.5), {"c": torch.arange(3) * 10})
    assert met == [([0, 1], 0.5, [0, 10]), ([2], 0.5, [20])]


def short_of_memory(capacity, error):
    """Doubles up to `capacity` rows at a time; more do not fit."""

    def f(x):
        if len(x) > capacity:
            raise error
        return x * 2

    return f


def out_of_memory():
    """What torch raises on the CPU, by asking for more than there is."""
    try:
        torch.empty(10**15)
    except RuntimeError as error:
        return error
    raise AssertionError("a petabyte was there")


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("full"), MemoryError(), out_of_memory()], ids=["gpu", "python", "cpu"]
)
def test_memory_that_runs_out_halves_the_chunk_and_says_so_once(error):
    f, sizes = recorder(short_of_memory(3, error))
    wrapped, x = chunked(f, 16), torch.arange(20)
    with pytest.warns(UserWarning, match="out of memory with 16 rows at a time") as said:
        assert torch.equal(wrapped(x), x * 2)
    assert len(said) == 1
    assert sizes[:4] == [16, 8, 4, 2]
    assert set(sizes[4:]) == {2}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(wrapped(x), x * 2)
    assert max(sizes[len(sizes) // 2 :]) == 2


def test_a_chunk_larger_than_the_batch_is_halved_from_the_batch():
    f, sizes = recorder(short_of_memory(2, MemoryError()))
    with pytest.warns(UserWarning, match="out of memory"):
        chunked(f, 1000)(torch.arange(8))
    assert sizes[:3] == [8, 4, 2]


def test_one_row_that_does_not_fit_is_an_error():
    with pytest.warns(UserWarning, match="out of memory"), pytest.raises(MemoryError):
        chunked(short_of_memory(0, MemoryError()), 2)(torch.arange(2))


def test_other_errors_are_not_taken_for_memory():
    f, sizes = recorder(short_of_memory(0, ValueError("no")))
    with pytest.raises(ValueError, match="no"):
        chunked(f, 4)(torch.arange(4))
    assert sizes == [4]


def test_a_chunk_has_a_row():
    with pytest.raises(ValueError, match="at least 1 row, got 0"):
        chunked(len, 0)


# --- meters ------------------------------------------------------------------------------------------------------


def test_meters_count_rows_calls_and_seconds():
    f = metered(lambda x: x, rows_each=2)
    f(torch.zeros(3))
    f({"a": torch.zeros(5, 2)})
    f(["x"])
    assert (f.cost.rows, f.cost.calls, f.cost.asked) == (18, 3, 18)
    assert f.cost.seconds > 0


def test_rows_that_did_not_fit_are_not_counted():
    f = metered(short_of_memory(3, MemoryError()))
    with pytest.warns(UserWarning, match="out of memory"):
        chunked(f, 12)(torch.arange(12))
    assert f.cost.rows == 12
    assert f.cost.calls == 4 + 2


def test_usage_goes_round():
    usage = Usage(network=Cost(1, 2, 3, 4.0), seconds=1.5)
    usage.note_memory()
    assert usage.peak_memory_mb > 1
    assert Usage.from_dict(usage.as_dict()) == usage
    assert usage.network.asked == 3


# --- equal states ------------------------------------------------------------------------------------------------


def plain(x, t, cond):
    return Categorical(token_network(x, t, cond))


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(tree.leaves(left), tree.leaves(right), strict=True))


X = torch.tensor([[0, 1, 3, 3], [3, 3, 3, 3], [0, 1, 3, 3], [3, 3, 3, 3], [3, 3, 3, 3]])
T1, T2 = torch.tensor(0.5), torch.tensor(0.25)


@pytest.mark.parametrize("time_independent", [False, True])
def test_equal_rows_are_asked_once_and_answered_the_same(time_independent):
    f, sizes = recorder(plain)
    cost = Cost()
    wrapped = deduplicated(f, cost, time_independent)
    assert same(wrapped(X, T1, ()), plain(X, T1, ()))
    assert sizes == [2]
    assert cost.hits == 3


def test_equal_states_with_other_conditioning_are_other_rows():
    f, sizes = recorder(plain)
    cond = torch.tensor([[0.0], [0.0], [1.0], [0.0], [2.0]]).double()
    assert same(deduplicated(f)(X, T1, cond), plain(X, T1, cond))
    assert sizes == [4]
    again = deduplicated(f, time_independent=True)
    again(X, T1, cond)
    assert same(again(X, T1, cond + 1), plain(X, T1, cond + 1))


def test_without_time_a_candidate_that_equals_its_parent_costs_nothing():
    f, sizes = recorder(lambda x, t, cond: plain(x, torch.tensor(0.0), cond))
    cost = Cost()
    wrapped = deduplicated(f, cost, time_independent=True)
    wrapped(X[:2], T1, ())
    children = torch.cat([X, torch.tensor([[2, 2, 2, 2]])])
    assert same(wrapped(children, T2, ()), plain(children, torch.tensor(0.0), ()))
    assert sizes == [2, 1]
    assert cost.hits == 5
    wrapped(children[:5], T2, ())
    assert sizes == [2, 1]


def test_without_time_a_state_of_any_earlier_step_costs_nothing():
    f, sizes = recorder(lambda x, t, cond: plain(x, torch.tensor(0.0), cond))
    wrapped = deduplicated(f, time_independent=True)
    every = torch.cartesian_prod(*[torch.arange(4)] * 4)
    for part in every.split(50):
        wrapped(part, T1, ())
    asked = sum(sizes)
    assert same(wrapped(every, T2, ()), plain(every, torch.tensor(0.0), ()))
    assert sum(sizes) == asked == 256


def test_answers_are_kept_in_bounded_memory_and_stay_right():
    f, sizes = recorder(lambda x, t, cond: plain(x, torch.tensor(0.0), cond))
    row = 4 * 8 + tree.leaves(plain(X[:1], T1, ()))[0].numel() * 8
    wrapped = deduplicated(f, time_independent=True, keep=10 * row)
    every = torch.cartesian_prod(*[torch.arange(4)] * 4)
    for part in every.split(7):
        assert same(wrapped(part, T1, ()), plain(part, torch.tensor(0.0), ()))
    sizes.clear()
    assert same(wrapped(every[-10:], T1, ()), plain(every[-10:], torch.tensor(0.0), ()))
    assert sizes == []
    assert same(wrapped(every[:30], T1, ()), plain(every[:30], torch.tensor(0.0), ()))
    assert sizes == [30]


def test_with_time_nothing_is_carried_to_another_time():
    f, sizes = recorder(plain)
    wrapped = deduplicated(f)
    wrapped(X, T1, ())
    assert same(wrapped(X, T2, ()), plain(X, T2, ()))
    assert sizes == [2, 2]


def test_hits_are_counted_in_the_same_unit_as_rows():
    cost = Cost()
    deduplicated(metered(plain, cost, rows_each=2), cost, rows_each=2)(X, T1, ())
    assert (cost.rows, cost.hits, cost.asked) == (4, 6, 10)


@pytest.mark.parametrize("time_independent", [False, True])
def test_a_run_is_the_same_with_and_without_sharing(time_independent):
    network = (lambda x, t, cond: token_network(x, 0.0, cond)) if time_independent else token_network
    results = {}
    for shared in (False, True):
        process = masked(steps=6, network=network, time_independent=time_independent)
        result = decode(process, reward, samples=10, candidates=6, temperature=0.5, share=shared)
        results[shared] = result
    assert torch.equal(results[True].samples, results[False].samples)
    assert torch.equal(results[True].rewards, results[False].rewards)
    assert torch.equal(results[True].trace.rows(), results[False].trace.rows())
    assert results[True].usage.network.rows < results[False].usage.network.rows / 2
    assert results[True].usage.network.asked == results[False].usage.network.asked == 10 + 5 * 60
    assert results[False].usage.network.hits == 0


@pytest.mark.slow
def test_time_independent_networks_are_asked_less():
    rows = []
    for flag in (False, True):
        process = masked(steps=20, network=lambda x, t, cond: token_network(x, 0.0, cond), time_independent=flag)
        with pytest.warns(UserWarning, match="distinct candidates"):
            rows.append(decode(process, reward, samples=4, candidates=3).usage.network.rows)
    assert rows[1] < rows[0]


def test_the_first_state_of_a_masked_process_is_one_row():
    process, asked = spied(masked, steps=3)
    process = accounted(process, Usage(), {})
    last_step(svdd(process, posterior_mean(reward), candidates=2, chains=9, rng=Rng(0, 9)))
    assert len(asked[0][0]) == 1


# --- equal designs -----------------------------------------------------------------------------------------------


def test_rewards_are_asked_once_a_design_in_the_order_first_seen():
    seen, cost = [], Cost()
    f = memoised(lambda words: seen.append(list(words)) or [float(len(w)) for w in words], cost=cost)
    assert f(["bb", "a", "bb", "ccc", "a"]).tolist() == [2, 1, 2, 3, 1]
    assert f(["a", "dddd", "bb"]).tolist() == [1, 4, 2]
    assert seen == [["bb", "a", "ccc"], ["dddd"]]
    assert cost.hits == 2 + 2
    assert f(["a"]).tolist() == [1.0]
    assert len(seen) == 2


def test_a_key_says_which_designs_are_equal():
    f, sizes = recorder(lambda designs: [float(d["n"]) for d in designs])
    assert memoised(f, key=lambda d: d["n"])([{"n": 1}, {"n": 1}, {"n": 2}]).tolist() == [1, 1, 2]
    assert sizes == [2]


def test_tensors_are_told_apart_by_their_bits_if_asked_for():
    rows = torch.tensor([[0.0, 1.0], [2.0, 3.0], [0.0, 1.0], [-0.0, 1.0]])
    f, sizes = recorder(lambda x: x.sum(1))
    assert memoised(f, bits=True)(rows).tolist() == [1, 5, 1, 1]
    assert memoised(f, bits=True)({"x": rows, "y": torch.tensor([0, 0, 1, 1])}["x"][:2]).tolist() == [1, 5]
    assert sizes == [3, 2]  # minus zero is other bits
    both, asked = recorder(lambda d: d["x"].sum(1))
    designs = {"x": rows, "y": torch.tensor([[0], [0], [1], [1]])}
    assert memoised(both, bits=True)(designs).tolist() == [1, 5, 1, 1]
    assert memoised(both, key=lambda d: float(d["x"].sum()))(designs).tolist() == [1, 5, 1, 1]
    assert asked == [4, 2]
    assert memoised(f)(rows).tolist() == [1, 5, 1, 1]
    assert sizes[-1] == 4


@pytest.mark.parametrize(
    "designs",
    [
        torch.zeros(3, 2),
        [np.zeros(2)] * 3,
        [torch.zeros(2)] * 3,
        [{"a": 1}] * 3,
        {"nodes": torch.zeros(3, 1), "edges": torch.zeros(3)},
    ],
    ids=["tensor", "arrays", "tensors", "dictionaries", "tree"],
)
def test_designs_that_cannot_be_looked_up_are_simply_scored(designs):
    f, sizes = recorder(lambda d: [1.0, 2.0, 3.0])
    assert memoised(f)(designs).tolist() == [1.0, 2.0, 3.0]
    assert sizes == [3]


def test_a_memoised_reward_is_checked_and_nothing_wrong_is_remembered():
    answers = iter([[float("nan")], [1.0]])
    f = memoised(lambda words: next(answers))
    with pytest.raises(RewardError, match="such as 'a'"):
        f(["a"])
    assert f(["a"]).tolist() == [1.0]


def test_invalid_designs_are_remembered_too():
    f, sizes = recorder(lambda words: [-float("inf")] * len(words))
    wrapped = memoised(f)
    assert wrapped(["a", "a"]).tolist() == [-float("inf")] * 2
    wrapped(["a"])
    assert sizes == [1]


# --- together ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "share"), [(list, True), (tuple, True), (np.array, True), (np.array, False), (torch.tensor, False)]
)
def test_rewards_of_every_kind_can_be_chunked(answer, share):
    process = masked(decode=lambda x: ["".join(map(str, row)) for row in x.tolist()])
    f = lambda words: answer([float(word.count("0")) for word in words])  # noqa: E731
    results = [
        decode(process, f, samples=5, candidates=4, chunks=chunks, share=share)
        for chunks in ({}, {"reward": 3, "network": 7, "decode": 5})
    ]
    assert results[0].samples == results[1].samples
    assert torch.equal(results[0].rewards, results[1].rewards)
    assert results[0].usage.reward.rows == results[1].usage.reward.rows
    assert results[1].usage.reward.calls > results[0].usage.reward.calls


def test_an_unknown_component_is_named():
    with pytest.raises(ValueError, match="unknown component to chunk 'networks'; did you mean network"):
        decode(masked(), reward, candidates=2, chunks={"networks": 3})
