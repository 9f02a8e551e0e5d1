"""Folders of runs are told by a mark that only this package writes; the files of others in them are never replaced."""

import json
from pathlib import Path

import pytest

from svdd.messages import OtherVersionError
from svdd.runs.compare_request import Request
from svdd.runs.comparison import make_plan
from svdd.runs.evaluation import check_out
from svdd.runs.folder import ON_THE_WAY, RunFolder, at_the_end
from svdd.runs.job import make_job
from svdd.runs.marks import PLACE, ForeignFilesError, Mark
from svdd.runs.running import NoRunError, resume_job, run_job
from svdd.runs.watching import RunStopped, Watch

SETTINGS = {"model": "toy-gaussian", "steps": 4, "reward": "given below", "candidates": 2, "samples": 2}


class StopAt(Watch):
    """Stops a run after some steps."""

    def __init__(self, step):
        self.left = step

    def stops(self):
        self.left -= 1
        return self.left == 0


@pytest.fixture(autouse=True)
def quick_report(monkeypatch):
    """A report without its figures, for tests of something else."""
    monkeypatch.setattr("svdd.report.html.write_report", lambda result, folder, **more: None)


@pytest.fixture
def job(tmp_path):
    """A small run in the folder `run`."""
    (tmp_path / "sums.py").write_text("def total(x):\n    return x[:, 0]\n")
    return make_job(SETTINGS | {"reward": f"{tmp_path / 'sums.py'}:total", "out": str(tmp_path / "run")})


@pytest.fixture
def project(tmp_path, job):
    """A user's own folder whose files have the names of ours."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in (*ON_THE_WAY, *at_the_end(), "comparison.json", "evaluation.json"):
        (folder / name).write_text("{}")
    (folder / "job.yaml").write_text("# mine\n" + job.written())
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_with_files_of_our_names_is_no_run(project, job, force):
    before = contents(project)
    with pytest.raises(NoRunError, match=f"to start its job: svdd run {project / 'job.yaml'}"):
        resume_job(project)
    with pytest.raises(ForeignFilesError):
        run_job(job.model_copy(update={"out": str(project)}), force)
    with pytest.raises(ForeignFilesError):
        check_out(project, force)
    with pytest.raises(ForeignFilesError):
        make_plan(Request(project / "job.yaml", project, ["pretrained"]), force)
    assert contents(project) == before


def test_a_folder_is_marked_as_long_as_it_holds_a_run(job):
    folder = RunFolder(job_path := Path(job.out))
    assert not folder.is_run()
    with pytest.raises(RunStopped):
        run_job(job, watch=StopAt(1))
    assert json.loads((job_path / PLACE).read_text()) == {"svdd": "run", "schema": 1, "files": []}
    resume_job(job_path)
    assert set(json.loads((job_path / PLACE).read_text())["files"]) == {p.name for p in job_path.iterdir()} - {".svdd"}
    assert folder.is_run()


def test_a_users_file_in_the_folder_of_a_run_is_not_replaced(job):
    folder = RunFolder(Path(job.out))
    with pytest.raises(RunStopped):
        run_job(job, watch=StopAt(1))
    (folder.path / "samples.csv").write_text("mine")
    for again in (lambda: resume_job(folder.path), lambda: run_job(job, True)):
        with pytest.raises(ForeignFilesError, match=r"holds samples\.csv, which svdd did not write"):
            again()
    assert (folder.path / "samples.csv").read_text() == "mine"
    (folder.path / "samples.csv").unlink()
    resume_job(folder.path)
    (folder.path / "poses.sdf").write_text("mine")
    with pytest.raises(ForeignFilesError, match=r"holds poses\.sdf"):
        run_job(job, True)
    (folder.path / "poses.sdf").unlink()
    run_job(job, True)


def test_a_file_that_appears_while_a_run_goes_on_is_not_replaced(job):
    class Writes(Watch):
        def stops(self):
            (folder.path / "report.html").write_text("mine")
            return False

    folder = RunFolder(Path(job.out))
    with pytest.raises(ForeignFilesError, match=r"report\.html"):
        run_job(job, watch=Writes())
    assert (folder.path / "report.html").read_text() == "mine"


def test_a_mark_is_of_one_kind_and_of_one_schema(tmp_path):
    Mark(tmp_path, "evaluation").write(["evaluation.csv"])
    assert Mark(tmp_path, "evaluation").files() == {"evaluation.csv"}
    assert not RunFolder(tmp_path).is_run()
    with pytest.raises(ForeignFilesError):
        RunFolder(tmp_path).check(force=True)
    (tmp_path / PLACE).write_text('{"svdd": "run", "schema": 2, "files": []}')
    with pytest.raises(OtherVersionError, match="its schema number is 2, this version knows 1"):
        RunFolder(tmp_path).check(force=True)


def test_saving_a_result_replaces_no_file(tmp_path):
    import svdd

    result = svdd.decode(svdd.load("toy-masked"), lambda x: x.double().sum(-1), method="pretrained", samples=2)
    (tmp_path / "run.json").write_text("mine")
    with pytest.raises(FileExistsError):
        result.save(tmp_path)
    assert contents(tmp_path) == {"run.json": b"mine"}
