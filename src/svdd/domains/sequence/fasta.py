"""Sequences that users give: FASTA files, and letters fixed at a position."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from svdd.messages import check, letter_name, needs, odd_letter
from svdd.user_texts import lines_of_file

_BLANKS = " \t\f\v\xa0"
_OTHERS = {
    "@": "is FASTQ: seqtk seq -a writes it as FASTA",
    "LOCUS": "is GenBank: Biopython's SeqIO.convert writes it as FASTA",
    "ID   ": "is EMBL or UniProt: Biopython's SeqIO.convert writes it as FASTA",
    "CLUSTAL": "is an alignment of Clustal: write its sequences as FASTA, without gaps",
    "# STOCKHOLM": "is an alignment of Stockholm: write its sequences as FASTA, without gaps",
    "#NEXUS": "is NEXUS: write its sequences as FASTA",
    "##gff": "is GFF: give the sequences themselves, as FASTA",
    "[": "is JSON: write its sequences as FASTA",
    "{": "is JSON: write its sequences as FASTA",
}
"""What files of other formats begin with."""
_FORM = "FASTA is a line '>name', then the letters"
_T = TypeVar("_T")


def read_fasta(path: Path) -> list[str]:
    """The sequences of a FASTA file, also packed with gzip; lines that begin with `;` are comments.

    Raises:
        OSError: if there is no such file.
        ValueError: if there is no sequence in it, or something that is no FASTA; it names the line or the record.
        ImportError: without Biopython.
    """
    try:
        from Bio.SeqIO.FastaIO import SimpleFastaParser
    except ImportError:
        raise ImportError(needs("reading FASTA", "biopython", "sequences")) from None
    lines = [line.strip(_BLANKS) for line in lines_of_file(path)]
    kept = [line for line in lines if line and not line.startswith(";")]
    check(kept, f"{path} must hold FASTA records, and holds none: {_FORM}")
    _check_begins(kept[0], lines.index(kept[0]) + 1, path)
    records = list(SimpleFastaParser(io.StringIO("\n".join(kept))))
    for name, sequence in records:
        check(sequence, f"the record {name!r} of {path} has no letters: it must hold FASTA records, and {_FORM}")
    return [_plain(sequence, name, path) for name, sequence in records]


def _check_begins(line: str, number: int, path: Path) -> None:
    other = next((says for start, says in _OTHERS.items() if line.startswith(start)), "")
    check(not other, f"{path} {other}")
    wrong = f"{path} must hold FASTA records, but has {line[:30]!r} in line {number}, before any: {_FORM}"
    check(line.startswith(">"), wrong)


def _plain(sequence: str, name: str, path: Path) -> str:
    """A sequence without the blanks within it, which some programs write after every ten letters."""
    letters = "".join(sequence.split())
    odd = odd_letter(letters)
    if odd is not None:
        raise ValueError(
            f"the record {name!r} of {path} has {letter_name(odd)} at position {letters.index(odd) + 1}; "
            "sequences are letters of ASCII, so type the sequence again or copy it as plain text"
        )
    return letters


def of_file(path: str | Path, use: Callable[[list[str]], _T]) -> _T:
    """What is made of a file's sequences; where they do not fit, the sentence names the file.

    Raises:
        ValueError: if the file is no FASTA, or its sequences do not fit.
        OSError: if there is no such file.
    """
    sequences = read_fasta(Path(path))
    try:
        return use(sequences)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def template(fixed: list[str], length: int, mask: str) -> str:
    """A template with letters at given positions and the mask elsewhere.

    Args:
        fixed: `POSITION:LETTERS`, position 1 being the first letter.
        length: of the template.
        mask: what a free site is written as.

    Raises:
        ValueError: for other text, letters beyond the ends, and overlaps.
    """
    sites: list[str | None] = [None] * length
    for item in fixed:
        position, _, letters = item.partition(":")
        if not (position.strip().isdecimal() and letters.isalpha()):
            raise ValueError(f"fix takes POSITION:LETTERS, such as 90:TGAGTCA, got {item!r}")
        first = int(position) - 1
        free = sites[first : first + len(letters)] if first >= 0 else []
        if free != [None] * len(letters):
            raise ValueError(f"{item} must lie within positions 1 to {length} and overlap no other fixed part")
        sites[first : first + len(letters)] = letters
    return "".join(letter or mask for letter in sites)
