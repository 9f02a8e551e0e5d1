"""Proteins on the command line: what a FASTA file may hold, fixed residues, options of a reward, and the report's logo."""

import csv
import re

import pytest

FREE = "X" * 37


def arguments(out, *more):
    sizes = ["--candidates", "2", "--steps", "3", "--out", str(out)]
    return ["--model", "miniprotein", "--reward", "miniprotein-stability", *sizes, *more]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f">a\nB{FREE}ACDEF\n", "sequence 0 has 'B' at position 1; allowed letters are ACDEFGHIKLMNPQRSTVWYX"),
        (f">a\nACD{FREE}A-D\n", "sequence 0 has '-' at position 42"),
        (f">a\nACD{FREE}ACD\n>b\nACD\n", "sequence 1 has 3 letters but sequence 0 has 43"),
        (">a\nACDX\n", "43 letters, but those given have 4"),
    ],
)
def test_a_bad_fasta_is_one_sentence(call, tmp_path, text, message):
    (tmp_path / "given.fasta").write_text(text)
    result = call("run", *arguments(tmp_path / "o", "--template", str(tmp_path / "given.fasta")))
    assert result.status != 0
    assert message in result.err
    assert "Traceback" not in result.err


@pytest.mark.slow
def test_fixed_residues_stay_and_the_report_draws_the_logo(call, tmp_path):
    more = ("--fix", "20:NGNG", "--score", "miniprotein-stability-judge", "--reward-option", "pessimism=1")
    result = call("run", *arguments(tmp_path / "o", "--samples", "5", *more))
    assert result.status == 0, result.err
    header, *letters = (tmp_path / "o" / "samples.fasta").read_text().splitlines()[:2]
    assert re.fullmatch(r">svdd-0000 reward=\S+ miniprotein-stability-judge=\S+", header)
    assert letters[0][19:23] == "NGNG"
    page = (tmp_path / "o" / "report.html").read_text()
    assert "4.3 bits where all have the same residue" in page
    with (tmp_path / "o" / "evaluation.csv").open() as table:
        (row,) = csv.DictReader(table)
    assert 0 <= float(row["predicted_stable"]) <= 1


@pytest.mark.slow
def test_given_sequences_are_revised(call, tmp_path):
    given = "DEEKLRELAKRAGLPEEVVRRAEELLRRGLDPEEVLRRLKEEA"
    (tmp_path / "given.fasta").write_text(f">bundle\n{given.lower()}\n")
    result = call(
        "run", *arguments(tmp_path / "o", "--start", str(tmp_path / "given.fasta"), "--noise", "0.2", "--samples", "2")
    )
    assert result.status == 0, result.err
    revised = (tmp_path / "o" / "samples.fasta").read_text().splitlines()[1]
    assert 20 < sum(one == other for one, other in zip(revised, given, strict=True)) <= 43


@pytest.mark.slow
def test_sequences_for_a_structure_are_designed_and_measured(call, tmp_path):
    from svdd.registry import bundled

    path = tmp_path / "mine.pdb"
    path.write_bytes(bundled("proteinmpnn", "2ysh.pdb").read_bytes())
    (tmp_path / "mine.py").write_text("def lysines(designs):\n    return [design.count('K') for design in designs]\n")
    sizes = ("--candidates", "2", "--steps", "3", "--samples", "2", "--out", str(tmp_path / "o"))
    reward = f"{tmp_path / 'mine.py'}:lysines"
    result = call("run", "--model", f"proteinmpnn:{path}", "--fix", "5:WWW", "--reward", reward, *sizes)
    assert result.status == 0, result.err
    letters = (tmp_path / "o" / "samples.fasta").read_text().splitlines()[1]
    assert letters[4:7] == "WWW"
    assert len(letters) == 37
    models = (tmp_path / "o" / "structures.pdb").read_text().splitlines()
    assert sum(line.startswith("MODEL") for line in models) == 2
    page = (tmp_path / "o" / "report.html").read_text()
    assert "<h3>Structure</h3>" in page
    known = tmp_path / "known.fasta"  # a design within a longer sequence, and a shorter one
    known.write_text(f">a\nGGSS{letters}GGSS\n>b\nmkta\n")
    measured = call("evaluate", str(tmp_path / "o"), "--reference", str(known), "--out", str(tmp_path / "e"))
    assert measured.status == 0, measured.err
    with (tmp_path / "e" / "evaluation.csv").open() as table:
        (row,) = csv.DictReader(table)
    assert {"recovery", "unlike_natural", "composition_divergence"} <= set(row)
    assert (
        0.5 < float(row["nearest_identity"]) <= 1
    )  # of the first 1, of the second that of two designs for one backbone
    assert float(row["novel"]) == 1


def test_a_template_is_as_long_as_what_is_designed_of_the_backbone(call, tmp_path):
    (tmp_path / "given.fasta").write_text(f">a\n{'X' * 36}\n")
    more = ("--template", str(tmp_path / "given.fasta"), "--out", str(tmp_path / "o"))
    result = call("run", "--model", "proteinmpnn:2ysh", "--reward", "miniprotein-stability", *more)
    assert result.status != 0
    assert (
        "given.fasta: sequences for 2ysh.pdb, a letter per designed residue, have 37 letters, but those" in result.err
    )
    assert "Traceback" not in result.err


@pytest.mark.parametrize("letter", "ZUOJ*.")
def test_fixed_letters_are_of_the_twenty(call, tmp_path, letter):
    (tmp_path / "given.fasta").write_text(f">a\nAC{letter}{'X' * 40}\n")
    result = call("run", *arguments(tmp_path / "o", "--template", str(tmp_path / "given.fasta")))
    assert result.status != 0
    assert f"sequence 0 has '{letter}' at position 3; allowed letters are ACDEFGHIKLMNPQRSTVWYX" in result.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--fix", "3:B"), "sequence 0 has 'B' at position 3; allowed letters are"),
        (("--fix", "3:A-"), "fix takes POSITION:LETTERS, such as 90:TGAGTCA, got '3:A-'"),
        (("--fix", "43:AA"), "43:AA must lie within positions 1 to 43"),
        (("--length", "60"), "unknown option of miniprotein 'length'"),
    ],
)
def test_bad_letters_and_lengths_are_one_sentence(call, tmp_path, more, message):
    result = call("run", *arguments(tmp_path / "o", *more))
    assert result.status != 0
    assert message in result.err
    assert "Traceback" not in result.err


def test_chains_that_are_no_protein_are_not_chosen(call, tmp_path):
    from svdd.registry import bundled

    lines = [line for line in bundled("proteinmpnn", "2ysh.pdb").read_text().splitlines() if line.startswith("ATOM")]
    other = [f"{line[:12]} P  {line[16]} DA B{line[22:]}" for line in lines[::4]]
    (tmp_path / "mine.pdb").write_text("\n".join(lines + other) + "\n")
    chosen = ("--model", f"proteinmpnn:{tmp_path / 'mine.pdb'}", "--model-option", "chains=B")
    result = call("run", *chosen, "--reward", "miniprotein-stability", "--out", str(tmp_path / "o"))
    assert result.status != 0
    assert "unknown protein chain of mine.pdb 'B'; known are A" in result.err


def test_a_structure_without_a_backbone_is_one_sentence(call, tmp_path):
    (tmp_path / "mine.pdb").write_text("HEADER    NOTHING\n")
    result = call(
        "run", "--model", f"proteinmpnn:{tmp_path / 'mine.pdb'}", "--reward", "gc-content", "--out", str(tmp_path / "o")
    )
    assert result.status != 0
    assert "is no structure in PDB or mmCIF" in result.err
    assert "Traceback" not in result.err
