"""The benchmark of GPUs at tiny sizes on the CPU, which is where it can be tested; without a GPU it says so."""

import json
import subprocess
import sys

import pytest

from support.places import ROOT

LOOPS = {"ours s", "network"}
BOTH = LOOPS | {"plain s", "plain / ours"}
RATES = {"rows/s", "bfloat16", "plain"}


def gpu(*words):
    return subprocess.run(
        [sys.executable, "benchmarks/gpu.py", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_every_case_runs_and_fills_its_columns(tmp_path):
    done = gpu("--fast", f"--out={tmp_path / 'gpu.json'}")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["setting"]["fast"]
    assert {name: set(case) for name, case in found["cases"].items()} == {
        "dna-enhancer": BOTH | RATES | {"compiled"},
        "rna-utr": BOTH | RATES,
        "molecule": LOOPS | {"rows/s", "bfloat16"},
        "transformer": BOTH | RATES | {"compiled"},
        "image-small": BOTH | RATES,
        "stable-diffusion": BOTH | {"bfloat16", "plain", "compiled"},
    }
    for name, case in found["cases"].items():
        assert 0 < case["network"] < 1, name
        assert min(case.values()) > 0, name
        assert any(line.startswith(f"{name} ") for line in done.stdout.splitlines())


@pytest.mark.slow
def test_without_a_gpu_it_says_what_to_do(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = gpu()
    assert done.returncode == 1
    assert done.stderr.endswith(
        "gpu: torch sees no GPU here; run it where there is one, or with --fast for tiny sizes on the CPU\n"
    )
    assert not done.stdout
