"""Files say by numbers how they were written; those of commit d24d05c, which had none, are read or refused in a sentence."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

import svdd
from svdd.chain.rng import STREAMS
from svdd.decoding.saving import SCHEMA as STATES
from svdd.decoding.saving import read_state, write_state
from svdd.messages import OtherVersionError
from svdd.runs.evaluation import evaluate
from svdd.runs.folder import RunFolder
from svdd.runs.job import make_job, read_settings
from svdd.runs.parts import Parts
from svdd.runs.reading import FinishedRun
from svdd.runs.running import NoRunError, resume_job, run_job
from svdd.runs.schema import SCHEMA
from svdd.runs.watching import RunStopped, Watch
from svdd.scoring.score_file import LostScoresWarning

OLD = Path(__file__).parents[1] / "data" / "d24d05c"
SIZES = {"steps": 3, "candidates": 2, "samples": 2, "seed": 3}
SETTINGS = {"model": "rna-utr", "reward": "gc-content", "value": "posterior-mean", **SIZES}


class StopAtOnce(Watch):
    """Stops a run after its first step."""

    def stops(self):
        return True


@pytest.fixture
def old(tmp_path):
    """The files of commit d24d05c, copied."""
    return Path(shutil.copytree(OLD, tmp_path / "old"))


@pytest.fixture
def started(tmp_path, monkeypatch):
    """A run that was stopped after its first step."""
    monkeypatch.setattr("svdd.report.html.write_report", lambda result, folder, **more: None)
    job = make_job(SETTINGS | {"out": str(tmp_path / "run")})
    with pytest.raises(RunStopped):
        run_job(job, watch=StopAtOnce())
    return RunFolder(Path(job.out))


def rewritten(path, **numbers):
    path.write_text(json.dumps(json.loads(path.read_text()) | numbers))


def test_the_files_of_a_run_carry_their_numbers(started):
    assert started.job.read_text().startswith(f"schema: {SCHEMA}\n")
    assert torch.load(started.state)["streams"] == STREAMS
    resume_job(started.path)
    written = json.loads((started.path / "run.json").read_text())
    assert (written["schema"], written["streams"]) == (SCHEMA, STREAMS)


def test_batches_carry_the_numbers_of_states(tmp_path):
    batch = {"finished": {"samples": ["ACGT"]}, "trace": {}}
    Parts(tmp_path)[3] = batch
    assert torch.load(tmp_path / "batch-000003.pt") == batch | {"streams": STREAMS, "schema": STATES}
    assert Parts(tmp_path)[3] == batch


def test_a_job_of_another_schema_is_refused(started):
    started.job.write_text(started.job.read_text().replace("schema: 1", "schema: 7"))
    with pytest.raises(
        OtherVersionError, match=r"job\.yaml .* its schema number is 7, this version knows 1; use the version"
    ):
        resume_job(started.path)


@pytest.mark.parametrize("streams", [7, None])
def test_a_state_of_other_streams_is_refused(tmp_path, streams):
    write_state({"batch": 1}, tmp_path / "state.pt")
    torch.save({"batch": 1} | ({} if streams is None else {"streams": streams}), tmp_path / "state.pt")
    with pytest.raises(
        OtherVersionError, match=r"streams number is (7|missing).*; remove it to run the job from its start"
    ):
        read_state(tmp_path / "state.pt", "run the job from its start")


@pytest.mark.parametrize("number", [1, None])
def test_a_state_that_holds_finished_batches_as_early_ones_did_is_refused(started, number):
    state = torch.load(started.state)
    torch.save({name: value for name, value in state.items() if name != "schema"} | number_of(number), started.state)
    with pytest.raises(
        OtherVersionError,
        match=rf"state\.pt was .* its schema number is {number or 'missing'}, this version knows {STATES}; remove it to run",
    ):
        resume_job(started.path)
    started.state.unlink()
    assert resume_job(started.path)["settings"]["samples"] == 2


def number_of(schema):
    return {} if schema is None else {"schema": schema}


@pytest.mark.parametrize("name", ["schema", "streams"])
def test_a_finished_run_of_another_number_is_refused(started, name):
    resume_job(started.path)
    rewritten(started.path / "run.json", **{name: 7})
    for read in (FinishedRun.read, resume_job):
        with pytest.raises(OtherVersionError, match=rf"run\.json .* its {name} number is 7, this version knows 1"):
            read(started.path)


# --- what commit d24d05c wrote -------------------------------------------------------------------------------------


def test_its_finished_runs_are_read_and_measured(old, tmp_path):
    run = FinishedRun.read(old / "finished")
    lines = (old / "finished" / "samples.csv").read_text().splitlines()
    assert run.result.samples == [line.split(",")[2] for line in lines[1:]]
    measured = evaluate([old / "finished"], tmp_path / "e", reference=None, judge="", model=None, force=False)
    assert measured.table["designs"].tolist() == [2]
    assert resume_job(old / "finished")["settings"]["seed"] == 3


def test_its_finished_runs_are_replaced_where_that_is_wanted(old):
    job = make_job(SETTINGS | {"out": str(old / "finished")})
    with pytest.raises(FileExistsError, match="already holds a run"):
        run_job(job)
    run_job(job, force=True)
    designs = (OLD / "finished" / "samples.csv").read_text()
    assert (old / "finished" / "samples.csv").read_text() == designs


def test_its_unfinished_runs_do_not_go_on(old):
    before = {path: path.read_bytes() for path in (old / "unfinished").iterdir()}
    with pytest.raises(NoRunError, match=r"to start its job: svdd run .*job\.yaml"):
        resume_job(old / "unfinished")
    with pytest.raises(OtherVersionError, match="its streams number is missing"):
        read_state(old / "unfinished" / "state.pt", "run the job from its start")
    assert {path: path.read_bytes() for path in (old / "unfinished").iterdir()} == before
    assert make_job(read_settings(old / "unfinished" / "job.yaml")).candidates == 2


def test_its_values_are_loaded(old, monkeypatch):
    monkeypatch.syspath_prepend(old)
    monkeypatch.delitem(sys.modules, "rewards", raising=False)
    from rewards import count_g

    process = svdd.load("rna-utr", steps=3)
    value = svdd.load_value(old / "value", process, count_g)
    result = svdd.decode(process, count_g, value=value, candidates=2, samples=2)
    assert result.usage.value.rows > 0


def test_of_its_score_files_it_is_said_how_many_scores_no_longer_count(old):
    process = svdd.load("rna-utr", steps=3)
    reward = svdd.load_reward("gc-content")
    with pytest.warns(LostScoresWarning, match="12 scores of gc-content .* scheme 1 .* no longer count"):
        svdd.decode(process, reward, candidates=2, samples=2, cache=old / "scores.sqlite")
