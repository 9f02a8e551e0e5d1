"""The lists: complete, readable, and JSON where asked."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from svdd.cli import doctor
from svdd.cli.extras import PURPOSES, packages_of
from svdd.method.table import METHODS, citations
from svdd.registry import MODELS, REWARDS, SCHEMES, Card

KNOWN_MODELS = [*MODELS, *(f"{scheme}:PATH" for scheme in SCHEMES)]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "names"), [("models", KNOWN_MODELS), ("rewards", REWARDS), ("methods", METHODS)])
def test_lists_name_everything(call, command, names):
    rows = json.loads(call(command, "--json").out)
    assert [row["name"] for row in rows] == list(names)
    assert all(row["summary"] for row in rows)
    shown = call(command).out
    assert all(name in shown for name in names)


def test_methods_show_what_they_cost(call):
    rows = {row["name"]: row for row in json.loads(call("methods", "--json").out)}
    assert rows["svdd"]["network_rows"] == "1+(T-1)M"
    assert rows["svdd"]["filtered_rows"] == "T"
    assert rows["svdd"]["reward_rows"] == "TM"
    assert "block_length" in rows["blocks"]["options"]
    shown = " ".join(call("methods").out.split())
    assert "It fails where one token decides over distant ones, as in molecules written as SELFIES" in shown
    formulas = "".join(row[name] for row in rows.values() for name in ("network_rows", "filtered_rows", "reward_rows"))
    letters = set(re.findall("[A-Za-z]", formulas.replace("every", "")))
    assert letters == set("TMNnLKf")
    assert all(re.search(rf"\b{letter}\b", shown.rpartition("Of a chain:")[2]) for letter in letters)


@pytest.mark.parametrize("method", METHODS)
def test_cite(call, method):
    assert json.loads(call("cite", method, "--json").out) == citations(method)
    said = call("cite", method).out
    assert all(paper in said for paper in citations(method))
    assert said.strip()


def test_a_long_cell_is_folded_not_cut(capsys):
    from svdd.cli.listing import show

    show([{"name": "a", "says": "[bold]" + "x" * 500 + "[/bold]"}], json=False)
    out = capsys.readouterr().out
    assert out.count("x") == 500
    assert "[bold]" in out
    assert "…" not in out


@pytest.mark.slow
def test_doctor_looks_at_everything(call):
    rows = {row["check"]: row for row in json.loads(call("doctor", "--deep", "--json").out)}
    assert {"python", "torch", "compute", "model toy-gaussian", "reward gc-content"} <= set(rows)
    assert all(f"extra {extra}" in rows for extra in PURPOSES)
    assert all(row["says"] for row in rows.values())
    assert rows["model toy-gaussian"]["ok"]


def test_doctor_without_a_deep_look_reads_versions_and_extras_alone(call):
    rows = {row["check"]: row for row in json.loads(call("doctor", "--json").out)}
    assert {*rows} == {"python", *doctor.PACKAGES, *(f"extra {extra}" for extra in PURPOSES), "compute"}
    assert rows["torch"]["says"] == metadata.version("torch")
    assert "--deep" in rows["compute"]["says"]


def test_doctor_names_a_missing_extra_and_what_it_is_for(call, monkeypatch, without):
    without("pyjaspar")
    result = call("doctor", "--json")
    row = next(row for row in json.loads(result.out) if row["check"] == "extra motifs")
    assert result.status == 0
    assert row == {
        "check": "extra motifs",
        "ok": False,
        "says": 'missing pyjaspar: pip install "svdd[motifs]" (JASPAR\'s motif matrices)',
    }


@pytest.mark.slow
def test_doctor_fails_when_something_bundled_does_not_load(call, monkeypatch):
    monkeypatch.setitem(MODELS.of_none, "broken", Card("svdd.models.nowhere:f"))
    result = call("doctor", "--deep", "--json")
    row = next(row for row in json.loads(result.out) if row["check"] == "model broken")
    assert result.status == 1
    assert "cannot import 'svdd.models.nowhere'" in row["says"]


def test_extras_are_those_of_the_package():
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    declared = project["optional-dependencies"]
    assert set(PURPOSES) == set(declared) - {"all", "test", "lint"}
    names = {re.match(r"[\w.-]+", line)[0].replace("_", "-") for line in declared["molecules"]}
    assert set(packages_of("molecules")) == names


@pytest.mark.parametrize("command", [["models"], ["rewards"], ["methods"], ["cite", "svdd"], ["doctor"]])
def test_lists_start_without_torch(command):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "svdd", *command], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "svdd.cli.main" in imported
    assert imported & {"torch", "numpy", "pandas", "rdkit", "diffusers"} == set()
