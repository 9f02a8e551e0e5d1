"""RNA: its alphabet, and the bundled model of 5'UTRs."""

import re

import pytest
import torch

import svdd
from support.places import DOCS
from svdd.domains.sequence.alphabets import DNA, RNA
from svdd.domains.sequence.fasta import read_fasta
from svdd.domains.sequence.masked import elbo_per_site, from_sequences, infill
from svdd.registry import load_reward

FREE = "N" * 44


@pytest.fixture(scope="module")
def utrs():
    return svdd.load("rna-utr", steps=6)


def test_t_is_read_as_u_and_u_is_written():
    assert RNA.decode(RNA.encode(["ACGU", "acgt"])) == ["ACGU", "ACGU"]
    assert RNA.decode(RNA.encode(["TNU"], masked=True)) == ["UNU"]


def test_dna_stays_strict():
    with pytest.raises(ValueError, match="'U' at position 1; allowed letters are ACGT"):
        DNA.encode(["UACG"])


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        (["ACGX"], "sequence 0 has 'X' at position 4; allowed letters are ACGU"),
        (["ACGU", "ACG"], "sequence 1 has 3 letters but sequence 0 has 4"),
        ([""], "sequence 0 is an empty sequence"),
    ],
)
def test_bad_rna_is_refused_with_the_place(sequences, message):
    with pytest.raises(ValueError, match=message):
        RNA.encode(sequences)


@pytest.mark.slow
def test_the_model_designs_fifty_letters_of_rna(utrs):
    samples = svdd.decode(utrs, lambda designs: [d.count("U") for d in designs], samples=4, candidates=3).samples
    assert all(len(sample) == 50 and set(sample) <= set("ACGU") for sample in samples)
    assert utrs.about["name"] == "rna-utr"
    assert utrs.kind.domain == "rna"


@pytest.mark.slow
def test_templates_and_starts_may_be_written_as_dna(utrs):
    no_reward = {"reward": lambda designs: [0.0] * len(designs), "samples": 2, "method": "pretrained"}
    kept = svdd.decode(infill(utrs, [f"TTT{FREE}GTC"]), **no_reward).samples
    assert all(sample[:3] == "UUU" and sample[-3:] == "GUC" for sample in kept)
    start = "ACGTT" * 10
    revised = svdd.decode(from_sequences(utrs, [start], noise=0.1), **no_reward).samples
    same = sum(a == b for a, b in zip(revised[0], start.replace("T", "U"), strict=True))
    assert same > 35


def test_the_model_knows_that_the_first_letter_is_often_c(utrs):
    """A network without the ends would give every position the same composition."""
    posterior = utrs.denoiser(torch.full((1, 50), 4), utrs.times[0], ())
    chances = posterior.log_p[0].exp()
    assert chances[0].argmax() == 1
    assert chances[0, 1] > 0.4
    assert (chances[10:40].amax(1) < 0.35).all()


def test_designs_of_the_model_are_likelier_than_even_letters(utrs):
    nats = elbo_per_site(utrs, ["CCACUCGAUUAACAUGUUAACAACAUACUCGUCCGGCCGAUCAGCGGCUA"] * 4, samples=32)
    assert float(nats.mean()) == pytest.approx(-1.31, abs=0.05)  # even letters have -1.386


@pytest.mark.slow
def test_fasta_carries_every_score(utrs, tmp_path):
    scores = {"kozak": load_reward("kozak")}
    reward = load_reward("no-uaug")
    result = svdd.decode(utrs, reward, samples=2, candidates=2, scores=scores)
    result.save(tmp_path / "out")
    header = (tmp_path / "out" / "samples.fasta").read_text().splitlines()[0]
    assert header == f">svdd-0000 reward={result.rewards[0]:.6g} kozak={result.scores['kozak'][0]:.6g}"
    assert read_fasta(tmp_path / "out" / "samples.fasta") == result.samples


@pytest.mark.slow
def test_the_code_of_its_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "rna.md").read_text(encoding="utf-8")
    code = "".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)).replace("steps=32", "steps=4")
    names = {}
    exec(compile(code, "rna.md", "exec"), names)
    assert "mrl-judge" in capsys.readouterr().out
    assert len(names["both"](names["result"].samples)) == 16
