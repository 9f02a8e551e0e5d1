"""Lists of molecules as programs and people write them: read whole, or refused by what they are."""

import gzip
import io
import warnings
from pathlib import Path

import pytest
from rdkit import Chem

from svdd.domains.molecule.chemistry import canonical, novelty
from svdd.domains.molecule.kit import KIT
from svdd.domains.molecule.lists import LeftOutWarning, is_molecule_file, read_molecules
from svdd.domains.molecule.rewards.filters import has_substructure, similarity
from svdd.domains.molecule.rewards.properties import logp, qed, sa, tpsa, weight
from svdd.scoring.reward import Invalid

TWO = ["CCO", "CCN"]
SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)O"]


def sdf(smiles=SMILES, v3000=False):
    text = io.StringIO()
    with Chem.SDWriter(text) as writer:
        writer.SetForceV3000(v3000)
        for number, one in enumerate(smiles):
            molecule = Chem.MolFromSmiles(one)
            molecule.SetProp("_Name", f"drug-{number}")
            molecule.SetProp("IC50", "1.5")
            writer.write(molecule)
    return text.getvalue()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.CSV", "SMILES,id\nCCO,1\nCCN,2\n"),
        ("a.Tsv", "id\tSmiles\n1\tCCO\n2\tCCN\n"),
        ("a.SMI", "CCO ethanol\nCCN\n"),
        ("a.smi", "# from a list\nCCO\n#CCC\nCCN\n"),
        ("a.smi", "CCO;1\nCCN;2\n"),
        ("a.smi", "CCO,1\nCCN|2\n"),
        ("a.smi", "#smiles name\nCCO ethanol\nCCN amine\n"),
        ("a.smi", "# SMILES of two drugs\nCCO ethanol\nCCN amine\n"),
        ("a.csv", "# SMILES of two drugs, 2024\nid,smiles\n1,CCO\n2,CCN\n"),
        ("a.csv", "#smiles,id\nCCO,1\nCCN,2\n"),
        ("a.csv", "#,smiles\n1,CCO\n2,CCN\n"),
        ("a.csv", ",smiles\n0,CCO\n1,CCN\n"),
        ("a.tsv", "\tsmiles\n0\tCCO\n1\tCCN\n"),
        ("a.csv", "id #,smiles\n0,CCO\n1,CCN\n"),
        ("a.smi", "id smiles\n1 CCO\n2 CCN\n"),
        ("a.txt", "id;smiles\n1;CCO\n2;CCN\n"),
        ("a.smi", '"CCO"\n"CCN"\n'),
        ("a.smi", "CCO\xa0ethanol\nCCN\u2003caf\u00e9\n"),
        ("a.smi", "CCO |$;;$|\nCCN mol\n"),
        ("a.csv", "canonical_smiles,qed\nCCO,1\nCCN,2\n"),
        ("a.csv", "id,Canonical SMILES\n1,CCO\n2,CCN\n"),
        ("a.csv", "isomeric_smiles,smiles\nCCC,CCO\nCCC,CCN\n"),
        ("a.csv", '"ChEMBL ID";"Name";"Smiles"\n"CHEMBL1";"a, b; c";"CCO"\n"CHEMBL2";"";"CCN"\n'),
        ("a.csv", "sep=;\nsmiles;id\nCCO;1\nCCN;2\n"),
        ("a.csv", "# written by hand\nsmiles|id\nCCO|1\nCCN|2\n"),
        ("a.csv", "smiles\tid\nCCO\t1\nCCN\t2\n"),
        ("a.csv", "smiles id\nCCO 1\nCCN 2\n"),
        ("a.csv", "structure,id\nCCO,1\nCCN,2\n"),
        ("a.csv", "\n\nsmiles,id\nCCO,1\n,\nCCN\n"),
        ("a.tsv", "smiles,id\nCCO,1\nCCN,2\n"),
        ("a.csv", '"smiles","note"\n"CCO","two\nlines"\n"CCN","x"\n'),
    ],
)
def test_lists_are_read_however_they_are_written(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_molecules(tmp_path / name) == TWO


@pytest.mark.parametrize("name", ["a.sdf", "a.SDF", "a.sd", "a.sdf.gz", "a.SDF.GZ"])
@pytest.mark.parametrize("v3000", [False, True])
def test_structures_are_read_with_their_stereochemistry(tmp_path, name, v3000):
    data = sdf(v3000=v3000).replace("\n", "\r\n").encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)
    assert read_molecules(tmp_path / name) == SMILES


def test_one_structure_may_lack_its_end(tmp_path):
    (tmp_path / "a.mol").write_text(sdf(SMILES[:1]).partition("M  END")[0] + "M  END\n")
    assert read_molecules(tmp_path / "a.mol") == SMILES[:1]


def test_records_that_cannot_be_read_are_counted(tmp_path):
    records = sdf([*SMILES, "CCO"]).split("$$$$\n")
    records[1] = records[1].replace(" C ", " Qq", 1)
    (tmp_path / "a.sdf").write_text("$$$$\n".join(records))
    with pytest.warns(
        LeftOutWarning, match=r"a.sdf: 1 of 3 are left out.*'record 2' \(RDKit reads no molecule in it\)"
    ):
        assert read_molecules(tmp_path / "a.sdf") == [SMILES[0], "CCO"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        *((f"a{ending}", "x", "save the sheet as CSV with a column smiles") for ending in (".xlsx", ".XLS", ".ods")),
        *((f"a{ending}", "x", "write its SMILES as CSV") for ending in (".parquet", ".json", ".pkl")),
        *((f"a{ending}", "x", "does not say the bonds of small molecules") for ending in (".pdb", ".xyz", ".PDBQT")),
        *((f"a{ending}", "x", "save the molecules as SDF or as SMILES") for ending in (".mol2", ".cdx")),
        *((f"a.smi{ending}", "x", "unpack it and name the file in it") for ending in (".zip", ".bz2", ".xz")),
        ("a.smi", "InChI=1S/CH4/h1H4\n", "begins with 'InChI=1S/CH4/h1H4' and looks like InChI"),
        ("a.txt", "VNWKTOKETHGBQD-UHFFFAOYSA-N\n", "looks like InChI"),
        ("a.smi", "[C][C][=O]\n[C][Branch1][C][O]\n", "looks like SELFIES"),
        ("a.txt", ">a\nACGT\n", "looks like FASTA"),
        ("a.txt", '[{"smiles": "CCO"}]', "looks like JSON"),
        ("a.smi", sdf(), "looks like SDF, so let its name end in .sdf"),
        ("a.csv", "CCO,1\nCCN,2\n", "needs a column smiles, got cco, 1; its first line must name the columns"),
        ("a.csv", "name;formula\na;b\n", "needs a column smiles"),
        ("a.csv", "smiles,id\n", "holds no SMILES"),
        ("a.csv", "x" * 200_000, "is not a table"),
        ("a.smi", "# nothing\n\n", "holds no SMILES"),
        ("a.sdf", "", "is no SDF"),
        ("a.csv", "<!DOCTYPE html><html>", "is a web page"),
        ("a.smi", b"caf\xe9\n", "line 1 has the byte 0xe9"),
        ("a.csv", b"PAR1\x15", "is a Parquet file: save it as CSV"),
        ("a.csv", b"PK\x03\x04rest", "is a zip archive"),
    ],
)  # fmt: skip
def test_other_files_are_refused_by_what_they_are(tmp_path, name, text, said):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    for read in (read_molecules, similarity):
        with pytest.raises(ValueError, match=said) as raised:
            read(tmp_path / name)
        assert name in str(raised.value)
    with pytest.raises(ValueError, match=said):
        similarity(str(tmp_path / name))  # text, too, is the name of a file, and not taken for a molecule


def test_names_of_files_are_no_molecules():
    assert all(map(is_molecule_file, ("a.SDF", "b.csv.GZ", "x/known.xlsx", "a.Smi")))
    assert not any(map(is_molecule_file, ("CC.Cl", "C.C", "CCO", "[Na+].[Cl-]", "C1CC1.Br")))


def test_what_is_no_molecule_of_a_file_is_named(tmp_path):
    (tmp_path / "known.smi").write_text("CCO\nCCN\ndrug-1\nCCCl\ndrug-2\n")
    with pytest.raises(ValueError, match=r"cannot compare with 'drug-1', molecule 3 of .*known.smi: not a SMILES"):
        similarity(tmp_path / "known.smi")
    with pytest.raises(ValueError, match=r"cannot compare with 'drug', neither a molecule \(not a SMILES\) nor a file"):
        similarity("drug")
    with pytest.raises(ValueError, match="holds 2 molecules, and text is one: give a list or a file"):
        similarity("CCO CCN")
    assert similarity("CCO ethanol").references == ("CCO",)


def test_a_reference_says_what_it_left_out(tmp_path):
    pytest.importorskip("fcd_torch")
    file = tmp_path / "known.csv"
    file.write_text("smiles\nCCO\ndrug-1\nCCN\nC\u0421O\n", encoding="utf-8")
    with pytest.warns(LeftOutWarning, match=r"known.csv: 2 of 4 are left out.*the first is 'drug-1'"):
        assert KIT.reference_of(file, KIT.kind({})).count == 2
    file.write_text("smiles\nCCO\ndrug-1\n")
    with pytest.raises(ValueError, match="at least 2 valid molecules, got 1 of 2; the first that is none is 'drug-1'"):
        KIT.reference_of(file, KIT.kind({}))
    file.write_text("smiles\nCCO\nCCN\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KIT.reference_of(file, KIT.kind({}))


@pytest.mark.parametrize("title", ["smiles_length", "n_smiles", "smiles-id", "is_smiles_valid", "SMILES_source"])
def test_a_column_about_smiles_is_not_theirs(tmp_path, title):
    (tmp_path / "known.csv").write_text(f"{title},smiles_std\n3,CCO\n3,CCN\n")
    assert read_molecules(tmp_path / "known.csv") == TWO
    (tmp_path / "known.csv").write_text("source_smiles,x\nCCO,3\nCCN,3\n")
    assert read_molecules(tmp_path / "known.csv") == TWO


def test_rows_without_a_molecule_are_counted(tmp_path):
    (tmp_path / "known.csv").write_text("id,smiles\n1,CCO\n2\n\n3,\n4,CCN\n")
    with pytest.warns(
        LeftOutWarning, match=r"known.csv: 2 of 4 are left out.*'record 2' \(its cell of SMILES is empty"
    ):
        assert read_molecules(tmp_path / "known.csv") == TWO
    (tmp_path / "known.csv").write_text("smiles,name\nCCO\nCCN,b\n,\n\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_molecules(tmp_path / "known.csv") == TWO


@pytest.mark.parametrize("text", ["CCO, CCN, CCC", "CCO CCN CCC\n", '"CCO","CCN","c1ccccc1"', "CCO\x0cCCN\x0cCCC"])
def test_a_list_in_one_line_is_not_one_molecule_with_a_name(tmp_path, text):
    (tmp_path / "known.txt").write_text(text)
    with pytest.raises(ValueError, match=r"known.txt has 3 molecules in one line: write one per line"):
        read_molecules(tmp_path / "known.txt")
    (tmp_path / "known.txt").write_text("CCO ethyl alcohol\n")
    assert read_molecules(tmp_path / "known.txt") == ["CCO"]


ODD = {
    "Cyrillic": "\u0421\u0421O",
    "Cyrillic first": "\u0421CO",
    "Cyrillic last": "CC\u041e",
    "zero width": "CC\u200bO",
    "zero width first": "\u200bCCO",
    "a mark": "\ufeffCCO",
    "full width": "\uff23\uff23\uff2f",
    "subscript": "CCl\u2082O",
    "long dash": "C\u2013C",
    "soft hyphen": "C\xadC",
    "a control": "CCO\x01",
    "NUL": "CCO\0",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_text_that_is_not_ascii_is_no_smiles(text):
    for reward in (qed(), sa(), logp(), tpsa(), weight(), similarity("CCO"), has_substructure("C")):
        (answer,) = reward([text])
        assert isinstance(answer, Invalid)
        assert answer.why == "not a SMILES" + ": a letter that is not ASCII" * (not text.isascii())
    assert canonical([text, "OCC"]) == ["CCO"]
    assert novelty(["CCO"], [text]) == 1.0
    with pytest.raises(ValueError, match=r"cannot compare with .*\(U\+[0-9A-F]{4} "):
        similarity([text])
    with pytest.raises(ValueError, match=r"is no SMARTS; it has .*U\+"):
        has_substructure(text)


def test_files_of_the_tests_are_what_they_seem():
    assert canonical(SMILES) == SMILES
    assert Path("a.SDF.GZ").name.lower().removesuffix(".gz") == "a.sdf"
