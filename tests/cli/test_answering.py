"""Standard output has answers alone, whatever code of users prints; a finished run ends well whatever can be shown."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

NOISY = """
import atexit
import ctypes, os, signal, sys, warnings

print("loading")
atexit.register(print, "at its end")


def score(designs):
    print("from Python")
    sys.stdout.flush()
    os.write(1, b"from its number\\n")
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
    os.system("echo from a shell")
    if os.fork() == 0:
        print("from a fork", flush=True)
        os._exit(0)
    return [float(design.count("G")) for design in designs]


def closes(designs):
    sys.stdout.close()
    return score_quietly(designs)


def moves(designs):
    os.chdir("/")
    return score_quietly(designs)


def score_quietly(designs):
    return [float(design.count("G")) for design in designs]


calls = []


def exits(designs):
    calls.append(designs)
    if len(calls) >= 2:
        sys.exit(0)
    return score_quietly(designs)


def exits_at_once(designs):
    os._exit(0)


def parses(designs):
    import argparse

    argparse.ArgumentParser().parse_args()
    return score_quietly(designs)


def interrupts(designs):
    raise KeyboardInterrupt
"""


@pytest.fixture
def svdd(tmp_path, model):
    """Runs `python -m svdd` in a process of its own; keywords are of `subprocess.run`."""
    (tmp_path / "noisy.py").write_text(NOISY)
    usual = ["--model", f"{model}:model", "--steps=2", "--samples=2", "--candidates=2", "--quiet", "--out=out"]

    def run(*words, reward="score_quietly", environment=None, **given):
        words = ["run", *usual, "--reward", f"{tmp_path / 'noisy.py'}:{reward}", *words] if reward else words
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": tmp_path} | given
        environment = os.environ | (environment or {})
        return subprocess.run([sys.executable, "-m", "svdd", *words], timeout=120, env=environment, **streams)

    return run


@pytest.mark.parametrize("words", [[], ["--workers=1"]], ids=["here", "worker"])
def test_json_is_alone_on_standard_output(svdd, words):
    done = svdd("--json", *words, reward="score")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["job"]["samples"] == 2
    for place in ("loading", "from Python", "from its number", "from C", "from a shell", "from a fork", "at its end"):
        assert place in done.stderr.decode()


@pytest.mark.parametrize("reward", ["closes", "moves", "parses"])
def test_what_a_reward_does_to_its_process_does_not_reach_the_run(svdd, reward, tmp_path):
    done = svdd(reward=reward)
    assert done.returncode == 0, done.stderr
    assert f"written to {tmp_path / 'out'}" in done.stdout.decode()
    assert (tmp_path / "out" / "run.json").is_file()


@pytest.mark.parametrize("reward", ["exits", "exits_at_once"])
def test_a_reward_that_exits_is_an_error_and_the_policy_is_asked(svdd, reward, tmp_path):
    done = svdd(reward=reward)
    assert done.returncode == 2
    said = f"{tmp_path / 'noisy.py'}:{reward} ended the program (exit status 0)"
    assert said in done.stderr.decode()
    for words in ([], ["--workers=1"]):
        done = svdd("--on-failure", "error=invalid", "--on-failure", "abort=1", "--force", *words, reward=reward)
        assert done.returncode == 0, done.stderr
        assert said in done.stderr.decode()


def test_ctrl_c_of_the_reward_itself_is_one(svdd):
    assert svdd(reward="interrupts").returncode == 130


def test_a_finished_run_ends_well_whatever_can_be_shown(svdd, tmp_path):
    with open("/dev/full", "wb") as full:
        done = svdd("--out=out-é", stdout=full)
        assert (done.returncode, b"note: standard output takes no answer" in done.stderr) == (0, True)
        assert svdd("--out=out-é", "--force", stderr=full).returncode == 0
    assert svdd("--out=out-é", "--force", environment={"PYTHONIOENCODING": "ascii"}).returncode == 0
    assert svdd("--out=out-é", "--force", environment={"LANG": "C", "TERM": "dumb", "COLUMNS": "10"}).returncode == 0
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        done = svdd("--out=out-é", "--force", stdout=pipe)
    assert (done.returncode, b"svdd:" in done.stderr) == (0, False)
    closed = f"{sys.executable} -m svdd resume out-é >&- 2>&-"
    assert subprocess.run(closed, shell=True, cwd=tmp_path, timeout=120).returncode == 0


def test_a_reader_that_has_seen_enough_is_no_error(svdd):
    for words in (["methods"], ["--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        with open(writing, "wb") as pipe:
            done = svdd(*words, reward=None, stdout=pipe)
        assert (done.returncode, done.stderr) == (0, b"")


def test_a_home_in_any_path(svdd, tmp_path, model):
    environment = {"HOME": str(tmp_path / "home")}
    job = tmp_path / "job.yaml"
    job.write_text(
        f"model: {model}:model\nreward: ~/r.py:score\nsamples: 2\ncandidates: 2\nout: ~/runs/a\ncache: ~/c.db\n"
    )
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "r.py").write_text("def score(designs): return [1.0 for _ in designs]")
    for words in (["run", str(job), "--quiet"], ["resume", "~/runs/a"], ["cache", "~/c.db"], ["evaluate", "~/runs/a",
                  "--out=~/measured", "--trust"]):  # fmt: skip
        done = svdd(*words, reward=None, environment=environment)
        assert done.returncode == 0, done.stderr
    made = {path.name for path in (tmp_path / "home").iterdir()}
    assert made >= {"runs", "c.db", "measured"}
    assert not list(tmp_path.rglob("~*"))
    done = svdd("--out=$HOME/x", environment=environment)
    assert (done.returncode, b"names the variable $HOME" in done.stderr) == (2, True)
