"""Checks of jobs and their folders: what belongs to the user stays as it is."""

import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from svdd.runs.folder import RunFolder
from svdd.runs.job import make_job
from svdd.runs.marks import ForeignFilesError
from svdd.runs.running import NoRunError, resume_job

JOB = {
    "model": "toy-gaussian",
    "steps": 2,
    "reward": "builtins:len",
    "method": "pretrained",
    "samples": 2,
    "out": "out",
}


def error_of(action):
    """The error that an action ends with, None if it ends well."""
    try:
        action()
    except (OSError, ValueError) as error:
        return error
    return None


@contextmanager
def inside(folder):
    """Relative paths are those of a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def only_a_run_is_resumed():
    """A folder with a job of the user's and a table of theirs is none in which a run was started."""
    with TemporaryDirectory() as place:
        files = {Path(place) / "job.yaml": make_job(JOB).written(), Path(place) / "samples.csv": "mine"}
        for path, text in files.items():
            path.write_text(text)
        assert isinstance(error_of(lambda: resume_job(Path(place))), NoRunError)
        assert {path: path.read_text() for path in Path(place).iterdir()} == files


def a_users_file_is_not_replaced():
    """Not even in the folder of a run that is replaced by another."""
    with TemporaryDirectory() as place:
        folder = RunFolder(Path(place))
        folder.claim(make_job(JOB).written())
        (folder.path / "samples.csv").write_text("mine")
        assert isinstance(error_of(lambda: folder.check(force=True)), ForeignFilesError)


def text_is_no_path():
    """A prompt stays what it is where a folder has its name; weights are a path where nothing has their name."""
    with TemporaryDirectory() as place, inside(place):
        Path("horse").mkdir()
        options = {"model": "image-small", "model_options": {"prompt": "horse"}}
        assert make_job(JOB | options).anchored().model_options == {"prompt": "horse"}
        options = {"model": "rna-utr", "model_options": {"weights": "mine"}}
        assert make_job(JOB | options).anchored().model_options == {"weights": str(Path.cwd() / "mine")}
