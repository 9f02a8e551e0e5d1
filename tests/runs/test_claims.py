"""Two at once in one folder: one goes on, the other is told, and a process that is killed holds nobody up."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from svdd.cli.main import main
from svdd.fitting.value import check_folder
from svdd.runs.claims import FolderInUseError, claimed
from svdd.runs.compare_request import Request
from svdd.runs.comparison import make_plan
from svdd.runs.evaluation import check_out
from svdd.runs.folder import RunFolder
from svdd.runs.job import make_job, read_settings
from svdd.runs.marks import CLAIM
from svdd.runs.running import resume_job, run_in_folder, run_job

HOLDS = """
import sys, time
from pathlib import Path
from svdd.runs.claims import claimed

with claimed(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def job(tmp_path):
    """A small run in the folder `run`."""
    (tmp_path / "sums.py").write_text("def total(x):\n    return x[:, 0]\n")
    reward = f"{tmp_path / 'sums.py'}:total"
    return make_job({"model": "toy-gaussian", "steps": 3, "reward": reward, "samples": 2, "out": str(tmp_path / "run")})


@pytest.fixture
def other(tmp_path):
    """Another process that has claimed the folder `run`."""
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "claimed\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_that_another_process_writes_is_refused_by_all_that_write(other, job, tmp_path):
    folder = Path(job.out)
    said = f"run is being written by another run \\(process {other.pid} of .*\\); wait for it, or choose another folder"
    with pytest.raises(FolderInUseError, match=said):
        run_job(job)
    with pytest.raises(FolderInUseError, match=said):
        run_job(job, force=True)
    with pytest.raises(FolderInUseError, match=said), claimed(folder):
        make_plan(Request(job, folder, ["pretrained"]))
    with pytest.raises(SystemExit) as ended:
        main(["fit-value", "--model", job.model, "--reward", job.reward, "--out", str(folder), "--quiet"])
    assert ended.value.code == 2
    assert [path.name for path in folder.iterdir()] == [".svdd"]


@pytest.mark.slow
def test_a_run_goes_on_after_a_process_that_was_killed(other, job):
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert (Path(job.out) / CLAIM).is_file()
    check_folder(Path(job.out), force=False)
    check_out(Path(job.out), force=False)
    assert run_in_folder(job)["job"]["samples"] == 2
    assert not (Path(job.out) / CLAIM).exists()


def test_a_process_is_kept_from_its_own_folder(tmp_path, job):
    with claimed(tmp_path / "run"), pytest.raises(FolderInUseError, match=r"another run \(this process\)"):
        run_job(job)
    (tmp_path / "link").symlink_to(tmp_path / "run")
    (tmp_path / "run").mkdir()
    with claimed(tmp_path / "run"), pytest.raises(FolderInUseError), claimed(tmp_path / "link"):
        pass


def test_a_folder_that_stays_empty_goes_again_and_no_other(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    for name in ("mine", "full", "a/b/c"):
        with claimed(tmp_path / name):
            assert (tmp_path / name / CLAIM).read_text().startswith(f"process {os.getpid()} of ")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["full", "full/notes.txt", "mine"]


def test_what_a_fork_left_behind_holds_nobody_up(tmp_path):
    """A pool that a reward has forked outlives a killed run."""
    code = HOLDS.replace(
        "    time.sleep(60)", "    import os\n    if os.fork() == 0: time.sleep(30)\n    time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    time.sleep(0.3)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    process.stdout.close()
    try:
        with claimed(tmp_path / "run"):
            pass
    finally:
        for child in children:
            os.kill(int(child), signal.SIGKILL)


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(tmp_path, job):
    (tmp_path / "file").write_text("")
    (tmp_path / "sums.py").write_text("raise RuntimeError('loaded')")
    for place in (tmp_path / "file", tmp_path / "file" / "run", Path("/proc/nowhere/run")):
        with pytest.raises(OSError, match=r"Not a directory|No such file") as raised:
            run_job(job.model_copy(update={"out": str(place)}))
        assert str(raised.value.filename).startswith(str(place)) or str(place).startswith(str(raised.value.filename))


@pytest.mark.slow
def test_of_two_runs_at_once_one_goes_on(tmp_path, job):
    slow = "import time\ndef total(x):\n    time.sleep(1.0)\n    return x[:, 0]\n"
    (tmp_path / "sums.py").write_text(slow)
    words = [sys.executable, "-m", "svdd", "run", "--model=toy-gaussian", "--steps=6", f"--reward={job.reward}"]
    words += ["--samples=2", "--quiet", f"--out={job.out}"]
    runs = [subprocess.Popen([*words, f"--seed={seed}"], stderr=subprocess.PIPE, text=True) for seed in (0, 5)]
    said = [run.communicate(timeout=120)[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 2], said
    assert "another run" in "".join(said)
    record = RunFolder(Path(job.out)).record()
    assert (
        read_settings(Path(job.out) / "job.yaml")["seed"]
        == record["job"]["seed"]
        == (0, 5)[[run.returncode for run in runs].index(0)]
    )
    assert resume_job(Path(job.out)) == record
