"""FASTA files of users: no record is lost, and what is no FASTA is refused by its line or record."""

import gzip

import pytest

from svdd.domains.dna.model import dna_enhancer
from svdd.domains.sequence.fasta import read_fasta
from svdd.domains.sequence.starts import from_template, with_letters


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "mine.fa").write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_fasta(tmp_path / "mine.fa")

    return read


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\ufeff>a\nACGT\n>b\nGG\n", ["ACGT", "GG"]),
        ("\n\n>a\nAC\n\nGT\n\n>b\nGG", ["ACGT", "GG"]),
        (">a\x0cb\x1cTGA\u2028TGA\x85x\nACGT\n", ["ACGT"]),
        (">a\nACGT ACGT\n  AC\tGT  \n", ["ACGTACGTACGT"]),
        ("  >a\nAC\n\t>b\nGT\n", ["AC", "GT"]),
        ("; by hand\n>a\n; the promoter\nACGT\n;end", ["ACGT"]),
        (">same\nAC\n>same\nAC\n>\nGT\n", ["AC", "AC", "GT"]),
        (">a\nacgT\n>b\nAC-GT*\n", ["acgT", "AC-GT*"]),  # which letters there may be is the model's matter
        (gzip.compress(b">a\r\nAC\r\nGT\r\n", mtime=0), ["ACGT"]),
    ],
)
def test_every_record_is_read(read, text, found):
    assert read(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ACGT\n>b\nGG\n", "has 'ACGT' in line 1, before any"),
        ("; a\n\nMotifs of chromosome 1\n>b\nGG\n", "has 'Motifs of chromosome 1' in line 3, before any"),
        ("\u200b>a\nACGT\n", r"in line 1, before any"),
        ('"\n>a\nACGT\n', "in line 1, before any"),
        ("@read1\nACGT\n+\nIIII\n", "is FASTQ: seqtk"),
        ("LOCUS       AB000001\nORIGIN\n1 acgt\n//\n", "is GenBank"),
        ("CLUSTAL W\n\na ACGT\n", "is an alignment of Clustal"),
        ('{"a": "ACGT"}', "is JSON"),
        (">a\nACGT\n>empty one\n>c\nAC\n", "the record 'empty one' of .* has no letters"),
        (">a\nAC\u200bGT\n", "the record 'a' of .* has .*ZERO WIDTH SPACE.* at position 3"),
        (">a\nAC\u0421GT\n", "U\\+0421 CYRILLIC CAPITAL LETTER ES"),
        ("\n \n", "holds none: FASTA is a line '>name'"),
        ("; only a comment\n", "holds none"),
        (b">a\nAC\0GT\n", "line 2 has a NUL byte"),
        (b">caf\xe9\nACGT\n", "line 1 has the byte 0xe9"),
    ],
)
def test_what_is_no_fasta_is_refused_by_its_line_or_record(read, text, said):
    with pytest.raises(ValueError, match=said):
        read(text)


def test_letters_that_do_not_fit_the_model_name_the_file(tmp_path):
    (tmp_path / "gaps.fa").write_text(">a\nAC-GTACGTA\n")
    with pytest.raises(ValueError, match=r"gaps\.fa: sequence 0 has '-' at position 3"):
        from_template(dna_enhancer(steps=2, length=10), str(tmp_path / "gaps.fa"))


def test_letters_that_look_like_others_are_named():
    """A Cyrillic A between the letters that must stay."""
    with pytest.raises(ValueError, match=r"U\+0410 CYRILLIC CAPITAL LETTER A\) at position 2"):
        with_letters(dna_enhancer(steps=2, length=10), ["1:C\u0410T"])
