"""RNA on the command line: what a FASTA file may hold, and what the report shows."""

import base64
import json
import re
import sys

import pytest

from svdd import registry as locate

FREE = "N" * 44


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f">a\nXXX{FREE}ACG\n", "sequence 0 has 'X' at position 1; allowed letters are ACGUN"),
        (f">a\nACG{FREE}ACG\n>b\nACG\n", "sequence 1 has 3 letters but sequence 0 has 50"),
        (">a\nACGN\n", "50 letters, but those given have 4"),
        ("", "must hold FASTA records"),
    ],
)
def test_a_bad_fasta_is_one_sentence(call, tmp_path, text, message):
    (tmp_path / "given.fasta").write_text(text)
    arguments = ["--model", "rna-utr", "--reward", "kozak", "--template", str(tmp_path / "given.fasta")]
    result = call(
        "run", *arguments, "--candidates", "2", "--samples", "1", "--steps", "2", "--out", str(tmp_path / "o")
    )
    assert result.status != 0
    assert message in result.err
    assert "Traceback" not in result.err


def figures(page):
    """The titles of the report's pictures and the SVG of each."""
    found = re.findall(r'<img src="data:image/svg[+]xml;base64,([^"]+)" alt="([^":]+)', page)
    return {title: base64.b64decode(picture).decode() for picture, title in found}


@pytest.fixture
def run(call, tmp_path):
    def started(name):
        arguments = ["--model", "rna-utr", "--reward", "no-uaug", "--score", "kozak", "--candidates", "2"]
        result = call("run", *arguments, "--samples", "5", "--steps", "3", "--out", str(tmp_path / name))
        assert result.status == 0, result.err
        return tmp_path / name

    return started


@pytest.mark.slow
def test_a_run_writes_scores_and_draws_the_best_structures(run):
    folder = run("out")
    assert re.fullmatch(r">svdd-0000 reward=\S+ kozak=\S+", (folder / "samples.fasta").read_text().splitlines()[0])
    drawn = figures((folder / "report.html").read_text())
    assert {"Secondary structure", "Sequence logo"} <= set(drawn)
    picture = drawn["Secondary structure"]
    assert "<script" not in picture
    assert "href" not in picture
    assert picture.count("<circle") == 50 * picture.count("kcal/mol")


@pytest.mark.slow
def test_without_viennarna_the_report_has_no_structures(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "RNA", None)
    folder = run("out")
    assert "Secondary structure" not in figures((folder / "report.html").read_text())


def test_without_viennarna_its_rewards_name_the_extra(call, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "RNA", None)
    result = call(
        "run", "--model", "rna-utr", "--reward", "free-energy", "--candidates", "2", "--out", str(tmp_path / "o")
    )
    assert result.status != 0
    assert 'pip install "svdd[rna]"' in result.err
    assert "Traceback" not in result.err


@pytest.mark.slow
def test_doctor_does_not_fail_for_an_extra_that_is_not_wanted(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "RNA", None)
    monkeypatch.setattr(locate, "MODELS", {})
    monkeypatch.setattr(locate, "REWARDS", {name: locate.REWARDS[name] for name in ("free-energy", "kozak")})
    result = call("doctor", "--deep", "--json")
    rows = {row["check"]: row for row in json.loads(result.out)}
    assert result.status == 0
    assert rows["reward kozak"]["ok"]
    assert not rows["extra of reward free-energy"]["ok"]
    assert 'pip install "svdd[rna]"' in rows["extra of reward free-energy"]["says"]
