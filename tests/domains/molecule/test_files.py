"""Files of molecules: what other programs read is what was designed, and what users give is read or refused."""

import gzip
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import AllChem

from svdd.decoding.result import Result
from svdd.domains.molecule.files import best, read_molecules, write_molecules, write_sdf
from svdd.domains.molecule.poses import POSED, pocket, poses_of

DESIGNS = ["CCO", "", "OC(=O)c1ccccc1", "C(", "CC(=O)Oc1ccccc1C(=O)O", "CCO"]
REWARDS = np.array([1.0, -np.inf, 2.5, 3.0, np.nan, 1.0])
IDS = [f"svdd-{row:04d}" for row in range(6)]
RECEPTOR = """REMARK  a receptor of three residues
ATOM      1  N   SER A   2       1.000   0.000   0.000  1.00  0.00    -0.064 N 
ATOM      2  HN  SER A   2       1.500   0.000   0.000  1.00  0.00     0.275 HD
ATOM      3  OG  SER A   2       9.000   0.000   0.000  1.00  0.00    -0.398 OA
ATOM      4  C   PHE A   3       4.000   3.100   0.000  1.00  0.00     0.010 A 
ATOM      5  CL  CL  B   4      40.000   0.000   0.000  1.00  0.00    -1.000 Cl
"""  # noqa: W291


def embedded(smiles):
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(molecule, randomSeed=1) == 0
    return molecule


def result(designs=DESIGNS, rewards=REWARDS):
    scores = {"qed": torch.arange(len(designs)).double()}
    return Result(list(designs), torch.tensor(rewards), list(range(len(designs))), scores, settings={"method": "svdd"})


def test_designs_are_read_back_with_their_numbers(tmp_path):
    write_molecules(DESIGNS, IDS, {"reward": REWARDS, "a <b>\nc": np.arange(6.0)}, tmp_path)
    found = list(Chem.SDMolSupplier(str(tmp_path / "samples.sdf")))
    assert [one.GetProp("_Name") for one in found] == ["svdd-0000", "svdd-0002", "svdd-0004", "svdd-0005"]
    assert [Chem.MolToSmiles(one) for one in found] == ["CCO", "O=C(O)c1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "CCO"]
    assert [one.GetProp("SMILES") for one in found] == [Chem.MolToSmiles(one) for one in found]
    assert [one.GetDoubleProp("reward") for one in found][:2] == [1, 2.5]
    assert found[1].GetDoubleProp("a (b) c") == 2
    picture = (tmp_path / "samples.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[20:24], "big") == 300  # one row: two different molecules of finite reward


def test_the_same_designs_are_the_same_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_molecules(DESIGNS, IDS, {"reward": REWARDS}, tmp_path / name)
    for file in ("samples.sdf", "samples.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_without_a_valid_design_there_is_no_picture(tmp_path):
    write_molecules(["", "C("], IDS[:2], {"reward": REWARDS[:2]}, tmp_path)
    assert (tmp_path / "samples.sdf").read_text() == ""
    assert not (tmp_path / "samples.png").exists()


def test_the_best_are_different_valid_and_in_order():
    assert best(DESIGNS, REWARDS, 5) == [2, 0]
    assert best(DESIGNS, REWARDS, 1) == [2]
    assert best(["C", "CC", "C", "CCC"], [1.0, 1.0, 2.0, 1.0], 3) == [2, 1, 3]
    assert best([], [], 3) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.smi", "CCO ethanol\n\nCCN\tx\n"),
        ("a.txt", "smiles name\nCCO\nCCN\n"),
        ("a.csv", "id,SMILES\n1,CCO\n\n3,CCN\n"),
        ("samples.csv", 'id,chain,sample,reward,valid\na,0,CCO,1.0,True\nb,1,,-inf,False\nc,2,"CCN",1,True\n'),
        ("a.tsv", "smiles\tsplit\nCCO\ttrain\nCCN\ttrain\n"),
        ("a.csv.gz", "smiles\nCCO\nCCN\n"),
        ("a.smi.gz", "CCO\nCCN"),
    ],
)
def test_lists_of_molecules_are_read(tmp_path, name, text):
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read_molecules(tmp_path / name) == ["CCO", "CCN"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", b"id,name\n1,2\n", "needs a column smiles, got id, name"),
        ("a.csv", b"", "needs a column smiles, got no columns"),
        ("a.smi", b"\n\n", "holds no SMILES"),
        ("a.smi", b"\xff\xfe\x00", "is not a text file"),
        ("a.smi.gz", b"\x1f\x8bCCO", "is not a text file"),
        ("a.csv", b'smiles\n"' + b"C" * 200_000 + b'"', "is not a table"),
        ("a.sdf", b"CCO\n  RDKit\n", "is no file of SMILES: write the molecules as SMILES"),
        ("molecules", b"CCO\n", "is no file of SMILES"),
    ],
)
def test_other_files_are_refused(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=said):
        read_molecules(tmp_path / name)


def test_the_pocket_is_whole_residues_without_hydrogens():
    near = np.zeros((1, 3))
    lines = pocket(RECEPTOR, near).splitlines()
    assert [line[12:16].strip() for line in lines[:-1]] == ["N", "OG"]  # OG is far, but of a residue that is near
    assert [line[76:78].strip() for line in lines[:-1]] == ["N", "O"]
    assert Chem.MolFromPDBBlock("\n".join(lines)).GetNumAtoms() == 2
    assert "PHE" in pocket(RECEPTOR, np.array([[0.1, 0.0, 0.0]]))
    assert pocket("", near) == pocket(RECEPTOR, near + 100) == ""


class Posing:
    """A reward that puts molecules where their own conformer is."""

    receptor = SimpleNamespace(text=RECEPTOR)

    def __init__(self):
        self.asked = []

    def __call__(self, designs):
        return [float(len(design)) for design in designs]

    def poses(self, designs):
        self.asked += designs
        return [None if design == "CCO" else embedded(design) for design in designs]


def test_the_best_designs_are_posed_and_written_in_three_dimensions(tmp_path):
    reward = Posing()
    designs = ["CCO", "CCCO", "", "CCCCO", "CCCO"]
    found = poses_of(result(designs, np.array([9.0, 3.0, -np.inf, 5.0, 3.0])), reward)
    assert reward.asked == ["CCO", "CCCCO", "CCCO"]
    assert found.ids == ["svdd-0003", "svdd-0001"]
    assert found.numbers == {"reward": [5, 3], "qed": [3, 1]}
    assert "SER" in found.pocket
    found.save(tmp_path / "poses.sdf")
    written = list(Chem.SDMolSupplier(str(tmp_path / "poses.sdf"), removeHs=False))
    assert [one.GetConformer().Is3D() for one in written] == [True, True]
    expected = found.molecules[0].GetConformer().GetPositions()
    np.testing.assert_allclose(written[0].GetConformer().GetPositions(), expected, atol=1e-3)
    assert written[0].GetProp("SMILES") == "CCCCO"


def test_a_component_may_pose_and_most_rewards_do_not():
    designs = ["C" * n for n in range(1, 13)]
    posing = Posing()

    def together(designs):
        return [0.0] * len(designs)

    together.components = {"qed": len, "docking": posing}
    assert len(poses_of(result(designs, np.arange(12.0)), together)) == POSED
    assert posing.asked == designs[:-11:-1]
    assert poses_of(result(), len) is None
    assert poses_of(result(["CCO"], np.array([1.0])), posing) is None  # it had no pose
    assert poses_of(result(["", ""], np.array([1.0, 2.0])), posing) is None


def test_numbers_of_molecules_without_a_place_are_left_out(tmp_path):
    write_sdf([None, embedded("CO")], ["a", "b"], {"reward": [1.0, 2.0]}, tmp_path / "x.sdf")
    (only,) = Chem.SDMolSupplier(str(tmp_path / "x.sdf"))
    assert (only.GetProp("_Name"), only.GetDoubleProp("reward")) == ("b", 2)
