"""Rewards in worker processes: real processes that hang, crash and leak, and a run that goes on."""

import gc
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from support import fragile
from support.places import ROOT
from svdd.cost.ledger import Outcomes
from svdd.rewards.worker_pool import workers
from svdd.scoring.policy import IN_WORKERS, Policy, RewardFailureWarning
from svdd.scoring.reward import Failure, RewardError
from svdd.scoring.scorer import Scorer

HERE = ROOT / "tests" / "support"
BY_NAME = f"{HERE / 'fragile.py'}:"


def children():
    return {process.pid for process in multiprocessing.active_children() if process.name == "pebble_pool_worker"}


def children_once_there_are(n):
    """The workers; one that ended is replaced after a moment, which on a busy machine is longer."""
    deadline = time.monotonic() + 10
    while len(found := children()) != n and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


@pytest.fixture
def others():
    """The workers of other tests."""
    return children()


def words(n, start=1):
    return ["x" * (start + i) for i in range(n)]


@pytest.fixture(scope="module")
def pool():
    with workers(BY_NAME + "fragile", 2, batch=3, timeout=0.8, memory_mb=200) as reward:
        reward(["x"])
        yield reward


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guilty", "kind", "why"),
    [
        ("hang", "timeout", "0.8 s"),
        ("exit", "error", f"the reward {BY_NAME}fragile ended the program (exit status 3)"),
        ("segfault", "error", "its process was killed by SIGSEGV"),
        ("greedy", "error", "MemoryError"),
        ("raise", "error", "KeyError: 'raise'"),
        ("late", "timeout", "TimeoutError: an hour"),
    ],
)
def test_only_the_guilty_design_is_charged(pool, guilty, kind, why):
    designs = [*words(3), guilty, *words(4, 4)]
    answers = pool.submit(designs).result()
    assert answers[:3] + answers[4:] == [1, 2, 3, 4, 5, 6, 7]
    assert answers[3] == Failure(kind, why)
    assert pool(words(2)).tolist() == [1, 2]


@pytest.mark.slow
def test_two_guilty_designs_in_one_batch(pool):
    answers = pool.submit(["exit", "x", "segfault", "xx"]).result()
    assert [one.why if isinstance(one, Failure) else one for one in answers] == [
        f"the reward {BY_NAME}fragile ended the program (exit status 3)", 1, "its process was killed by SIGSEGV", 2,
    ]  # fmt: skip


@pytest.mark.slow
def test_a_leak_costs_processes_and_no_design(pool):
    designs = ["leak" + "x" * i for i in range(32)]  # 30 MB each, five times what one process may take
    assert pool.submit(designs).result() == [4.0 + i for i in range(32)]


@pytest.mark.slow
def test_outcomes_and_order_of_a_call(pool):
    outcomes = Outcomes()
    with pytest.warns(RewardFailureWarning):
        numbers = Scorer(pool, outcomes=outcomes, share=False)(["hang", *words(5), "raise", "x" * 9])
    assert numbers.tolist() == [-math.inf, 1, 2, 3, 4, 5, -math.inf, 9]
    assert outcomes == Outcomes(error=1, timeout=1)


def test_nan_stops_unless_asked_otherwise(pool):
    with pytest.raises(RewardError, match="returned NaN for 1 of 2 designs"):
        pool(["x", "nan"])
    with pytest.warns(RewardFailureWarning):
        assert Scorer(pool, policy=Policy(nan=0.5), share=False)(["x", "nan"]).tolist() == [1.0, 0.5]


@pytest.mark.slow
def test_a_hung_process_is_gone(pool):
    before = children_once_there_are(2)
    assert len(before) == 2
    pool.submit(["hang"]).result()
    time.sleep(0.3)
    after = children_once_there_are(2)
    assert len(after) == 2
    (killed,) = before - after
    with pytest.raises(ProcessLookupError):
        os.kill(killed, 0)


@pytest.mark.slow
def test_answers_arrive_while_the_caller_does_something_else(others):
    with workers(fragile.sleepy, 2, batch=2, timeout=10) as reward:
        reward(["x", "x", "x", "x"])
        pending = reward.submit(words(8))
        tasks = [task.future for task in pending._tasks]
        assert not all(task.done() for task in tasks)  # handed over, and not waited for
        deadline = time.monotonic() + 30
        while not all(task.done() for task in tasks) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert all(task.done() for task in tasks)  # before anyone asked for the answer
        assert pending.result() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert children() == others


@pytest.mark.slow
def test_a_process_loads_its_reward_once():
    with workers(fragile.pid, 1, batch=1, timeout=10) as reward:
        assert len(set(reward(words(6)).tolist())) == 1


def test_a_reward_of_the_whole_batch_gets_the_whole_batch():
    with workers(fragile.number_of_designs, 2, batch=2, timeout=10) as reward:
        assert reward.groupwise
        assert reward(words(7)).tolist() == [7.0] * 7


@pytest.mark.slow
def test_the_last_designs_are_shared_out_evenly():
    """One process with a full batch and one with a single design would keep the run waiting for the first."""
    with workers(fragile.batch_size, 2, batch=8, timeout=10) as reward:
        for n, sizes in ((16, [8, 8]), (25, [8, 8, 5, 4]), (9, [5, 4]), (1, [1])):
            assert reward(words(n)).tolist() == [float(size) for size in sizes for _ in range(size)]


@pytest.mark.slow
def test_tensors_and_bundled_rewards_by_name():
    with workers("gc-content", 1, timeout=30, target=0.25) as reward:
        assert reward(["ACGT", "GAAA"]).tolist() == [-0.25, 0.0]
        with pytest.raises(RewardError, match="the reward failed on"):
            Scorer(reward, policy=Policy(), share=False)(torch.tensor([[3.0], [4.0]]))


UNLOADABLE = """
import multiprocessing
import os

if multiprocessing.parent_process():
    {}


def f(designs): ...
"""


def test_a_change_that_cannot_be_made_is_said_and_stops_no_other():
    with workers(BY_NAME + "fragile", 1) as reward:
        with pytest.raises(RewardError, match=r"a worker cannot load the reward \(ZeroDivisionError"):
            reward.inside(fragile.never_made)(["x"])
        twice = reward.inside(fragile.doubled)
        assert twice(["x", "xx"]).tolist() == [2, 4]
        assert twice.inside(fragile.doubled) is twice
        assert reward(["x", "xx"]).tolist() == [1, 2]


def test_memory_that_a_change_needs_is_not_a_designs():
    with workers(BY_NAME + "fragile", 1, memory_mb=60) as reward:
        assert reward(["x"]).tolist() == [1]
        heavy = reward.inside(fragile.with_80_mb)
        assert heavy(["x"]).tolist() == [1]
        assert heavy(["leak", "x"]).tolist() == [4, 1]


@pytest.mark.slow
def test_what_cannot_be_sent_or_loaded_is_one_sentence(tmp_path, others):
    with pytest.raises(ValueError, match="cannot be sent to a worker process; give it by name"):
        workers(lambda designs: designs, 2)
    file = tmp_path / "moody.py"
    file.write_text(UNLOADABLE.format("raise OSError('no disk')"))
    with (
        workers(f"{file}:f", 1) as reward,
        pytest.raises(RewardError, match=r"cannot load the reward \(OSError: no disk\)"),
    ):
        reward(["x"])
    file.write_text(UNLOADABLE.format("os._exit(5)"))
    with workers(f"{file}:f", 1) as reward, pytest.raises(RewardError, match=r"ended the program \(exit status 5\)"):
        reward(["x"])
    file.write_text(UNLOADABLE.format("os.kill(os.getpid(), 9)"))
    with workers(f"{file}:f", 1) as reward, pytest.raises(RewardError, match="die before they can start"):
        reward(["x"])
    with workers(BY_NAME + "short", 1) as reward, pytest.raises(RewardError, match="must return 2 numbers"):
        reward(["x", "y"])
    assert children() == others


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"workers": 0}, "at least 1 worker"),
        ({"batch": 0}, "1 design a batch"),
        ({"timeout": 0}, "timeout and memory_mb are positive, got 0 s"),
        ({"memory_mb": -1}, "and -1 MB"),
        ({"policy": {"erorr": 1}}, "did you mean error"),
        ({"speed": 3}, "options are for rewards given by name, got \\['speed'\\]"),
    ],
)
def test_sizes_that_make_no_sense(given, said):
    with pytest.raises(ValueError, match=said):
        workers(fragile.fragile, **given)


def test_the_default_policy_goes_on():
    assert workers(fragile.fragile).policy == IN_WORKERS
    assert workers(fragile.fragile, policy={"timeout": "stop"}).policy == Policy(error="invalid", timeout="stop")


@pytest.mark.slow
def test_a_forgotten_pool_leaves_nothing_behind(others):
    reward = workers(fragile.pid, 1, timeout=10)
    reward(["x"])
    assert children() > others
    del reward
    gc.collect()
    assert children() == others


SCRIPT = f"""
import sys, time
sys.path.insert(0, {str(HERE)!r})
from svdd.rewards.worker_pool import workers

if __name__ == "__main__":
    reward = workers({BY_NAME + "pid"!r}, 1, timeout=30)
    print(int(reward(["x"])[0]), flush=True)
    if sys.argv[1] == "work":
        workers({BY_NAME + "fragile"!r}, 1, timeout=60)(["hang"])
    if sys.argv[1] == "wait":
        time.sleep(60)
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.parametrize(("then", "number"), [("end", None), ("work", signal.SIGINT), ("wait", signal.SIGKILL)])
def test_however_the_program_ends_so_do_its_workers(tmp_path, then, number):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(script), then], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    worker = int(process.stdout.readline())
    if number is not None:
        time.sleep(0.5)
        process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == {"end": 0, "work": -signal.SIGINT, "wait": -signal.SIGKILL}[then], said
    if then == "end":
        assert said == ""
    deadline = time.monotonic() + 5
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(worker)
