"""The trace: what steps leave for it, and the rows that are made of them at once."""

import gc
import weakref

import pandas as pd
import pytest
import torch

from support.processes import gaussian, masked, reward
from svdd.decoding import trace as traces
from svdd.decoding.decoding import Decoding
from svdd.decoding.trace import COLUMNS, Trace, table_of
from svdd.method.diagnostics import bellman_residual, selection_ess

SETTINGS = [
    ("svdd", {"candidates": 3, "temperature": 0.0}),
    ("svdd", {"candidates": 3, "temperature": 0.4, "prior_candidates": 2}),
    ("nested-is", {"particles": 3, "candidates": 2, "every": 2}),
    ("best-of-n", {"particles": 5}),
    ("beam", {"width": 2, "candidates": 3}),
]
pytestmark = pytest.mark.filterwarnings("ignore::svdd.method.algorithms.OverTiltWarning")


def steps_of(method, options, process=masked):
    return list(Decoding(process(steps=5), reward, method=method, samples=4, **options))


def rows_of(step, ids, temperature):
    """The rows of one step, a number at a time."""
    pool, rows = step.candidates, []
    m = pool.value.shape[-1]
    residual, ess = bellman_residual(step, temperature), selection_ess(step, temperature)
    for row, chain in enumerate(ids):
        for place in range(step.value.shape[1]):
            ancestor = int(step.ancestor[row, place])
            at = row, ancestor // m
            own = [step.particles.step, step.particles.t, chain, place, step.value[row, place], step.log_w[row, place]]
            siblings = [pool.value[at].mean(), pool.value[at].max(), pool.distinct[at], residual[at], ess[at]]
            rows.append([float(number) for number in (*own, ancestor, m, *siblings)])
    return rows


@pytest.mark.parametrize("process", [masked, gaussian])
@pytest.mark.parametrize(("method", "options"), SETTINGS)
def test_rows_are_those_of_each_step_alone(method, options, process):
    temperature, trace, expected = options.get("temperature", 0.5), Trace(options.get("temperature", 0.5)), []
    for step in steps_of(method, options, process):
        trace.add(step, range(7, 11))
        expected += [] if step.candidates is None else rows_of(step, range(7, 11), temperature)
    assert expected
    torch.testing.assert_close(trace.rows(), torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    assert {name: column.dtype for name, column in trace.close().items()} == COLUMNS
    assert len(trace.rows()) == 0


def test_steps_leave_neither_particles_nor_their_states_behind():
    trace, gone = Trace(0.5), []
    for step in Decoding(masked(steps=5), reward, samples=4, candidates=3):
        trace.add(step, range(4))
        gone += [weakref.ref(step.particles), weakref.ref(step.particles.x)]
    del step
    gc.collect()
    assert len(gone) == 10
    assert not [one for one in gone if one() is not None]
    assert len(trace.rows()) == 5 * 4


def test_a_long_batch_is_made_into_rows_on_its_way(monkeypatch):
    whole, early = Trace(0.5), Trace(0.5)
    steps = steps_of("svdd", {"candidates": 3})
    for step in steps:
        whole.add(step, range(4))
    monkeypatch.setattr(traces, "_OPEN", 2 * steps[0].candidates.value.numel())
    held = []
    for step in steps:
        early.add(step, range(4))
        held.append(len(early._choices))
    assert held == [1, 2, 0, 1, 2]
    assert torch.equal(early.rows(), whole.rows())


def test_tables_go_through_files_and_those_of_early_versions_are_read(tmp_path):
    trace = Trace(0.5)
    for step in steps_of("nested-is", {"particles": 2, "candidates": 2}):
        trace.add(step, range(4))
    trace.write(tmp_path / "steps.parquet")
    frame = pd.read_parquet(tmp_path / "steps.parquet")
    pd.testing.assert_frame_equal(frame, trace.to_frame())
    early = frame.astype({name: "float64" for name in ("t", "children", "distinct", "value", "log_w")})
    assert Trace(finished=[table_of(early)]).to_frame().equals(frame)
    Trace().write(tmp_path / "empty.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "empty.parquet"), Trace().to_frame())
