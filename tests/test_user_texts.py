"""Text files that users give: as Excel, Windows and gzip write them, at every door that reads one."""

import bz2
import gzip
import io
import lzma
import re
import shlex
import sys
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import pytest

import svdd
from svdd.domains.molecule.files import read_molecules
from svdd.domains.sequence.fasta import read_fasta
from svdd.registry import load_reward
from svdd.runs.job import read_settings
from svdd.runs.objectives import read_objective
from svdd.user_texts import lines_of_file, text_of_file

packed = partial(gzip.compress, mtime=0)  # names of tests hold what it gives
WRITTEN = {
    "plain": lambda text: text.encode(),
    "with the mark that Excel begins with": lambda text: text.encode("utf-8-sig"),
    "with the line ends of Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "with the line ends of old Macs": lambda text: text.replace("\n", "\r").encode(),
    "packed": lambda text: packed(text.encode()),
    "packed, with the mark": lambda text: packed(text.encode("utf-8-sig")),
}


def sizes(path):
    from svdd.domains.molecule.gdss.sizes import size_law

    return size_law(str(path), "QM9", 3).tolist()


def receptor(path):
    return len(load_receptor(path).text.strip().split("\n"))


def load_receptor(path):
    from svdd.domains.molecule.docking.receptors import find_receptor

    return find_receptor(path, center=(1.0, 2.0, 3.0), size=(10, 10, 10))


def scores(path):
    program = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    words = [sys.executable, "-c", program, str(path), "{output}"]
    return load_reward(f"cmd:{shlex.join(words)}")(["A", "B"])


DOORS = {
    "SMILES": ("a.smi", "CCO ethanol\nCCN\n", read_molecules, ["CCO", "CCN"]),
    "a table": ("a.csv", "smiles,x\nCCO,é\nCCN,\n", read_molecules, ["CCO", "CCN"]),
    "a table with tabs": ("a.tsv", "x\tsmiles\n1\tCCO\n", read_molecules, ["CCO"]),
    "FASTA": ("a.fasta", ">one\nACGT\nAC\n>two\nGGG\n", read_fasta, ["ACGTAC", "GGG"]),
    "a job": ("a.yaml", "model: x\nsteps: 3\n", read_settings, {"model": "x", "steps": 3}),
    "an objective": ("a.yaml", "objective:\n  parts:\n    qed:\n", read_objective, {"parts": {"qed": None}}),
    "sizes": ("a.json", "[0, 0, 1, 0]\n", sizes, [0, 0, 1, 0]),
    "a receptor": (
        "a.pdbqt",
        "REMARK  one\nATOM      1  N   ALA A   1       1.000   2.000   3.000  1.00  0.00    -0.065 N \n",
        receptor,
        2,
    ),
    "scores of a program": ("a.txt", "1.5\n-inf\n", scores, [1.5, float("-inf")]),
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("door", DOORS)
def test_a_text_is_read_however_it_was_written(tmp_path, door, written):
    name, text, read, expected = DOORS[door]
    file = tmp_path / (f"{name}.gz" if "packed" in written else name)
    file.write_bytes(WRITTEN[written](text))
    assert read(file) == expected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"one\r\ntwo\r\ncaf\xe9\n", r"line 3 has the byte 0xe9.*Latin-1 it is 'é'"),
        (b"one\rtwo\rcaf\xe9", "line 3 has the byte 0xe9"),
        ("5 \u2013 6 €".encode("cp1252"), "line 1 has the byte 0x96.*'\u2013'"),
        ("a".encode("utf-16"), "it is in UTF-16"),
        ("\ufeffab\n".encode("utf-16-be"), "it is in UTF-16"),
        (packed(b"abc" * 99)[:-9], "packed with gzip, and cut off"),
        (packed("é".encode("latin-1")), "line 1 has the byte 0xe9"),
    ],
)
def test_what_is_no_text_in_utf8_says_where_and_what(tmp_path, data, why):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ValueError, match=f"a.txt is not a text file: save it as text in UTF-8.*{why}"):
        text_of_file(tmp_path / "a.txt")


def test_lines_end_at_line_ends_alone(tmp_path):
    """What `str.splitlines` takes for the end of a line is part of one."""
    odd = ["one\x0btwo", "a\x0cb", "a\x1cb\x1dc\x1ed", "a\x85b", "a\u2028b\u2029c"]
    (tmp_path / "a.txt").write_bytes("\r\n".join(odd).encode())
    assert lines_of_file(tmp_path / "a.txt") == odd
    source = Path(svdd.__file__).parent
    lines = [line for file in source.rglob("*.py") for line in file.read_text(encoding="utf-8").split("\n")]
    assert [line for line in lines if ".splitlines(" in line and "str(error)" not in line] == []


def test_a_mark_is_no_text_where_files_were_joined_either(tmp_path):
    (tmp_path / "a.fa").write_bytes(b"".join(f">{name}\r\nACGT\r\n".encode("utf-8-sig") for name in "ab"))
    assert read_fasta(tmp_path / "a.fa") == ["ACGT", "ACGT"]


def test_lines_of_data_have_no_nul(tmp_path):
    (tmp_path / "a.smi").write_bytes("CCO\nCCN\n".encode("utf-16-le"))
    with pytest.raises(ValueError, match=r"a.smi is not a text file: .*line 1 has a NUL byte"):
        read_molecules(tmp_path / "a.smi")


def packed_in(kind):
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.fa", ">a\nACGT\n")
    else:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            archive.add(__file__)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bz2.compress(b">a\nACGT\n"), "is packed with bzip2: unpack it"),
        (lzma.compress(b">a\nACGT\n"), "is packed with xz: unpack it"),
        (packed_in("zip"), "is a zip archive: unpack it"),
        (packed_in("tar.gz"), "is a tar archive: unpack it"),
        (packed(packed(b">a\nACGT\n")), "is packed with gzip: unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "is a Git LFS pointer of 12 bytes"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (rb"{\rtf1 >a\par ACGT}", "is a document of a word processor: save it as plain text"),
    ],
    ids=["bzip2", "xz", "zip", "tar", "gzip twice", "pointer", "page", "rich text"],
)
@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_text_at_all_is_named_at_every_door(tmp_path, door, data, said):
    name, _, read, _ = DOORS[door]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(said)):
        read(tmp_path / name)


def test_a_program_may_begin_with_a_mark():
    program = r"print('\ufeff1.5', flush=True)"
    words = [sys.executable, "-X", "utf8", "-c", program]
    assert load_reward(f"cmd:{shlex.join(words)}")(["A"]) == [1.5]
