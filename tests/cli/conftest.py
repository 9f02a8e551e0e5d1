"""A small model and rewards in a file of a user's own, and the command line called in this process."""

import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from svdd.cli.main import main

MODEL = '''
import signal
import time

import torch

from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.masked import masked_sequences

STOP_AT = {"call": -1, "calls": 0}


def model(steps: int = 6, length: int = 12):
    """A toy."""
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4])
    about = {"name": "toy"}
    return masked_sequences(lambda x, t, cond: shares.expand(*x.shape, 4), DNA, length=length, steps=steps, about=about)


def not_a_process():
    return 3


def score(designs):
    return [float(design.count("G")) for design in designs]


def other(designs):
    return torch.tensor([float(design.count("A")) for design in designs])


def slow(designs):
    time.sleep(0.05)
    return score(designs)


def stopping(designs):
    """Presses Ctrl-C in the middle of a chosen call."""
    STOP_AT["calls"] += 1
    if STOP_AT["calls"] == STOP_AT["call"]:
        signal.raise_signal(signal.SIGINT)
    return score(designs)


def short(designs):
    return [1.0]


def matrix(designs):
    return [[1.0, 2.0]] * len(designs)


def words(designs):
    return "many words"


def nan(designs):
    return [float("nan")] * len(designs)


def broken(designs):
    return 1 / 0


def tagged(designs):
    raise KeyError("[red]no such [/thing]")


number = 4
'''


@pytest.fixture
def model(tmp_path):
    """The path of the user's file."""
    path = tmp_path / "toymodel.py"
    path.write_text(MODEL)
    return path


@pytest.fixture
def quick_report(monkeypatch):
    """A report without its figures, for tests of something else."""

    def write(result, folder, **more):
        (folder / "report.html").write_text("<!DOCTYPE html>")

    monkeypatch.setattr("svdd.report.html.write_report", write)


@pytest.fixture
def without(monkeypatch):
    """Takes a package away from this process, its metadata too."""
    version = metadata.version

    def taken_away(name):
        def known(asked):
            if asked == name:
                raise metadata.PackageNotFoundError(name)
            return version(asked)

        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setattr(metadata, "version", known)

    return taken_away


@pytest.fixture
def call(capsys):
    """Calls `svdd` with words; gives the exit status, and what went to stdout and stderr."""

    def svdd(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return SimpleNamespace(status=stopped.value.code or 0, out=out, err=err)

    return svdd


@pytest.fixture
def run(call, model, tmp_path):
    """Runs the user's model; keywords are flags, `out` a folder under the temporary one."""

    def svdd_run(*words, out="out", reward="score", **flags):
        given = {
            "model": f"{model}:model",
            "reward": reward if ":" in reward else f"{model}:{reward}",
            "out": tmp_path / out,
            "samples": 6,
        }
        if "method" not in flags and not any(str(word).startswith("--method") for word in words):
            given["candidates"] = 3
        pairs = [(f"--{k.replace('_', '-')}", v) for k, v in (given | flags).items() if v is not None]
        return call("run", *words, *(part for pair in pairs for part in pair))

    return svdd_run


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


@pytest.fixture
def refused():
    """Asserts that a call ended with status 2 and one sentence, and gives the sentence."""

    def sentence(result):
        said = [line for line in lines(result.err) if "step " not in line and not line.startswith("svdd: running ")]
        assert result.status == 2, result
        assert len(said) == 1, result.err
        assert said[0].startswith("svdd: ")
        assert "Traceback" not in result.err
        assert result.out == ""
        return said[0]

    return sentence


@pytest.fixture
def contents():
    """The bytes of the samples of a run folder."""
    return lambda folder: (Path(folder) / "samples.csv").read_bytes()
