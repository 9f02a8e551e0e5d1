"""Text files that users give: as Excel, Windows and gzip write them, at every door that reads one."""

import gzip
import shlex
import sys

import pytest

from svdd.domains.molecule.files import read_molecules
from svdd.domains.sequence.fasta import read_fasta
from svdd.registry import load_reward
from svdd.runs.job import read_settings
from svdd.runs.objectives import read_objective
from svdd.user_files import text_of_file

WRITTEN = {
    "plain": lambda text: text.encode(),
    "with the mark that Excel begins with": lambda text: text.encode("utf-8-sig"),
    "with the line ends of Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "with the line ends of old Macs": lambda text: text.replace("\n", "\r").encode(),
    "packed": lambda text: gzip.compress(text.encode()),
    "packed, with the mark": lambda text: gzip.compress(text.encode("utf-8-sig")),
}


def sizes(path):
    from svdd.domains.molecule.gdss.sizes import size_law

    return size_law(str(path), "QM9", 3).tolist()


def receptor(path):
    return len(load_receptor(path).text.splitlines())


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
    "data",
    ["é".encode("latin-1"), "a".encode("utf-16"), gzip.compress(b"abc" * 99)[:-9]],
    ids=["latin-1", "utf-16", "cut gzip"],
)
def test_what_is_no_text_is_refused(tmp_path, data):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ValueError, match="is not a text file: save it as text in UTF-8"):
        text_of_file(tmp_path / "a.txt")


def test_a_program_may_begin_with_a_mark():
    program = r"print('\ufeff1.5', flush=True)"
    words = [sys.executable, "-X", "utf8", "-c", program]
    assert load_reward(f"cmd:{shlex.join(words)}")(["A"]) == [1.5]
