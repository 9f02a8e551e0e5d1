"""Job files, objectives and comparisons of any content: a job that is written and read back the same, or one sentence."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import svdd
from support.fuzz_jobs import BASE, COMPARISON, OBJECTIVE, RUNS, changed, texts_of
from support.fuzzing import fuzz, sentences
from svdd.cli.flags import settings
from svdd.runs.compare_request import request_of
from svdd.runs.guided import made_of
from svdd.runs.job import Job, make_job, read_settings
from svdd.runs.objectives import read_objective
from svdd.runs.value_job import ValueJob, of_job
from svdd.runs.yaml_text import read_yaml

pytestmark = pytest.mark.slow


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "given.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return path

    return write


def read_back(job):
    """The job again; a sentence about what was written by us is a fault."""
    try:
        return make_job(read_yaml(job.written()))
    except ValueError as error:
        raise AssertionError(job.written()) from error


@fuzz(150)
@given(text=texts_of(BASE))
@example(text="model: toy-masked\nreward: gc-content\nout: 1e5\n")
def test_job_files(file, text):
    with sentences():
        job = make_job(read_settings(file(text)))
        job.check_names()
        assert read_back(job) == job


@fuzz(60)
@given(content=st.binary(max_size=60))
def test_job_files_of_bytes(file, content):
    with sentences():
        read_settings(file(content))


@fuzz(150)
@given(given=changed(BASE))
@example(given=BASE | {"out": "1e5"})
def test_jobs_as_mappings(given):
    with sentences():
        job = make_job(given)
        assert read_back(job) == job
        job.options()


@fuzz(100)
@given(text=texts_of(OBJECTIVE))
def test_objectives(file, text):
    with sentences():
        job = make_job({"model": "toy-masked", "objective": read_objective(file(text))})
        assert read_back(job) == job
        assert job.guides()


@fuzz(80)
@given(text=texts_of(COMPARISON))
def test_comparisons(file, text):
    with sentences():
        request = request_of(file(text), Path("runs/comparison"))
        request.check()
        base, _ = request.base()
        assert request.entries()
        assert isinstance(base, Job)


@fuzz(60)
@given(text=texts_of(BASE))
def test_fitted_values_of_job_files(file, text):
    with sentences():
        made_of(ValueJob, settings(ValueJob, {}, of_job(file(text))))


@fuzz(60)
@given(job=RUNS)
def test_runs_have_the_designs_that_were_asked_for(job):
    with sentences():
        result = svdd.run(job, progress=False)
        assert len(result) == job.get("samples", 64)
        assert all(len(design) == 12 and set(design) <= set("ACGT") for design in result.samples)
        assert all(design.startswith("ACG") for design in result.samples if job.get("fix") == ["1:ACG"])
        share = [(design.count("G") + design.count("C")) / 12 for design in result.samples]
        assert result.rewards.tolist() == pytest.approx([-abs(one - 0.5) for one in share], abs=1e-6)
