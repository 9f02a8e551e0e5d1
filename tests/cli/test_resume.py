"""A run that was stopped and went on has the bytes of one that was not."""

import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.usefixtures("quick_report")

SIZES = {
    "svdd": {"candidates": 3, "temperature": 0.5},
    "smc": {"particles": 4, "tempering": "adaptive", "narrowing": "psp"},
    "nested-is": {"particles": 2, "candidates": 2, "ess": 1.0},
    "beam": {"width": 2, "candidates": 2},
    "best-of-n": {"particles": 3},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "at"), [(m, at) for m in SIZES for at in ((1, 2) if m == "best-of-n" else (1, 4, 6, 9))]
)
def test_a_stopped_run_goes_on_bit_for_bit(run, call, model, tmp_path, contents, method, at):
    flags = SIZES[method] | {"method": method, "batch": 3, "seed": 2}
    assert run(out="whole", **flags).status == 0
    text = model.read_text()
    model.write_text(text.replace('"call": -1', f'"call": {at}'))
    stopped = run(out="parts", reward="stopping", **flags)
    assert stopped.status == 130
    assert f"go on with: svdd resume {tmp_path / 'parts'}" in stopped.err
    assert (tmp_path / "parts" / "state.pt").exists()
    assert not (tmp_path / "parts" / "samples.csv").exists()
    model.write_text(text)
    resumed = call("resume", tmp_path / "parts")
    assert resumed.status == 0
    assert f"svdd: running {model}:model, which the job names\n" in resumed.err
    assert "stopping, or its file, has changed since the run was saved" in resumed.err
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert not (tmp_path / "parts" / "state.pt").exists()


@pytest.mark.slow
def test_a_real_interrupt_of_a_real_process(run, call, model, tmp_path, contents):
    words = (
        "--model",
        f"{model}:model",
        "--steps",
        "40",
        "--reward",
        f"{model}:slow",
        "--candidates",
        "3",
        "--samples",
        "4",
    )
    command = [
        sys.executable,
        "-c",
        "from svdd.cli.main import main; main()",
        "run",
        *words,
        "--out",
        str(tmp_path / "parts"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "parts" / "job.yaml").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert f"go on with: svdd resume {tmp_path / 'parts'}" in said
    assert (tmp_path / "parts" / "state.pt").exists()
    assert call("resume", tmp_path / "parts", "--quiet").status == 0
    assert run(out="whole", steps=40, samples=4).status == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_second_interrupt_stops_at_once(run, model, tmp_path):
    text = (
        model.read_text()
        .replace('"call": -1', '"call": 3')
        .replace("SIGINT)", "SIGINT); signal.raise_signal(signal.SIGINT)")
    )
    model.write_text(text)
    stopped = run(reward="stopping")
    assert stopped.status == 130
    assert "svdd: stopped at once" in stopped.err


@pytest.mark.slow
def test_a_run_killed_before_its_first_save_starts_again(run, call, tmp_path, contents):
    run(out="whole")
    run(out="parts")
    for path in (tmp_path / "parts").iterdir():
        if path.name not in ("job.yaml", ".svdd"):
            path.unlink()
    assert call("resume", tmp_path / "parts").status == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_killed_while_it_wrote_its_files_goes_on(run, call, model, tmp_path, contents, monkeypatch):
    run(out="whole")
    text = model.read_text()
    model.write_text(text.replace('"call": -1', '"call": 6'))
    run(out="parts", reward="stopping")
    model.write_text(text)

    def half(result, folder):
        (folder / "samples.csv").write_text("half a")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("svdd.decoding.result.Result.save", half)
        assert call("resume", tmp_path / "parts").status == 130
    assert (tmp_path / "parts" / "samples.csv").read_text() == "half a"
    assert call("resume", tmp_path / "parts").status == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_resuming_a_finished_run_shows_it(run, call, tmp_path, contents):
    first = run()
    before = contents(tmp_path / "out")
    again = call("resume", tmp_path / "out")
    assert again.status == 0
    assert again.out == first.out
    assert contents(tmp_path / "out") == before


def test_an_unfinished_run_is_not_overwritten(run, model, refused, tmp_path):
    text = model.read_text()
    model.write_text(text.replace('"call": -1', '"call": 2'))
    run(reward="stopping")
    model.write_text(text)
    said = refused(run())
    assert "a run of another job, which differs in reward" in said
    assert f"go on with that one: svdd resume {tmp_path / 'out'}" in said


def test_an_error_after_a_save_says_that_it_can_go_on(run, model, tmp_path, monkeypatch):
    monkeypatch.setattr("svdd.runs.running.SAVE_SECONDS", 0.0)
    model.write_text(
        model.read_text().replace('"call": -1', '"call": 3').replace("signal.raise_signal(signal.SIGINT)", "1 / 0")
    )
    result = run(reward="stopping")
    assert result.status == 2
    said = [line for line in result.err.splitlines() if "which the job names" not in line]
    assert said[0].endswith(f"go on with: svdd resume {tmp_path / 'out'}")
    assert "stopping raised ZeroDivisionError: division by zero; add --debug for the traceback" in said[1]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_state_is_named(run, call, refused, tmp_path, damage):
    run()
    (tmp_path / "out" / "run.json").unlink()
    state = tmp_path / "out" / "state.pt"
    if damage is None:  # half of a true one
        import torch

        torch.save({"batch": 0}, state)
        damage = state.read_bytes()[:200]
    state.write_bytes(damage)
    said = refused(call("resume", tmp_path / "out"))
    assert "state.pt is damaged" in said
    assert "remove it to run the job from its start" in said


def test_a_folder_without_a_job_is_named(call, refused, tmp_path):
    assert "no run was started in" in refused(call("resume", tmp_path / "nowhere"))
