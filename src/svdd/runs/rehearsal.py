"""A reward before its first run: asked about four designs of the model, twice, in another order, alone and in a worker.

A run pays for a design once and puts the answer wherever that design is met again. That is right for a reward whose number of
a design depends on that design alone, and comes at its place in the list. Whether this one's does is seen here.
"""

import time
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from svdd.chain.process import Process
from svdd.cost.batches import count, picked
from svdd.decoding.decoding import decode
from svdd.messages import number
from svdd.rewards.worker_pool import workers
from svdd.runs.job import Job
from svdd.runs.make import job_reward, make_process, makes_processes
from svdd.runs.matching import asked
from svdd.scoring.policy import Policy
from svdd.scoring.reward import Reward, close, traits_of
from svdd.scoring.scorer import Scorer
from svdd.scoring.signatures import adapted

DESIGNS = 4
_ROUNDING = 1e-5

Finding = dict[str, Any]
"""A row of `svdd doctor`: what was looked at, whether it is well, and what there is to say."""


def rehearsed_reward(job: Job) -> list[Finding]:
    """What can be said of a job's reward before a run.

    Args:
        job: with a model and a reward.

    Raises:
        RewardError: for an answer that is not one number per design.
        ValueError: for anything in the job that is unknown or does not fit together.
        Exception: what the reward raises.

    Cost:
        the reward rows of six calls with four designs, and the network rows of four unguided samples.
    """
    job.check_names()
    process, reward = make_process(job), job_reward(job)
    try:
        designs = decode(process, _nothing, method="pretrained", samples=DESIGNS, progress=False).samples
        return list(_findings(job, process, reward, designs))
    finally:
        close(reward)


def _nothing(designs: Any) -> list[float]:
    return [0.0] * count(designs)


def _findings(job: Job, process: Process, reward: Reward, designs: Any) -> Iterator[Finding]:
    taken = adapted(process, reward)
    first, warming = _timed(taken, designs)
    again, seconds = _timed(taken, designs)
    yield _said(
        "answers", True, f"{', '.join(number(one) for one in first.tolist())} for {DESIGNS} designs of {job.model}"
    )
    yield (
        same := _compared("deterministic", first, again, "the same designs again have {}", "differ when asked again")
    )
    if not same["ok"]:
        yield _said("order-free", False, "not known, since its numbers differ whatever the order")
    elif traits_of(taken).groupwise:
        yield _said("order-free", True, "not looked at: it is marked as a reward of whole batches")
    else:
        back = list(reversed(range(DESIGNS)))
        turned = _timed(taken, picked(designs, back))[0][back]
        yield _compared("in order", first, turned, "in the opposite order each design has {}", "depend on the order")
        alone = [float(_timed(taken, picked(designs, [row]))[0][0]) for row in range(DESIGNS)]
        said = "depend on the designs beside them; mark it with svdd.groupwise if that is meant"
        yield _compared("order-free", first, first.new_tensor(alone), "alone each design has {}", said)
    if same["ok"]:
        yield _in_a_worker(job, process, designs, first)
    each = seconds / DESIGNS
    yield _said("time", True, f"{number(each)} s per design; {number(warming)} s for the first call")
    rows = asked(job, process).rewards
    run = f"a run of {job.method} with {job.samples} designs and {process.steps} steps"
    yield _said("cost", True, f"{run} asks for {rows:,} reward rows at most: {number(rows * each)} s in this process")


def _in_a_worker(job: Job, process: Process, designs: Any, here: Tensor) -> Finding:
    if makes_processes(job.reward) or job.objective is not None or job.workers:
        return _said("in a worker", True, "not looked at: where it is computed is said by itself")
    with workers(job.reward, 1, batch=DESIGNS, policy=Policy(), **job.reward_options) as pool:
        there = _timed(process.adapt(pool), designs)[0]
    return _compared("in a worker", here, there, "a worker has {}", "differ in a worker")


def _timed(reward: Reward, designs: Any) -> tuple[Tensor, float]:
    """The numbers of one call, which nothing is remembered of, and its seconds."""
    started = time.perf_counter()
    numbers = Scorer(reward, policy=Policy(), share=False)(designs)
    return numbers, time.perf_counter() - started


def _compared(check: str, one: Tensor, other: Tensor, same: str, differs: str) -> Finding:
    """Whether two answers are equal; rounding is said and is well."""
    if one.equal(other):
        return _said(check, True, same.format("the same numbers"))
    invalid = one.isneginf() != other.isneginf()
    gap = (one - other).masked_fill(one.isneginf() & other.isneginf(), 0.0).abs()
    scale = max(1.0, float(one[one.isfinite()].abs().max())) if one.isfinite().any() else 1.0
    if not invalid.any() and float(gap.max()) <= _ROUNDING * scale:
        return _said(check, True, same.format(f"the same numbers up to rounding ({float(gap.max()):.1g})"))
    row = int(gap.argmax())
    return _said(
        check, False, f"the numbers {differs}: {number(float(one[row]), 6)} and {number(float(other[row]), 6)}"
    )


def _said(check: str, ok: bool, says: str) -> Finding:
    return {"check": check, "ok": ok, "says": says}
