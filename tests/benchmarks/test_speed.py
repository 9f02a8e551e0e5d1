"""The benchmark of speed: its plain loop is the published algorithm, and a tiny size of it runs."""

import importlib
import json
import subprocess
import sys

import pytest
import torch

from support.places import ROOT
from svdd.domains.sequence.alphabets import DNA

SHARES = torch.tensor([0.1, 0.2, 0.3, 0.4])


@pytest.fixture
def plain_loop(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("plain").plain_loop


class Independent(torch.nn.Module):
    """A network that thinks of every site alike, and notes how many rows each call has."""

    def __init__(self):
        super().__init__()
        self.log_p, self.calls = torch.nn.Parameter(SHARES.log()), []

    def forward(self, tokens):
        self.calls.append(len(tokens))
        return self.log_p.expand(*tokens.shape, 4)


def test_the_plain_loop_without_choice_draws_what_the_network_says(plain_loop):
    designs, _ = plain_loop(
        Independent(), lambda designs: [0.0] * len(designs), DNA, length=20, steps=16, candidates=1, chains=500
    )
    letters = "".join(designs)
    assert len(letters) == 10_000
    assert set(letters) == set("ACGT")
    for letter, share in zip("ACGT", SHARES.tolist(), strict=True):
        z = (letters.count(letter) / 10_000 - share) / (share * (1 - share) / 10_000) ** 0.5
        assert abs(z) < 5, letter


def test_the_plain_loop_pays_for_everything_and_takes_the_best(plain_loop):
    network, asked = Independent(), []

    def count(designs):
        asked.append(len(designs))
        return [float(design.count("A")) for design in designs]

    shape = {"length": 20, "steps": 8, "candidates": 5, "chains": 6}
    designs, rows = plain_loop(network, count, DNA, **shape)
    assert network.calls == [6] * (8 * (5 + 1) + 1)  # M + 1 forwards per step, and the removal of noise
    assert asked == [6] * (8 * 5)
    assert rows == {"network": sum(network.calls), "reward": sum(asked)}
    assert sum(count(designs)) / 6 > 3 * 20 * 0.1  # a tenth of the letters without choice
    assert plain_loop(network, count, DNA, **shape, only=2)[1] == {"network": 2 * 36 + 6, "reward": 2 * 30}


@pytest.mark.slow
def test_a_fast_size_of_each_kind_says_goal_and_number(tmp_path):
    parts = ["rna-128", "molecule", "own-128", "memory"]
    words = ["--fast", "--reference=HEAD", f"--out={tmp_path / 'speed.json'}", "--parts", *parts]
    done = subprocess.run(
        [sys.executable, "benchmarks/speed.py", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "speed.json").read_text())
    assert found["setting"]["fast"]
    assert list(found["parts"]) == parts
    rna, molecule, own, memory = found["parts"].values()
    assert rna["ratio"] == pytest.approx(rna["plain seconds"] / rna["seconds"])
    assert rna["ratio, memory kept"] > 0
    assert 0 < rna["network rows / plain"] < 1
    assert rna["plain page faults"] >= 0
    assert 0.2 < molecule["ratio"] < 5  # this tree beside itself
    assert 0 < own["share"] < 1
    assert [part["goal"] for part in found["parts"].values()] == [2.9, 2.5, 0.05, None]
    assert len(memory["megabytes"]) == 1
    for part in (rna, molecule, own):
        assert part["holds"] == ("holds" in part["said"])
        assert f"{part['title']}: {part['said']}" in done.stdout
