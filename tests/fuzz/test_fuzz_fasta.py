"""FASTA of any content: every record of a right file, letters alone of another, or one sentence."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

import svdd
from support.fuzz_files import fasta, wrecked
from support.fuzzing import fuzz, sentences
from svdd.domains.sequence.fasta import read_fasta, template

pytestmark = pytest.mark.slow


@fuzz(150)
@given(case=fasta(), packed=st.booleans())
def test_every_record_of_a_right_file_is_read(tmp_path, case, packed):
    records, text = case
    path = tmp_path / ("records.fa.gz" if packed else "records.fa")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert read_fasta(path) == records


@fuzz(200)
@given(content=wrecked(fasta().map(lambda case: case[1])))
def test_other_files_are_sequences_or_a_sentence(tmp_path, content):
    path = tmp_path / "given.fa"
    path.write_bytes(content)
    with sentences():
        read = read_fasta(path)
        assert read
        assert all(sequence and not any(letter.isspace() for letter in sequence) for sequence in read)


@fuzz(60)
@given(case=fasta(), before=st.sampled_from(["\x0c", "ACGT\n", "\u200b", "a\n", "\x0c\n", " "]))
def test_no_record_is_lost_to_what_stands_before_it(tmp_path, case, before):
    records, text = case
    path = tmp_path / "given.fa"
    path.write_text(before + text.removeprefix("\ufeff"), encoding="utf-8")
    with sentences():
        assert read_fasta(path) == records


@fuzz(40)
@given(
    content=wrecked(st.sampled_from([">a\nACGTNNNNNNNN\n", ">a\nACGTACGTACGT\n>b\nACGTACGTACGA\n"])),
    noise=st.booleans(),
)
def test_runs_from_a_file_keep_what_it_says(tmp_path, content, noise):
    path = tmp_path / "given.fa"
    path.write_bytes(content)
    begun = {"start": str(path), "noise": 0.5} if noise else {"template": str(path)}
    job = {"model": "dna-enhancer", "reward": "gc-content", "steps": 1, "length": 12, "candidates": 1, "samples": 2}
    with sentences():
        result = svdd.run(job | begun, progress=False)
        assert len(result) == 2
        assert all(len(design) == 12 and set(design) <= set("ACGT") for design in result.samples)
        kept = read_fasta(path)
        for design, given in zip(result.samples, kept * 2, strict=False):
            assert noise or all(
                wanted not in "ACGT" or letter == wanted for letter, wanted in zip(design, given.upper(), strict=True)
            )


@fuzz(150)
@given(fixed=st.lists(st.text("0123456789:ACGT -+٣²", max_size=8), max_size=3), length=st.integers(1, 20))
def test_fixed_letters(fixed, length):
    with sentences():
        made = template(fixed, length, "-")
        assert len(made) == length
        for one in fixed:
            position, letters = int(one.partition(":")[0]) - 1, one.partition(":")[2]
            assert made[position : position + len(letters)] == letters
