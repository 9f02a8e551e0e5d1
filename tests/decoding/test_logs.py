import pytest

import svdd
from support.processes import masked, reward
from svdd.decoding.decoding import Decoding
from svdd.decoding.logs import logged, tensorboard, weights_and_biases


def decoding():
    return Decoding(masked(), reward, candidates=3, samples=4)


def test_every_step_is_told_and_passed_on():
    told, run = [], decoding()
    steps = list(logged(run, lambda named, number: told.append((number, named))))
    assert [number for number, _ in told] == list(range(1, len(run) + 1))
    assert len(steps) == len(run)
    assert run.result().samples.equal(svdd.decode(masked(), reward, candidates=3, samples=4).samples)
    last = told[-1][1]
    assert last["value/best"] >= last["value/median"]
    assert last["value/best"] == float(steps[-1].value.max())
    assert last["cost/reward rows"] == run.usage.reward.rows
    assert 1 <= last["candidates/distinct"] <= 3


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_files_hold_the_numbers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = decoding()
    last = list(logged(run, tensorboard(str(tmp_path))))[-1]
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    found = events.Scalars("value/best")
    assert len(found) == len(run)
    assert found[-1].value == pytest.approx(float(last.value.max()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_keeps_a_run_offline(tmp_path, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")  # which would go to its makers
    list(logged(decoding(), weights_and_biases(mode="offline", dir=str(tmp_path), project="svdd")))
    assert wandb.run.summary["value/best"] is not None
    wandb.finish()
    assert list(tmp_path.rglob("*.wandb"))
