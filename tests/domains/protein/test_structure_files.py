"""Structures in PDB and mmCIF: what is read of them, what is left out, and what is refused."""

import gzip
import re

import pytest
import torch
from Bio.PDB import MMCIFIO, PDBParser

import svdd
from svdd.domains.protein.inverse_folding.structure_files import LeftOutWarning, read_backbone
from svdd.registry import bundled

PDB = bundled("proteinmpnn", "2ysh.pdb")
LINES = [line for line in PDB.read_text().splitlines() if line.startswith("ATOM")]
NATIVE = "GSSGLPPGWQSYLSPQGRRYYVNTTTNETTWERPSSS"


def written(tmp_path, lines, name="given.pdb"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return path


def changed(line, **fields):
    """An ATOM line with other contents in some of its columns."""
    columns = {"record": (0, 6), "atom": (12, 16), "other": (16, 17), "residue": (17, 20), "chain": (21, 22)}
    columns |= {"number": (22, 26), "insertion": (26, 27), "x": (30, 38), "occupancy": (54, 60)}
    for name, text in fields.items():
        start, end = columns[name]
        line = line[:start] + (text.rjust(end - start) if name != "record" else text.ljust(6)) + line[end:]
    return line


def test_a_bundled_structure_is_read():
    found = read_backbone(PDB)
    assert (found.native, found.chains, found.name) == (NATIVE, ("A",), "2ysh.pdb")
    assert found.labels[0] == "4"
    assert found.index.tolist() == list(range(37))
    assert found.atoms.shape == (37, 4, 3)
    assert found.atoms[0, 0].tolist() == pytest.approx([float(LINES[0][30 + 8 * i : 38 + 8 * i]) for i in range(3)])


def test_mmcif_and_packed_files_hold_the_same(tmp_path):
    writer = MMCIFIO()
    writer.set_structure(PDBParser(QUIET=True).get_structure("one", str(PDB)))
    writer.save(str(tmp_path / "one.cif"))
    with gzip.open(tmp_path / "one.pdb.gz", "wt") as opened:
        opened.write(PDB.read_text())
    plain = read_backbone(PDB)
    for name in ("one.cif", "one.pdb.gz"):
        found = read_backbone(tmp_path / name)
        assert torch.equal(found.atoms, plain.atoms)
        assert (found.native, found.labels, found.chains) == (plain.native, plain.labels, plain.chains)


def test_the_first_model_and_the_first_alternate_location_are_read(tmp_path):
    moved = [changed(line, x="99.000") for line in LINES]
    models = ["MODEL        1", *LINES, "ENDMDL", "MODEL        2", *moved, "ENDMDL"]
    assert torch.equal(read_backbone(written(tmp_path, models)).atoms, read_backbone(PDB).atoms)
    first, second = (
        changed(LINES[1], other=o, occupancy=w, x=x) for o, w, x in (("A", "0.30", "1.000"), ("B", "0.70", "2.000"))
    )
    found = read_backbone(written(tmp_path, [LINES[0], first, second, *LINES[2:]]))
    assert found.atoms[0, 1, 0] == 1
    assert len(found.native) == 37


def test_insertion_codes_keep_their_place(tmp_path):
    inserted = [changed(line, number="5", insertion="A") for line in LINES[8:12]]
    rest = [changed(line, number=str(int(line[22:26]) - 1)) for line in LINES[12:]]
    found = read_backbone(written(tmp_path, LINES[:8] + inserted + rest))
    assert found.labels[:4] == ("4", "5", "5A", "6")
    assert found.index.tolist() == list(range(37))
    assert found.native == NATIVE


def test_gaps_count_as_missing_residues(tmp_path):
    found = read_backbone(written(tmp_path, LINES[:20] + LINES[32:]))
    assert found.native == NATIVE[:5] + NATIVE[8:]
    assert found.index.tolist() == [*range(5), *range(8, 37)]


def test_residues_without_a_whole_backbone_are_left_out_and_said(tmp_path):
    path = written(tmp_path, [line for i, line in enumerate(LINES) if i not in (9, 17)])
    with pytest.warns(LeftOutWarning, match=r"2 of 37 residues of .*given.pdb are left out, .* missing: A:6, A:8"):
        found = read_backbone(path)
    assert found.index.tolist() == [0, 1, 3, *range(5, 37)]


def test_copies_of_a_chain_under_its_name_are_left_out_and_said(tmp_path):
    path = written(tmp_path, [*LINES, "TER", *(changed(line, x="99.000") for line in LINES)])
    said = f"{len(LINES)} atoms of .*given.pdb are left out, .*: the copies of a chain need names of their own"
    with pytest.warns(LeftOutWarning, match=said):
        found = read_backbone(path)
    assert torch.equal(found.atoms, read_backbone(PDB).atoms)


def test_of_two_residues_in_one_place_the_first_is_read(tmp_path):
    first, second = ([changed(line, other=o, residue=r) for line in LINES[:4]] for o, r in (("A", "TRP"), ("B", "TYR")))
    assert read_backbone(written(tmp_path, first + second + LINES[4:])).native == "W" + NATIVE[1:]


def test_modified_and_unknown_amino_acids(tmp_path):
    lines = [changed(line, record="HETATM", residue="MSE") for line in LINES[:4]]
    lines += [changed(line, residue="UNK") for line in LINES[4:8]]
    water = [changed(LINES[-1], record="HETATM", residue="HOH", atom="O  ", number="99")]
    assert read_backbone(written(tmp_path, lines + LINES[8:] + water)).native == "MX" + NATIVE[2:]


def test_an_unknown_residue_within_a_chain_keeps_its_place(tmp_path):
    """Selenocysteine and chromophores are written as ligands are; a peptide bond tells them apart."""
    lines = [changed(line, record="HETATM", residue="SEC") if line[22:26] == "  10" else line for line in LINES]
    found = read_backbone(written(tmp_path, lines))
    assert found.native == NATIVE[:6] + "X" + NATIVE[7:]
    assert found.index.tolist() == list(range(37))


@pytest.mark.parametrize("name", ["GLU", "MSE", "LIG"])
def test_a_free_amino_acid_is_a_ligand(tmp_path, name):
    free = [changed(line, record="HETATM", residue=name, number="101") for line in LINES[:4]]
    moved = [changed(line, x=f"{float(line[30:38]) + 30:.3f}") for line in free]
    assert read_backbone(written(tmp_path, LINES + moved)).native == NATIVE


def test_other_polymers_are_left_out_and_chains_are_chosen(tmp_path):
    other = [changed(line, chain="B", residue="DA", atom=" P  ") for line in LINES[::4]]
    more = [changed(line, chain="C") for line in LINES[:80]]
    path = written(tmp_path, LINES + other + more)
    assert read_backbone(path).chains == ("A", "C")
    assert read_backbone(path, "C").native == NATIVE[:20]
    process = svdd.load(f"proteinmpnn:{path}", steps=2, design="C")
    assert process.kind.native == NATIVE[:20]
    for name, sentence in (
        ("B", "unknown protein chain of given.pdb 'B'"),
        ("A,A", "each chain is named once, got 'A,A'"),
    ):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            read_backbone(path, name)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([line for line in LINES if line[12:16] != " CA "], "but no residue has CA in "),
        ([line for line in LINES if line[12:16] == " CA "], "but no residue has N or C or O in "),
        (
            [changed(line, residue="DA", atom=" P  ") for line in LINES[::4]],
            "holds no protein: its chains are A, without",
        ),
        (["HEADER    NOTHING"], "is no structure in PDB or mmCIF: it has no line that begins with ATOM"),
        ([changed(LINES[0], x="one")], "cannot be read as PDB: "),
        ([changed(LINES[0], x="nan"), *LINES[1:]], "coordinates that are numbers, but some are not in "),
        (
            [changed(LINES[0], record="HETATM", residue="HOH", atom=" O  ")],
            "holds no protein: its chains are A, without",
        ),
    ],
)
def test_what_is_no_backbone_is_one_sentence(tmp_path, lines, sentence):
    path = written(tmp_path, lines)
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        read_backbone(path)
    assert "\n" not in str(caught.value)


def test_a_broken_mmcif_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"given.cif cannot be read") as caught:
        read_backbone(written(tmp_path, ["data_x", "loop_", "_atom_site.id", "ATOM 1"], "given.cif"))
    assert "\n" not in str(caught.value)
