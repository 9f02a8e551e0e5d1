"""Sequences that users give: FASTA files, and letters fixed at a position."""

import io
from pathlib import Path

from svdd.messages import check, needs
from svdd.user_files import text_of_file


def read_fasta(path: Path) -> list[str]:
    """The sequences of a FASTA file, also as .gz.

    Raises:
        OSError: if there is no such file.
        ValueError: if there is no sequence in it.
        ImportError: without Biopython.
    """
    try:
        from Bio.SeqIO.FastaIO import SimpleFastaParser
    except ImportError:
        raise ImportError(needs("reading FASTA", "biopython", "sequences")) from None
    sequences = [sequence for _, sequence in SimpleFastaParser(io.StringIO(text_of_file(path)))]
    check(all(sequences) and sequences, f"{path} must hold FASTA records: a line '>name', then the letters")
    return sequences


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
