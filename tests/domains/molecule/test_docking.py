"""Docking: receptors and ligands read right, AutoDock run for real, in worker processes that may hang and crash."""

import contextlib
import gzip
import importlib.util
import logging
import math
import os
import pickle
import re
import sqlite3
import time
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
import torch

pytest.importorskip("vina")
pytest.importorskip("meeko")
pytest.importorskip("dockstring")

import svdd
from support.fragile_docking import FragileDocker
from support.places import DOCS
from support.processes import masked
from svdd.decoding.decoding import decode
from svdd.domains.molecule.docking.autodock import AutoDock, Docker, Search, _best, check_installed, tried_out
from svdd.domains.molecule.docking.ligands import NO_TYPE, Undockable, conformer, ligand
from svdd.domains.molecule.docking.receptors import TARGETS, find_receptor, prepared_targets, receptors_folder
from svdd.domains.molecule.docking.reward import DERIVED, Docking, docking
from svdd.rewards import ramp, weighted_sum
from svdd.rewards.worker_pool import workers
from svdd.scoring.components import columns_of
from svdd.scoring.identity import reward_identity
from svdd.scoring.policy import RewardFailureWarning
from svdd.scoring.reward import Failure, Invalid

pytestmark = pytest.mark.slow

PARP1 = "dockstring:PARP1"
POCKET = {"size": (12, 12, 12)}  # round the centre that comes with it: maps in a tenth of a second
BENZAMIDE, METHANOL = "NC(=O)c1ccccc1", "CO"


@pytest.fixture(scope="module")
def pool():
    with docking(PARP1, **POCKET, workers=2) as reward:
        yield reward


@pytest.fixture(scope="module")
def here():
    return docking(PARP1, **POCKET, workers=0)


def test_it_is_a_name_of_the_rewards():
    assert svdd.rewards.docking is docking
    with pytest.raises(AttributeError, match="vina"):
        svdd.rewards.vina  # noqa: B018


# --- receptors ---------------------------------------------------------------------------------------------------


def test_targets_are_the_published_ones():
    assert list(TARGETS) == ["parp1", "fa7", "5ht1b", "braf", "jak2"]
    assert [target.threshold for target in TARGETS.values()] == [-10.0, -8.5, -8.7845, -10.3, -9.1]
    assert TARGETS["braf"].center == (84.194, 6.949, -7.081)
    assert TARGETS["jak2"].size == (19.033, 17.929, 20.283)


def test_prepared_receptors_come_by_name():
    assert {"PARP1", "EGFR", "DRD2"} <= set(prepared_targets())
    egfr = find_receptor("dockstring:EGFR")
    assert egfr.center == (16.837, 35.647, 91.071)
    assert egfr.size == (30, 30, 30)
    assert find_receptor("dockstring:EGFR", size=(20, 20, 20)).size == (20, 20, 20)
    with pytest.raises(ValueError, match="EGFR"):
        find_receptor("dockstring:EGRF")


def test_named_receptors_are_looked_for_in_a_folder(tmp_path, monkeypatch):
    text = prepared_targets()["PARP1"].read_text()
    where = find_receptor(PARP1).center
    with pytest.raises(FileNotFoundError, match=rf"no parp1.pdbqt or parp1.pdbqt.gz in {tmp_path}.*SVDD_RECEPTORS"):
        find_receptor("parp1", folder=tmp_path)
    (tmp_path / "parp1.pdbqt.gz").write_bytes(gzip.compress(text.encode()))
    monkeypatch.setenv("SVDD_RECEPTORS", str(tmp_path))
    assert receptors_folder() == tmp_path
    packed = find_receptor("parp1", where)
    assert packed.size == TARGETS["parp1"].size
    (tmp_path / "mine.pdbqt").write_text(text)
    plain = find_receptor(tmp_path / "mine.pdbqt", where, packed.size)
    assert plain.identity == packed.identity  # whatever the file is called
    assert plain.identity != find_receptor(tmp_path / "mine.pdbqt", where, (20, 20, 20)).identity
    monkeypatch.delenv("SVDD_RECEPTORS")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert receptors_folder() == tmp_path / ".local" / "share" / "svdd" / "receptors"


def test_a_box_must_be_given_and_hold_something():
    file = prepared_targets()["PARP1"]
    with pytest.raises(ValueError, match=r"needs a box: .*the receptor's own centre is \(.*\)"):
        find_receptor(file)
    with pytest.raises(ValueError, match=r"holds no atom .* the nearest is \d+\.\d Angstrom from its centre"):
        find_receptor(PARP1, center=(900, 0, 0))
    for wrong in ((1, 2), (1, 2, math.nan), (1, 2, 0), (1, 2, -3)):
        with pytest.raises(ValueError, match=r"size is three finite numbers in Angstrom, above 0"):
            find_receptor(PARP1, size=wrong)


def test_what_is_no_receptor_is_refused_in_a_sentence(tmp_path):
    box = {"center": (0, 0, 0), "size": (20, 20, 20)}
    for name, text, said in (
        ("a.pdbqt", ligand(METHANOL), "is a ligand"),
        ("b.pdbqt", "hello\n", "no lines of atoms"),
        ("c.pdbqt", "ATOM      1  C   LIG A   1       x\n", "no lines of atoms"),
        ("d.pdbqt.gz", "hello", "no lines of atoms"),
        ("e.pdb", "ATOM", "mk_prepare_receptor.py --read_pdb"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=said):
            find_receptor(tmp_path / name, **box)
    with pytest.raises(FileNotFoundError, match="there is no receptor"):
        find_receptor(tmp_path / "nowhere.pdbqt", **box)
    with pytest.raises(ValueError, match="did you mean parp1"):
        find_receptor("parp")


# --- ligands -----------------------------------------------------------------------------------------------------


def test_ways_to_write_a_molecule_are_one():
    assert Docking.key("OCC") == Docking.key("C(C)O") == "CCO"
    assert [Docking.key(design) for design in ("", "C1CC", "C.C")] == ["", "C1CC", "C.C"]


def test_a_conformer_depends_on_molecule_and_seed_alone():
    first, again, other = (conformer(BENZAMIDE, seed).GetConformer().GetPositions() for seed in (1, 1, 2))
    assert first.shape == (16, 3)
    assert (first == again).all()
    assert (first != other).any()


def test_ligands_say_why_they_cannot_be_docked():
    assert ligand("CCO").rstrip().endswith("TORSDOF 1")
    with pytest.raises(Undockable, match=NO_TYPE):
        ligand("C[Se]C")
    with pytest.raises(Undockable, match="more than 3 rotatable bonds"):
        ligand("CCCCCCC", max_torsions=3)
    with pytest.raises(Undockable, match="Meeko"):
        ligand("[H][H]")
    with pytest.raises(Undockable, match="no conformer in 3D"):
        ligand("c1cc2ccc1CCC=C2")  # a bridge of four across a benzene


def test_what_meeko_cannot_prepare_is_told_as_a_reason_and_not_in_lines_of_rdkit(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("rdkit"), "handlers", [caplog.handler])  # to which Meeko sends them
    with pytest.raises(Undockable, match="Meeko cannot prepare it"):
        ligand(
            "CC1CC2=CCC(O2)C(=O)C2=CC=CC(=O)N1C=CC=S=C2"
        )  # an S that RDKit takes for aromatic, and cannot write down
    assert caplog.records == []


def test_rings_stay_rigid_macrocycles_too():
    assert ligand("C1CCCCCCCCCCCC1").rstrip().endswith("TORSDOF 0")


# --- AutoDock ----------------------------------------------------------------------------------------------------

POSES = "".join(f"MODEL {i}\nREMARK {i}\nENDMDL\n" for i in (1, 2, 3))


def test_the_best_pose_is_the_lowest_wherever_it_stands():
    best = _best([[-4.0, -4, 0.1, 1, 0.1], [-6.0, -6, 0.2, 1, 0.1], [-5.0, -5, 3.0, 1, 0.1]], POSES)
    assert best.score == -6
    assert best.pdbqt == "MODEL 2\nREMARK 2\nENDMDL\n"


def test_an_energy_that_cannot_be_trusted_is_none():
    with pytest.raises(Undockable, match="internal energy"):
        _best([[-14.2, -14.6, -0.364, 1, 2.568]], POSES)
    with pytest.raises(Undockable, match="no pose"):
        _best([], POSES)
    with pytest.raises(Undockable, match="no finite energy"):
        _best([[math.nan, 0, 0, 0, 0]], POSES)


def test_old_or_absent_packages_are_told_in_a_sentence(monkeypatch):
    assert check_installed() >= "1.2.7"
    monkeypatch.setattr("svdd.domains.molecule.docking.autodock.version", lambda name: "1.2.3")
    with pytest.raises(ImportError, match=r'1.2.3 reports wrong energies.*pip install "vina>=1.2.7"'):
        docking(PARP1)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'needs vina.*pip install "svdd\[docking\]"'):
        docking(PARP1)


def test_seeds_and_settings_are_checked():
    for wrong in ({"exhaustiveness": 0}, {"seed": -1}, {"max_torsions": -1}):
        with pytest.raises(ValueError, match="is a whole number from"):
            docking(PARP1, **wrong)
    with pytest.raises(ValueError, match="workers is 0 or more"):
        docking(PARP1, workers=-1)


def test_autodock_works_here():
    assert tried_out() == metadata.version("vina")


def test_a_receptor_that_autodock_cannot_read_is_told(tmp_path):
    line = "ATOM      1  X   HOH A   1       0.000   0.000   0.000  1.00  0.00    -0.411 Xx\n"
    (tmp_path / "odd.pdbqt").write_text(line)
    with pytest.raises(ValueError, match=r"AutoDock cannot read the receptor .*Xx"):
        AutoDock(find_receptor(tmp_path / "odd.pdbqt", (0, 0, 0), (5, 5, 5)), Search())


# --- the reward --------------------------------------------------------------------------------------------------


def test_scores_do_not_depend_on_process_order_or_spelling(pool, here):
    first = pool([BENZAMIDE, METHANOL, "CCO"])
    assert first.tolist() == here(["OCC", "OC", "c1ccccc1C(N)=O"]).tolist()[::-1]
    assert 3 < first[0] < 9
    assert 1 < first[1] < 3
    other = docking(PARP1, **POCKET, seed=1, workers=0)
    assert other([BENZAMIDE]).tolist() != first[:1].tolist()


def test_the_score_itself_is_a_component(here):
    scores = here.components["vina"]
    assert here([METHANOL]).tolist() == (-scores([METHANOL])).tolist()
    assert here.table([METHANOL, "x"])["vina"] == [scores([METHANOL])[0], -math.inf]


def test_efficiency_and_size_stand_beside_the_score(tmp_path, pool):
    """Benzamide has 9 heavy atoms and methanol 2; a molecule without a score has no efficiency, what is none has neither."""
    columns = columns_of(pool, [BENZAMIDE, METHANOL, "C[Se]C", "x"])
    assert list(columns) == ["vina", "ligand_efficiency", "heavy_atoms"]
    assert columns["heavy_atoms"][:3].tolist() == [9, 2, 3]
    expected = -columns["vina"][:2] / torch.tensor([9.0, 2.0])
    assert torch.allclose(columns["ligand_efficiency"][:2], expected)
    assert expected[0] == pytest.approx(0.7, abs=0.15)  # kcal/mol per heavy atom
    assert columns["ligand_efficiency"][2:].isnan().all()
    assert columns["heavy_atoms"][3].isnan()
    assert {name: len(column) for name, column in columns_of(pool, []).items()} == dict.fromkeys(columns, 0)
    result = decode(masked(decode=molecules), pool, candidates=2, samples=3)
    result.save(tmp_path)
    table = pd.read_csv(tmp_path / "samples.csv")
    docked = table[table.valid]
    assert (docked.vina < 0).all()
    pd.testing.assert_series_equal(docked.ligand_efficiency * docked.heavy_atoms, -docked.vina, check_names=False)
    assert result.usage.reward.rows == result.breakdown.components["vina"].rows  # they cost nothing


def test_the_columns_beside_a_score_need_no_docking():
    """Golden values: a score of -7.2 kcal/mol of aspirin's 13 heavy atoms, -9.9 of 11."""
    designs, answers = (
        ["CC(=O)Oc1ccccc1C(=O)O", "Clc1ccccc1CCC(=O)", "CO", ""],
        [-7.2, -9.9, Failure("timeout", "3 s"), Invalid("x")],
    )
    efficiency = DERIVED["ligand_efficiency"](designs, {"vina": answers})
    assert efficiency[:2] == pytest.approx([0.5538461538, 0.9])
    assert all(map(math.isnan, efficiency[2:]))
    assert DERIVED["heavy_atoms"](designs, {})[:3] == [13, 11, 2]


def test_what_cannot_be_docked_is_invalid_with_a_reason(pool):
    answers = pool.submit(["", METHANOL, "C.C", "C[Se]C", "C" * 26, "CB(O)O"]).result()
    assert [one.why for one in answers if isinstance(one, Invalid)] == [
        "an empty design", "several molecules in one", NO_TYPE, "more than 20 rotatable bonds", NO_TYPE,
    ]  # fmt: skip
    assert answers[1] == pool([METHANOL])[0]
    assert pool(["C.C"]).tolist() == [-math.inf]


def test_poses_are_those_of_the_scores(pool):
    scores = pool.components["vina"]
    poses = pool.poses([METHANOL, "nothing", "OC", BENZAMIDE])
    assert [pose is None for pose in poses] == [False, True, False, False]
    found = [pose.GetDoubleProp("score") for pose in (poses[0], poses[2], poses[3])]
    assert found == scores([METHANOL, METHANOL, BENZAMIDE]).tolist()
    positions = poses[3].GetConformer().GetPositions()
    centre = torch.tensor(find_receptor(PARP1).center)
    assert positions.shape == (16, 3)
    assert (torch.tensor(positions) - centre).abs().max() < 8


def test_the_longest_molecules_are_docked_first():
    """Processes then end at about the same time; the answers are in the order of the designs."""
    scores, asked = docking(PARP1, workers=0).scores, []
    scores._docker = lambda molecules: asked.append(molecules) or [-3.0, -2.0, -1.0]
    assert scores.submit(["CO", "C" * 9, "OC", "x", "CCCO"]).result() == [-1, -3, -1, -math.inf, -2]
    assert asked == [["C" * 9, "CCCO", "CO"]]


@pytest.fixture
def counted_pool(monkeypatch):
    """Workers, and what they were asked to dock."""
    with docking(PARP1, **POCKET, workers=2) as reward:
        asked, send = [], reward.scores.pool._send
        monkeypatch.setattr(reward.scores.pool, "_send", lambda task: asked.extend(task.designs) or send(task))
        yield reward, asked


QUESTIONS = [["CO", "CCO"], ["OC", "x", "CCN"], ["NCC"], ["C"]]


def test_a_molecule_that_is_being_docked_is_not_docked_again(counted_pool):
    docked, asked = counted_pool
    reward = svdd.scored(docked)
    answers = [reward.submit(one) for one in QUESTIONS]
    assert asked == ["CCO", "CO", "CCN", "C"]
    numbers = [answer.result().tolist() for answer in answers]
    assert len(asked) == 4
    assert numbers[1][0] == numbers[0][0] > 0
    assert numbers[2] == [numbers[1][2]]
    assert numbers[1][1] == -math.inf
    assert [reward(one).tolist() for one in QUESTIONS] == numbers
    assert len(asked) == 4


def test_questions_are_answered_in_any_order_and_without_those_before_them(counted_pool):
    reward, _ = counted_pool
    reward(["N"])
    answers = [reward.submit(one) for one in QUESTIONS]
    numbers = [answer.result() for answer in reversed(answers)][::-1]
    assert numbers == [reward.submit(one).result() for one in QUESTIONS]
    dropped = [reward.submit(["CS"]), reward.submit(["CS", "CCS"])]
    del dropped
    reward.close()
    assert (reward(["CS", "CCS"]) > 0).all()


def test_a_molecule_that_failed_for_one_question_fails_for_the_next_as_well():
    with docking(PARP1, **POCKET, workers=2, timeout=2, max_torsions=40) as reward:
        first, second = reward.submit(["C" * 40]), reward.submit(["C" * 40, "C"])
        failed = Failure("timeout", "2 s")
        assert (second.result()[0], first.result()[0]) == (failed, failed)
        assert second.result()[1] > 0.5


def test_identity_covers_receptor_box_search_and_releases(pool, here, monkeypatch):
    assert reward_identity(pool) == reward_identity(here)
    assert reward_identity(pickle.loads(pickle.dumps(here))) == reward_identity(here)
    others = [
        docking(PARP1, size=(12, 12, 13), workers=0),
        docking(PARP1, **POCKET, exhaustiveness=2, workers=0),
        docking(PARP1, **POCKET, seed=1, workers=0),
        docking(PARP1, **POCKET, max_torsions=3, workers=0),
        docking("dockstring:EGFR", workers=0),
        here.components["vina"],
    ]
    assert len({reward_identity(one) for one in (here, *others)}) == 7
    before = reward_identity(here)
    monkeypatch.setattr("svdd.domains.molecule.docking.reward.version", lambda name: "9")
    assert reward_identity(here) != before


def molecules(x):
    return ["".join("CON-"[int(token)] for token in row).replace("-", "") for row in x]


def test_a_run_docks_a_molecule_once_and_another_run_none(tmp_path, pool, monkeypatch):
    """The column, the higher judge, and a file of scores."""
    settings = {"candidates": 2, "samples": 3, "cache": tmp_path / "scores.sqlite"}
    judge = docking(PARP1, **POCKET, exhaustiveness=2, workers=0)
    first = decode(masked(decode=molecules), pool, scores={"vina2": judge}, **settings)
    assert first.scores["vina"].tolist() == (-first.rewards).tolist()
    assert (first.scores["vina2"] >= 1).all()
    with contextlib.closing(sqlite3.connect(settings["cache"])) as file:
        docked = [design for (design,) in file.execute("select design from scores where reward = 1") if design]
    assert len(docked) > 3
    assert docked == [Docking.key(design) for design in docked]
    new = docking(PARP1, **POCKET, workers=2)
    monkeypatch.setattr("svdd.rewards.worker_pool._started", None)  # no process is started
    with new:
        again = decode(masked(decode=molecules), new, scores={"vina2": judge}, **settings)
    assert again.to_frame().equals(first.to_frame())
    assert again.usage.reward.rows == 0
    assert [cost.rows for cost in again.breakdown.components.values()] == [0, 0]


def test_a_docking_is_a_component_with_a_column_of_its_own(pool):
    """What an earlier component finds invalid is not docked."""

    def stable(designs):
        return [Invalid("two N together") if "NN" in design else 1.0 for design in designs]

    objective = weighted_sum({"stable": stable, "docking": (ramp(pool, 0, 10), 2.0)})
    result = decode(masked(decode=molecules), objective, candidates=2, samples=3)
    columns = result.scores
    assert list(columns) == [
        "stable", "docking", "docking.vina", "docking.ligand_efficiency", "docking.heavy_atoms",
    ]  # fmt: skip
    docked = result.rewards > -math.inf
    assert docked.any()
    assert torch.allclose(result.rewards[docked], 1 + 0.2 * columns["docking"][docked])
    assert torch.equal(columns["docking.vina"][docked], -columns["docking"][docked])
    assert result.breakdown.components["docking.vina"].rows < result.breakdown.components["stable"].rows


def test_a_hanging_or_crashing_ligand_costs_itself_alone():
    docker = Docker(find_receptor(PARP1, **POCKET), Search())
    with workers(FragileDocker(docker), 1, batch=1, timeout=3) as reward:
        answers = reward.submit([METHANOL, "segfault", "hang", "C"]).result()
    assert answers[1:3] == [Failure("error", "its process was killed by SIGSEGV"), Failure("timeout", "3 s")]
    assert answers[0] < answers[3] < -0.5


def test_a_worker_makes_no_workers_of_its_own(here):
    with workers(docking(PARP1, **POCKET, workers=2), 1) as reward:
        assert reward([METHANOL, "C.C"]).tolist() == here([METHANOL, "C.C"]).tolist()


def test_a_large_ligand_runs_out_of_time_and_small_ones_do_not():
    with docking(PARP1, **POCKET, workers=1, timeout=3, max_torsions=40) as reward:
        started = time.perf_counter()
        with pytest.warns(RewardFailureWarning, match="did not answer in time"):
            numbers = reward([METHANOL, "C" * 40, "C"])  # which would take minutes
        assert time.perf_counter() - started < 30
    assert numbers[1] == -math.inf
    assert (numbers[[0, 2]] > 0.5).all()


# --- published targets -------------------------------------------------------------------------------------------

FOLDER = os.environ.get("SVDD_RECEPTORS", "")
GOLDEN = {
    "O=C(c1cc(Cc2n[nH]c(=O)c3ccccc23)ccc1F)N1CCN(CC1)C(=O)C1CC1": -11.7,  # olaparib
    "NC(=O)c1cccc2cn(nc12)c1ccc(cc1)[C@@H]1CCCNC1": -10.1,  # niraparib
    "CC(=O)Oc1ccccc1C(=O)O": -6.3,  # aspirin
    "CCO": -2.5,
}


@pytest.mark.skipif(not FOLDER, reason="needs the five published receptors in $SVDD_RECEPTORS")
def test_known_molecules_in_parp1():
    with docking("parp1", workers=2) as reward:
        scores = reward.components["vina"](list(GOLDEN))
    assert torch.allclose(scores, torch.tensor(list(GOLDEN.values())).double(), atol=0.8)


@pytest.mark.skipif(not FOLDER, reason="needs the five published receptors in $SVDD_RECEPTORS")
@pytest.mark.parametrize("name", TARGETS)
def test_published_receptors_fit_their_boxes(name):
    receptor = find_receptor(name, folder=FOLDER)
    assert Path(FOLDER).is_dir()
    assert (receptor.center, receptor.size) == (TARGETS[name].center, TARGETS[name].size)


def test_the_document_runs(capsys):
    page = (DOCS / "molecules.md").read_text(encoding="utf-8")
    section = page.partition("## Docking")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    code = code.replace('"dockstring:PARP1"', '"dockstring:PARP1", size=(12, 12, 12), workers=0')
    exec(compile(code, "molecules.md", "exec"), {"__name__": "__main__"})
    scores, pose = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"tensor\(\[(.*), -inf\], dtype=torch.float64\)", scores.replace("    ", " ").replace("   ", " ")
    )
    assert -9 < float(pose) < -3
