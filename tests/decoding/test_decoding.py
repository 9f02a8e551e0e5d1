"""Decoding: the front door, its settings, and a run that can be stopped, saved and taken up again."""

import io
import math

import pytest
import torch

from support.processes import PROCESSES, SETTINGS, designs_a_chain, gaussian, masked, reward, words
from svdd import decode
from svdd.decoding.alarms import DegenerateProposalWarning
from svdd.decoding.decoding import Decoding, OtherGridError
from svdd.method.values import monte_carlo, posterior_mean, rollout
from svdd.method.values_by_name import VALUES
from svdd.scoring.reward import RewardError

pytestmark = pytest.mark.filterwarnings(
    "ignore::svdd.method.algorithms.OverTiltWarning",
    "ignore::svdd.decoding.alarms.DegenerateProposalWarning",
)


STEPS = 3


def make(setting="svdd", process="masked", chains=5, **settings):
    method, options = SETTINGS[setting]
    samples = chains * designs_a_chain(method, options)
    return Decoding(PROCESSES[process](steps=STEPS), reward, method=method, samples=samples, **{**options, **settings})


def finished(decoding):
    for _ in decoding:
        pass
    return decoding.result()


def same(left, right):
    """Whether two results are the same bit for bit."""
    if isinstance(left.samples, dict):
        designs = all(torch.equal(left.samples[k], right.samples[k]) for k in left.samples)
    else:
        designs = (
            torch.equal(left.samples, right.samples) if torch.is_tensor(left.samples) else left.samples == right.samples
        )
    return (
        designs
        and torch.equal(left.rewards, right.rewards)
        and left.chain == right.chain
        and left.log_z == right.log_z
        and left.scores.keys() == right.scores.keys()
        and all(torch.equal(left.scores[k], right.scores[k]) for k in left.scores)
        and torch.equal(left.trace.rows(), right.trace.rows())
    )


# --- what comes back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
def test_rewards_are_those_of_the_designs_that_come_back(setting):
    result = finished(make(setting, "mixed", chains=3))
    assert torch.equal(result.rewards, torch.as_tensor(reward(result.samples), dtype=torch.float64))
    assert sorted(set(result.chain)) == [0, 1, 2]
    method = SETTINGS[setting][0]
    assert len(result) == len(result.chain) == 3 * designs_a_chain(*SETTINGS[setting])
    assert (result.log_z is not None) == (method in ("best-of-n", "smc", "bfs", "nested-is"))
    if result.log_z is not None:
        assert len(result.log_z) == 3
        assert all(map(math.isfinite, result.log_z))


def test_guidance_raises_the_reward():
    plain = decode(gaussian(), reward, method="pretrained", samples=60)
    guided = decode(gaussian(), reward, candidates=8, samples=60)
    z = (guided.rewards.mean() - plain.rewards.mean()) / ((guided.rewards.var() + plain.rewards.var()) / 60).sqrt()
    assert float(z) > 5


def test_best_of_n_returns_the_best_and_its_log_z_is_the_mean_weight():
    decoding = make("best-of-n", "gaussian")
    steps = list(decoding)
    result = decoding.result()
    assert torch.equal(result.rewards, steps[-1].value.amax(1))
    expected = (steps[-1].value / 0.5).exp().mean(1).log()
    assert result.log_z == pytest.approx(expected.tolist())


def test_a_draw_follows_the_weights():
    """One particle of a chain by its weight: the mean of the draws is the weighted mean."""
    decoding = make("smc", "gaussian", chains=400, ess=0.0)
    last = list(decoding)[-1]
    weights = last.log_w.softmax(-1)
    mean = (weights * last.value).sum(-1)
    variance = (weights * last.value**2).sum(-1) - mean**2
    z = (decoding.result().rewards - mean).sum() / variance.sum().sqrt()
    assert abs(float(z)) < 5


def test_scores_are_columns_of_the_same_designs():
    result = decode(
        masked(decode=words), reward, candidates=2, samples=4, scores={"a": lambda w: [x.count("a") for x in w]}
    )
    assert result.scores["a"].tolist() == [w.count("a") for w in result.samples]
    with pytest.raises(RewardError, match="the score a was given 2 designs"):
        decode(masked(), reward, candidates=2, samples=2, scores={"a": lambda designs: [1.0]})


# --- batches, chunks, sharing ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "process"),
    [*((setting, "mixed") for setting in SETTINGS), ("svdd", "moved"), ("svdd", "moved each"), ("smc", "moved")],
)
def test_batches_chunks_and_sharing_change_nothing(setting, process):
    chunks = {"network": 7, "decode": 5, "reward": 4}
    plain, other = (
        finished(make(setting, process, chains=3, **more))
        for more in ({}, {"share": False, "chunks": chunks, "batch": 2})
    )
    order = [
        frame.sort_values(["chain", "step", "particle"], ignore_index=True) for frame in map(table, (plain, other))
    ]
    assert order[0].equals(order[1])
    other.trace = plain.trace
    assert same(plain, other)


def table(result):
    return result.trace.to_frame()


def test_batches_are_counted_as_steps():
    decoding = make(batch=2)
    assert len(decoding) == len(list(decoding)) == 3 * STEPS


def test_conditioning_goes_with_its_chain_through_batches():
    cond = torch.arange(5)[:, None].double()
    whole, parts = (
        decode(
            gaussian(network=lambda x, t, c: c.expand_as(x)),
            lambda x: x[:, 0],
            samples=5,
            candidates=2,
            cond=cond,
            batch=b,
        )
        for b in (None, 2)
    )
    assert torch.allclose(whole.samples[:, 0], cond[:, 0])
    assert torch.equal(whole.samples, parts.samples)


# --- stopping and going on ---------------------------------------------------------------------------------------


def through_a_file(state):
    """What a state is after a file that holds plain types and tensors only."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "process"),
    [
        *((setting, "mixed") for setting in SETTINGS),
        *((setting, process) for setting in ("svdd", "nested-is", "blocks") for process in ("moved", "moved each")),
        ("svdd", "text"),
        ("smc max", "gaussian"),
        ("nested-is", "masked"),
    ],
)
def test_a_run_resumes_bit_for_bit_in_every_batch(setting, process):
    settings = {"chains": 3, "batch": 2, "value": "log-mean-exp", "scores": {"twice": reward}}
    whole = make(setting, process, **settings)
    states = [through_a_file(whole.state()) for _ in whole]
    expected = whole.result()
    assert len(states) == len(whole)
    half = len(states) // 2
    # at the end of a batch, inside the next, and before the last step; test_loop.py goes on from every step
    for state in [*states[half - 1 : half + 2], states[-2]]:
        resumed = make(setting, process, **settings).resume(state)
        assert same(finished(resumed), expected)
        assert resumed.usage.reward.asked == whole.usage.reward.asked


@pytest.mark.parametrize("value", ["filtered", "filtered,samples=2", "filtered,rescore=2"])
@pytest.mark.parametrize("setting", ["svdd", "nested-is", "beam", "svdd sometimes"])
def test_a_run_with_filtered_values_resumes_bit_for_bit(setting, value):
    settings = {"chains": 3, "batch": 2, "value": value}
    whole = make(setting, "masked", **settings)
    states = [through_a_file(whole.state()) for _ in whole]
    expected = whole.result()
    for state in states[1:6]:
        resumed = make(setting, "masked", **settings).resume(state)
        assert same(finished(resumed), expected)
        assert resumed.usage.reward.asked == whole.usage.reward.asked
        assert "rescore" in value or resumed.usage.network.asked == whole.usage.network.asked


def test_states_are_snapshots_while_the_run_goes_on():
    decoding = make("smc sum", "gaussian")
    states = [decoding.state() for _ in decoding]
    expected = decoding.result()
    assert same(finished(make("smc sum", "gaussian").resume(states[1])), expected)


def test_leaving_the_loop_and_coming_back_loses_nothing():
    decoding = make()
    for number, _ in enumerate(decoding):
        if number == 1:
            break
    assert same(finished(decoding), finished(make()))


def test_a_state_is_saved_whole_or_not_at_all(tmp_path):
    decoding = make()
    for _ in decoding:
        decoding.save(tmp_path / "state.pt")
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert same(finished(make().resume(state)), decoding.result())


@pytest.mark.parametrize("setting", ["svdd", "nested-is", "blocks"])
def test_files_of_a_resumed_run_are_the_same(setting, tmp_path):
    whole = make(setting, "text")
    states = [through_a_file(whole.state()) for _ in whole]
    expected = whole.result().save(tmp_path / "whole")
    resumed = finished(make(setting, "text").resume(states[1])).save(tmp_path / "resumed")
    for name in ("samples.csv", "steps.parquet"):
        assert (expected / name).read_bytes() == (resumed / name).read_bytes()


def test_a_result_needs_a_finished_batch():
    with pytest.raises(RuntimeError, match="not finished a batch yet"):
        make().result()


# --- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "svd"}, "unknown method 'svd'; did you mean svdd"),
        ({"method": "zzz"}, "unknown method 'zzz'; known are amc, beam, best-of-n"),
        ({"candidate": 3}, "unknown option of svdd 'candidate'; did you mean candidates"),
        (
            {"method": "smc", "particles": 2, "potental": "max"},
            "unknown option of smc 'potental'; did you mean potential",
        ),
        ({"candidates": 2, "value": "posterior_mean"}, "unknown value 'posterior_mean'; did you mean posterior-mean"),
        ({"candidates": 2, "value": "zero,samples=2"}, "unknown option of zero 'samples'; known are none"),
        ({"candidates": 2, "value": "rollout,step=2"}, "unknown option of rollout 'step'; did you mean steps"),
        (
            {"candidates": 2, "value": "rollout,steps=few"},
            "'rollout,steps=few': steps is one whole number, such as rollout,steps=8",
        ),
        ({"candidates": 2, "value": "log-mean-exp,samples=2,samples=3"}, "samples is one whole number"),
        ({"candidates": 2, "value": "log-mean-exp,samples=0"}, "need samples >= 1"),
        ({"candidates": 2, "value": "filtered,rescore=0"}, "need rescore >= 1, got 0"),
        ({"candidates": 2, "value": "filtered,samples=0"}, "need samples >= 1"),
        ({"candidates": 2, "value": "filtered,samples=2,rescore=1"}, "samples or rescore, not both"),
        ({"candidates": 2, "value": "filtered"}, "a Gaussian step adds white noise"),
        ({"candidates": 2, "value": "filtered,rescore=1"}, "a Gaussian step adds white noise"),
        ({"candidates": 2, "samples": 0}, "samples must be a positive multiple of 1"),
        ({"candidates": 2, "batch": 0}, "batch positive"),
        ({"candidates": 2, "samples": 3, "cond": torch.zeros(2, 1)}, "conditioning has 2 rows, but there are 3 chains"),
        ({"method": "svdd-r", "particles": 4, "candidates": 2, "samples": 6}, "positive multiple of 4"),
        ({"method": "svdd-r", "samples": 6}, "positive multiple of 32"),
        ({"method": "blocks", "length": 2}, "unknown option of blocks 'length'; did you mean block_length"),
        ({"candidates": 0}, "at least 1, got 0"),
        ({"candidates": 2, "scores": {"reward": reward}}, "a score cannot be named 'reward'"),
        ({"candidates": 2, "chunks": {"reward": 0}}, "at least 1 row"),
        ({"candidates": 2, "seed": -1}, "seed must be a whole number from 0"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, said):
    with pytest.raises(ValueError, match=said):
        decode(gaussian(), reward, **settings)


def test_settings_are_checked_before_anything_is_paid():
    def expensive(designs):
        raise AssertionError("it was called")

    for settings in ({"method": "svd"}, {"candidates": 2, "value": "none"}, {"candidates": 2, "samples": 0}):
        with pytest.raises(ValueError, match=r"unknown|needs|must be"):
            decode(gaussian(), expensive, **settings)


@pytest.mark.parametrize("name", VALUES)
def test_values_by_name(name):
    result = decode(masked(), reward, candidates=3, samples=3, value=name)
    assert torch.equal(result.rewards, torch.as_tensor(reward(result.samples), dtype=torch.float64))


def test_a_value_by_name_is_the_function_at_the_methods_temperature():
    settings = {"method": "smc", "particles": 4, "samples": 5, "ess": 1.0}  # its own temperature is 1
    named = decode(gaussian(), reward, value="log-mean-exp", **settings)
    given = decode(gaussian(), reward, value=monte_carlo(reward, temperature=1.0), **settings)
    assert same(named, given)
    assert same(
        decode(masked(), reward, candidates=3, samples=5, temperature=0.2, value="log-mean-exp"),
        decode(masked(), reward, candidates=3, samples=5, temperature=0.2, value=monte_carlo(reward, temperature=0.2)),
    )


@pytest.mark.parametrize(("text", "draws"), [("log-mean-exp", 4), ("log-mean-exp,samples=2", 2)])
def test_options_follow_a_values_name(text, draws):
    settings = {"candidates": 3, "samples": 5, "temperature": 0.2}
    named = decode(masked(), reward, value=text, **settings)
    assert same(named, decode(masked(), reward, value=monte_carlo(reward, draws, temperature=0.2), **settings))
    choices = masked().steps - 1  # the last one is by the rewards themselves
    assert named.usage.reward.asked == 5 * 3 * (choices * draws + 1)


def test_a_rollouts_options_are_its_steps_and_samples():
    settings = {"candidates": 3, "samples": 5, "temperature": 0.2}
    named = decode(masked(), reward, value="rollout, steps=2, samples=3", **settings)
    assert same(named, decode(masked(), reward, value=rollout(reward, 2, 3, temperature=0.2), **settings))


def test_the_bellman_residual_is_at_the_methods_temperature():
    result = decode(gaussian(), reward, method="nested-is", particles=2, candidates=3, samples=1)
    frame = result.trace.to_frame()
    decoding = Decoding(gaussian(), reward, method="nested-is", particles=2, candidates=3, samples=1)
    step = next(iter(decoding))
    expected = step.candidates.value[0].logsumexp(-1) - math.log(3)
    parents = step.ancestor[0] // 3
    assert frame[frame.step == 1].bellman_residual.tolist() == pytest.approx(expected[parents].tolist())


@pytest.mark.slow
def test_candidates_that_are_all_alike_are_warned_of():
    process = masked(steps=40)
    with pytest.warns(DegenerateProposalWarning, match=r"only 1\.\d\d distinct candidates a parent"):
        decode(process, reward, candidates=3, samples=2)


def test_the_bill_is_in_the_result():
    result = decode(masked(decode=words), reward, candidates=3, samples=4, value=posterior_mean(reward), share=False)
    usage = result.usage
    assert usage.network.asked == 4 + 3 * 4 * 3
    assert usage.value.rows == 4 * 4 * 3
    assert usage.decode.rows == 4 * 4 * 3 + 4
    assert usage.seconds > 0
    assert usage.peak_memory_mb > 0
    sizes = {"samples": 4, "seed": 0, "steps": 4, "candidates": 3}
    assert result.settings == {"method": "svdd", "temperature": 0.0, "prior_candidates": 1, "reward": "reward"} | sizes


def test_network_rows_of_guidance_count_twice():
    def process():
        return masked(rows_each=2)

    shared, alone = (
        decode(process(), reward, candidates=3, samples=4, share=share).usage.network for share in (True, False)
    )
    assert shared.asked == alone.asked == 2 * (4 + 3 * 4 * 3)


def test_a_run_does_not_go_on_with_another_number_of_steps():
    run = Decoding(masked(steps=4), reward, candidates=2, samples=2)
    next(iter(run))
    state = run.state()
    with pytest.raises(OtherGridError, match="saved with steps=4, but its model takes 6 now; give steps=4"):
        Decoding(masked(steps=6), reward, candidates=2, samples=2).resume(state)
