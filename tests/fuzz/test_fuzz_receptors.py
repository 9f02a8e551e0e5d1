"""PDB and PDBQT of any content: a receptor with atoms in its box, or one sentence."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from support.fuzz_files import receptors, without_hydrogens, wrecked
from support.fuzzing import AWKWARD, NUMBERS, fuzz, sentences
from svdd.domains.molecule.docking.receptors import find_receptor

pytestmark = pytest.mark.slow
POINTS = st.just((0.0, 0.0, 0.0)) | st.lists(NUMBERS, max_size=4) | st.tuples(NUMBERS, NUMBERS, NUMBERS)
RIGHT = (
    "ATOM      1  CA  ALA A   1       0.000   0.000   0.000  1.00  0.00     0.100 C \n"
    "ATOM      2  HN  ALA A   1       1.000   0.000   0.000  1.00  0.00     0.100 HD\n"
)
SIZES = st.just((20.0, 20.0, 20.0)) | POINTS


def places(text):
    atoms = [line for line in text.splitlines() if line.startswith(("ATOM", "HETATM"))]
    return {tuple(float(line[first : first + 8]) for first in (30, 38, 46)) for line in atoms}


def check(receptor):
    coordinates = places(receptor.text)
    assert coordinates
    assert all(math.isfinite(one) for atom in coordinates for one in atom)
    inside = [
        all(abs(a - c) <= edge / 2 for a, c, edge in zip(atom, receptor.center, receptor.size, strict=True))
        for atom in coordinates
    ]
    assert any(inside)


@fuzz(100)
@given(text=receptors(), ending=st.sampled_from([".pdbqt", ".pdbqt.gz"]))
def test_right_files_are_read(tmp_path, text, ending):
    path = tmp_path / f"given{ending}"
    path.write_text(text)
    assume(len(places(text)) > 1)  # atoms at one place are refused
    check(find_receptor(path, (0.0, 0.0, 0.0), (20.0, 20.0, 20.0)))


@fuzz(200)
@given(
    content=wrecked(receptors()),
    ending=st.sampled_from([".pdbqt", ".pdb", ".PDBQT", ".pdbqt.gz"]),
    center=POINTS,
    size=SIZES,
)
def test_other_files_are_receptors_or_a_sentence(tmp_path, content, ending, center, size):
    path = tmp_path / f"given{ending}"
    path.write_bytes(content)
    with sentences():
        check(find_receptor(path, center, size))


@fuzz(60)
@given(receptors(), st.tuples(*[st.floats(-60, 60)] * 3), st.tuples(*[st.floats(0.1, 60)] * 3))
def test_boxes_of_a_right_file_hold_an_atom_or_are_refused(tmp_path, text, center, size):
    path = tmp_path / "given.pdbqt"
    path.write_text(text)
    with sentences():
        check(find_receptor(path, center, size))


@fuzz(60)
@given(name=AWKWARD | st.text(max_size=8), center=st.none() | POINTS, size=st.none() | SIZES)
def test_names(name, center, size):
    with sentences():
        check(find_receptor(name, center, size))


@fuzz(30)
@given(text=without_hydrogens())
def test_a_receptor_without_hydrogens_is_refused(tmp_path, text):
    path = tmp_path / "given.pdbqt"
    path.write_text(text)
    with pytest.raises(ValueError, match="hydrogen"):
        find_receptor(path, (0.0, 0.0, 0.0), (70.0, 70.0, 70.0))


@fuzz(30)
@given(edge=st.floats(126, 1e6))
def test_a_box_that_no_memory_holds_is_refused(tmp_path, edge):
    path = tmp_path / "given.pdbqt"
    path.write_text(RIGHT)
    with pytest.raises(ValueError, match=r"box|size"):
        find_receptor(path, (0.0, 0.0, 0.0), (edge, edge, edge))
