"""Files of receptors and boxes of users: what docking needs is looked for, and each remedy fits what is there."""

import contextlib
import gzip
import random
import subprocess
import sys
import warnings
from itertools import product

import pytest

pytest.importorskip("dockstring")

from svdd.domains.molecule.docking.boxes import BoxWarning
from svdd.domains.molecule.docking.receptor_files import TYPES, ReceptorWarning, receptor_text
from svdd.domains.molecule.docking.receptors import find_receptor, is_receptor_file, prepared_targets, receptor_file

ATOMS = ["N:N", "HN:HD", "CA:C", "C:C", "O:OA", "CB:C", "CG:A", "CD1:A", "CD2:A", "OH:OA", "HH:HD"]
BOX = {"center": (0, 0, 0), "size": (20, 20, 20)}


def atom(number, name, kind, place=None, record="ATOM", residue="TYR", location=" "):
    x, y, z = place or (number * 0.5, 1.0, -number * 0.25)
    front = f"{record:<6}{number:5d}  {name:<3}{location}{residue:>3} A{number // 20 + 1:4d}    "
    return f"{front}{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00    -0.065 {kind:<2}"


PREPARED = [atom(number, *one.split(":")) for number, one in enumerate(ATOMS, 1)]
TWO_PLACES = [atom(12, "CE", "A", (1, place, 3), location="AB"[place]) for place in range(2)]
ELEMENTS = {"HD": "H", "OA": "O", "A": "C"}
ELEMENTAL = [
    f"{line[:54]}  1.00  0.00          {ELEMENTS.get(line[77:].strip(), line[77:].strip()):>2}" for line in PREPARED
]
"""As of a PDB that was renamed."""


@pytest.fixture
def read(tmp_path):
    def read(lines, name="mine.pdbqt", **box):
        (tmp_path / name).write_text("\n".join([*lines, ""]), encoding="utf-8")
        return find_receptor(tmp_path / name, **BOX | box)

    return read


def text(lines):
    return "\n".join([*lines, ""])


def test_prepared_files_are_read_as_they_are(read):
    assert read(PREPARED).text == text(PREPARED)
    for name, path in prepared_targets().items():
        assert receptor_text(path) == path.read_text(encoding="utf-8"), name


@pytest.mark.parametrize(
    "lines",
    [
        ["MODEL        1", *PREPARED, "ENDMDL"],
        ["HEADER    HYDROLASE", "TITLE     A", "CRYST1   10.000", *PREPARED, "CONECT    1    2", "MASTER        0"],
        ["USER  MOD", "SEQRES   1 A    1  TYR", *PREPARED, "ANISOU    1  N   TYR A   1     2406   1892"],
    ],
)
def test_what_a_pdb_has_beside_its_atoms_is_taken_off(read, lines):
    assert read(lines).text == text(PREPARED)
    assert read(lines).identity == read(PREPARED).identity


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (ELEMENTAL, "is not prepared for docking: its 2 oxygens have no type of AutoDock.*mk_prepare_receptor.py"),
        ([line for line in PREPARED if " HD" not in line], "has no polar hydrogens.*mk_prepare_receptor.py"),
        ([line.replace(" HD", " H ") for line in PREPARED], r"has no polar hydrogens \(type HD\)"),
        ([line[:66] for line in PREPARED], "its atoms have no types"),
        ([*PREPARED, atom(12, "ZN", "ZN", record="HETATM")], "line 12 has the atom type 'ZN', .* but Zn"),
        ([*PREPARED, atom(12, "B", "B")], "AutoDock cannot read the receptor .*line 12 has the atom type 'B'"),
        (["MODEL 1", *PREPARED, "ENDMDL", "MODEL 2", *PREPARED, "ENDMDL"], "holds 2 models.*keep one"),
        ([*PREPARED, "ENDMDL", *PREPARED, "ENDMDL"], "holds 2 models"),
        (["ROOT", *PREPARED, "ENDROOT", "TORSDOF 0"], "is a ligand, with torsions"),
        ([*PREPARED, "BRANCH   1   2", "ENDBRANCH   1   2"], "is a ligand, with torsions"),
        (["BEGIN_RES TYR A   1", "ROOT", *PREPARED, "ENDROOT", "END_RES TYR A   1"], "flexible residues.*the rigid part"),
        ([*PREPARED[:-1], PREPARED[-1].replace("   5.500", "     nan")], "three coordinates.* at line 11"),
        ([PREPARED[0].replace("   0.500", "********"), *PREPARED[1:]], "three coordinates.* at line 1"),
        ([PREPARED[0].replace("   1.000", "  1.0.00"), *PREPARED[1:]], "three coordinates.* at line 1"),
        ([atom(n, "C", "C", (1, 1, 1)) for n in (1, 2, 3)], r"has all of its 3 atoms at \(1.0, 1.0, 1.0\)"),
        ([*PREPARED, *TWO_PLACES], "alternate locations A, B"),
        ([*PREPARED, "data_1ABC"], "'data_1ABC' in line 12 is no atom and no remark"),
        (["# mol2", "@<TRIPOS>MOLECULE"], "no lines of atoms with three coordinates: '# mol2' in line 1"),
        ([], "is no receptor in PDBQT: it is empty"),
        (["\0" * 8], "has a NUL byte"),
        (["version https://git-lfs.github.com/spec/v1", "oid sha256:00", "size 12"], "Git LFS pointer of 12 bytes"),
    ],
)  # fmt: skip
def test_what_docking_could_not_use_is_refused_with_its_remedy(read, lines, said):
    with pytest.raises(ValueError, match=said) as raised:
        read(lines)
    assert "overloaded" not in str(raised.value)
    assert "mine.pdbqt" in str(raised.value)


def test_a_host_that_has_no_polar_atom_needs_no_hydrogens(read):
    ring = [atom(number, "C", "A") for number in range(1, 30)]
    assert read(ring).text == text(ring)


def test_waters_that_nobody_took_out_are_warned_of(read):
    waters = [atom(20 * n, "O", "OA", (n, 5, 5), "HETATM", "HOH") for n in range(2, 24)]
    with pytest.warns(ReceptorWarning, match="holds 22 waters"):
        read([*PREPARED, *waters])
    assert len(read([*PREPARED, *waters[:5]]).text.split("\n")) == len(PREPARED) + 6


def test_types_are_those_that_autodock_reads(tmp_path):
    vina = pytest.importorskip("vina")
    known = set()
    letters = ["", *"AaCcGnNOeErRuUdDgG0123"]
    for kind in sorted(
        {first + second for first, second in product("ABCFGHIKMNOPSUWZ", letters)} | TYPES | {"X", "ZN"}
    ):
        (tmp_path / "one.pdbqt").write_text(atom(1, "X", kind) + "\n")
        engine = vina.Vina(sf_name="vina", cpu=1, seed=1, verbosity=0)
        try:
            engine.set_receptor(str(tmp_path / "one.pdbqt"))
        except TypeError:
            continue
        known.add(kind)
    assert known == TYPES


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("mine.pdb", ValueError, "mk_prepare_receptor.py --read_pdb .*mine.pdb -o NAME"),
        ("MINE.PDB.gz", ValueError, "is not prepared for docking: save it as PDB|is not prepared for docking: mk_prepare"),
        ("mine.cif", ValueError, "is not prepared for docking: save it as PDB with its hydrogens"),
        ("mine.maps.fld", ValueError, "maps of AutoGrid; give the receptor itself"),
        ("mine.pdbqt.bz2", ValueError, "ends in .pdbqt or .pdbqt.gz"),
        ("drug.sdf", ValueError, "is a file of small molecules, and a receptor is what"),
        ("drug.MOL2", ValueError, "is a file of small molecules, and a receptor is what"),
        ("nowhere/mine.pdb", FileNotFoundError, "there is no receptor .*mine.pdb"),
        ("nowhere/drug.sdf", FileNotFoundError, "there is no receptor"),
    ],
)  # fmt: skip
def test_other_files_have_the_remedy_of_their_kind(tmp_path, name, error, said):
    if "nowhere" not in name:
        (tmp_path / name).write_text("x\n")
    with pytest.raises(error, match=said) as raised:
        find_receptor(tmp_path / name, **BOX)
    assert ("mk_prepare" in str(raised.value) and "drug" in name) == (error is ValueError and "drug" in name)


def test_endings_count_in_any_case_and_packing_by_its_bytes(tmp_path, read):
    assert is_receptor_file("A.PDBQT")
    assert is_receptor_file("a.Pdbqt.GZ")
    assert read(PREPARED, "MINE.PDBQT").text == text(PREPARED)
    (tmp_path / "packed.pdbqt").write_bytes(gzip.compress(("\ufeff" + text(PREPARED)).encode()))
    assert find_receptor(tmp_path / "packed.pdbqt", **BOX).text == text(PREPARED)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "PARP1.PDBQT").write_text(text(PREPARED))
    assert receptor_file("parp1", tmp_path / "folder").name == "PARP1.PDBQT"
    with pytest.raises(ValueError, match=r"is a folder; name the \.pdbqt file in it"):
        find_receptor(tmp_path / "folder", **BOX)


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ({"size": (126, 126, 126)}, r"2,000,376 cubic Angstrom.*grid points.*0.375, here \(47.2, 47.2, 47.2\)"),
        ({"size": (200, 20, 200)}, "800,000 cubic Angstrom"),
        ({"size": (0.5, 10, 10)}, "too small for a molecule"),
        ({"size": (-26.6, 5.3, 17.9)}, "above 0, got .*are center and size the other way round"),
        (
            {"center": (20, 20, 20), "size": (5, 4, 6)},
            r"holds no atom.* center and size seem to be the other way round",
        ),
        ({"center": (-90, 0, 0)}, "holds no atom of the receptor"),
        ({"center": (float("nan"), 0, 0)}, "center is three finite numbers"),
    ],
)
def test_boxes_that_cannot_be_searched_say_why(read, box, said):
    with pytest.raises(ValueError, match=said):
        read(PREPARED, **box)


def test_a_wide_box_is_warned_of_and_a_published_one_is_not(read):
    with pytest.warns(BoxWarning, match=r"64,000 cubic Angstrom, where 27,000 are usual.*grid points"):
        read(PREPARED, size=(40, 40, 40))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_receptor("dockstring:DRD2").size == (30, 30, 32)


@pytest.mark.slow
def test_a_renamed_or_bare_protein_is_not_docked(tmp_path):
    """A prepared protein with its elements in the place of types, and without hydrogens."""
    lines = [line for line in prepared_targets()["PARP1"].read_text().split("\n") if line[:4] == "ATOM"]
    plain = [f"{line[:77]}{ELEMENTS.get(line[77:79].strip(), line[77:78])}" for line in lines]
    bare = [line for line in lines if line[77:79] != "HD"]
    for name, kept in (("renamed", plain), ("bare", bare)):
        (tmp_path / f"{name}.pdbqt").write_text(text(kept))
        with pytest.raises(ValueError, match="is not prepared for docking"):
            find_receptor(tmp_path / f"{name}.pdbqt", **BOX)


def test_no_damage_to_a_file_is_a_traceback(read):
    """Lines cut, shifted, swapped and overwritten: read, or refused in a sentence."""
    chance = random.Random(1)
    for _ in range(300):
        lines = list(PREPARED)
        for _ in range(chance.randint(1, 3)):
            row, place = chance.randrange(len(lines)), chance.randrange(79)
            damage = chance.choice(["", " ", "\t", "\x0c", "é", "-", "9", "\u2028", "ATOM", "MODEL 1"])
            lines[row] = lines[row][:place] + damage + lines[row][place + chance.randint(0, 9) :]
        with contextlib.suppress(ValueError):
            read(lines)


def test_autodock_ends_its_sentence_where_it_ends():
    vina = pytest.importorskip("vina")
    assert vina.__name__ == "vina"
    code = (
        "from svdd.domains.molecule.docking.autodock import AutoDock, Search\n"
        "from svdd.domains.molecule.docking.receptors import Receptor\n"
        "try: AutoDock(Receptor('mine', 'HEADER  x\\n', (0, 0, 0), (8, 8, 8)), Search())\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("AutoDock cannot read the receptor mine: PDBQT parsing error: Unknown")
    assert "overloaded" not in done.stdout
    assert "Additional" not in done.stdout


def chain(residues, kinds=ATOMS):
    """Residues that stand in a line, as long as a protein."""
    return [
        f"{line[:22]}{place + 1:4d}{line[26:30]}{float(line[30:38]) + 4 * place:8.3f}{line[38:]}"
        for place in range(residues)
        for line in (atom(number, *one.split(":")) for number, one in enumerate(kinds, 1))
    ]


def test_types_that_are_not_those_of_the_names_are_refused(read):
    with pytest.raises(
        ValueError, match=r"3 of its atoms are nitrogens and oxygens by name, and none by type \(N, NA, OA\)"
    ):
        read([f"{line[:77]}C " for line in PREPARED])
    carbons = [atom(number, "C", "C") for number in range(1, 20)]
    assert read(carbons).text == text(carbons)


def test_a_file_that_is_written_behind_itself_is_refused(read):
    with pytest.raises(
        ValueError, match=r"has 11 of its 22 atoms twice, .* each would count twice; the first is N TYR A 1"
    ):
        read([*PREPARED, *PREPARED])


def test_a_part_without_hydrogens_is_warned_of(read):
    heavy = [one for one in ATOMS if not one.endswith(":HD")]
    with pytest.warns(
        ReceptorWarning, match=r"has 4 polar hydrogens \(type HD\) for 10 residues, .*mk_prepare_receptor"
    ):
        read([*chain(2), *chain(10, heavy)[16:]])
    read(chain(10))


def test_a_ligand_in_the_middle_of_the_box_is_warned_of(read):
    ligand = [atom(number, "C1", "C", (0.1 * number - 3, 0, 0), "HETATM", "LIG") for number in range(30, 38)]
    with pytest.warns(
        ReceptorWarning, match=r"holds LIG A 2, 8 heavy atoms in the middle of the box: if it is the ligand"
    ):
        read([*PREPARED, *ligand])
    read([*PREPARED, *ligand], center=(5, 2, 0))
    read([*PREPARED, *ligand[:3]])
