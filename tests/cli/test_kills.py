"""SIGKILL at random moments of a real run: nothing that was paid for is lost, and the designs are those of a run left alone."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def kills():
    spec = importlib.util.spec_from_file_location("kills", ROOT / "benchmarks" / "kills.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("reward", ["inside", "outside"])
def test_a_killed_run_goes_on_to_the_same_designs(kills, reward, capsys):
    sizes = ["--kills=3", "--steps=40", "--samples=4", "--candidates=3", "--longest=6"]
    assert kills.main([f"--reward={reward}", *sizes]) == 0, capsys.readouterr().out
