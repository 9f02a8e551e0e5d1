"""A reward in the background changes when it is computed, and nothing else."""

import time

import pytest
import torch

from support import fragile
from support.processes import (
    PROCESSES,
    SETTINGS,
    designs_a_chain,
    gaussian,
    gaussian_network,
    masked,
    reward,
    token_network,
    words,
)
from svdd import decode
from svdd.chain.denoisers import from_logits
from svdd.decoding.alarms import DegenerateProposalWarning
from svdd.method.algorithms import OverTiltWarning
from svdd.rewards.worker_pool import workers
from svdd.scoring.reward import traits_of
from svdd.scoring.scorer import memoised


class Background:
    """A reward whose answers are there when they are waited for; it remembers what it was asked, and when."""

    def __init__(self, at_once=2):
        self.at_once, self.log = at_once, []

    def __call__(self, designs):
        return self.submit(designs).result()

    def submit(self, designs):
        self.log.append(("asked", list(designs) if isinstance(designs, list) else len(designs)))
        return Answer(designs, self.log)


class Answer:
    def __init__(self, designs, log):
        self.designs, self.log = designs, log

    def result(self):
        self.log.append(("answered", None))
        return reward(self.designs)


@pytest.mark.slow
@pytest.mark.filterwarnings(f"ignore::{OverTiltWarning.__module__}.OverTiltWarning")
@pytest.mark.filterwarnings(f"ignore::{DegenerateProposalWarning.__module__}.DegenerateProposalWarning")
@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("value", ["posterior-mean", "log-mean-exp"])
def test_designs_rewards_and_rows_stay(process, setting, value):
    method, options = SETTINGS[setting]
    given = {"method": method, "value": value, "samples": 2 * designs_a_chain(method, options)} | options
    here = decode(PROCESSES[process](), reward, **given)
    there = decode(PROCESSES[process](), Background(), **given)
    assert torch.equal(here.rewards, there.rewards)
    assert str(here.samples) == str(there.samples)
    for component in ("network", "decode", "reward", "value"):
        one, other = getattr(here.usage, component), getattr(there.usage, component)
        assert (one.rows, one.hits) == (other.rows, other.hits), component


def test_the_network_goes_on_while_rewards_are_computed():
    background = Background()

    def network(x, t, cond):
        background.log.append(("network", len(x)))
        return token_network(x, t, cond)

    process = masked(decode=words, steps=4)
    process = type(process)(**vars(process) | {"denoiser": from_logits(network, 3)})
    decode(process, background, samples=4, candidates=4)
    kinds = [kind for kind, _ in background.log]
    assert "asked network asked" in " ".join(kinds)
    asked = [design for kind, designs in background.log if kind == "asked" for design in designs]
    assert len(asked) == len(set(asked))


def test_a_design_on_its_way_is_not_asked_for_again():
    background = Background()
    f = memoised(background)
    answers = [f.submit(["a", "b"]), f.submit(["b", "a"]), f.submit(["b", "c"])]
    assert [answer.result().tolist() for answer in answers] == [[1, 0.1], [0.1, 1], [0.1, 0]]
    assert [designs for kind, designs in background.log if kind == "asked"] == [["a", "b"], ["c"]]


def test_answers_may_be_taken_in_any_order():
    f = memoised(Background())
    answers = [f.submit(["a", "b"]), f.submit(["b", "a"]), f.submit(["b", "c"])]
    assert [answer.result().tolist() for answer in reversed(answers)] == [[0.1, 0], [0.1, 1], [1, 0.1]]


def test_an_error_of_the_network_waits_for_what_was_paid():
    background = Background()

    def network(x, t, cond):
        if [kind for kind, _ in background.log].count("asked") == 2:
            raise ArithmeticError("network")
        return token_network(x, t, cond)

    with pytest.raises(ArithmeticError):
        decode(masked(decode=words, network=network), background, samples=4, candidates=4)
    assert [kind for kind, _ in background.log] == ["asked", "asked", "answered", "answered"]


def test_rewards_of_whole_batches_wait():
    background = Background()
    background.groupwise = True
    assert not traits_of(background).in_background
    decode(masked(decode=words), background, samples=4, candidates=4)
    assert [len(designs) for kind, designs in background.log if kind == "asked"] == [16] * 4


@pytest.mark.slow
def test_a_reward_as_slow_as_the_network_costs_little_more_time():
    def network(x, t, cond):
        time.sleep(0.004 * len(x))
        return gaussian_network(x, t, cond)

    process = gaussian(steps=8, network=network, decode=lambda x: x.tolist())
    seconds = []
    with workers(fragile.patient, 1, batch=4, timeout=30) as pool:
        pool([[0.0]])
        for slow in (fragile.patient, pool):
            started = time.perf_counter()
            decode(process, slow, samples=8, candidates=8)
            seconds.append(time.perf_counter() - started)
    assert seconds[1] < 0.85 * seconds[0]  # 0.6 where nothing else runs
