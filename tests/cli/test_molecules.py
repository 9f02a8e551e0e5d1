"""Molecules on the command line: files, evaluation, comparison and poses, with a toy model in a file of a user's own."""

import base64
import json
import re

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

MODEL = """
from dataclasses import replace

import torch
from rdkit import Chem
from rdkit.Chem import AllChem

from svdd.domains.sequence.alphabets import Alphabet
from svdd.domains.sequence.masked import masked_sequences
from svdd.domains.molecule.designs import MoleculeKind

LETTERS = Alphabet("CNOF", mask="X")


def smiles(tokens):
    found = [Chem.MolFromSmiles(text) for text in LETTERS.decode(tokens)]  # F in the middle has too many bonds
    return ["" if one is None else Chem.MolToSmiles(one) for one in found]


def model(steps: int = 4, length: int = 5):
    shares = torch.tensor([0.6, 0.2, 0.1, 0.1])
    made = masked_sequences(lambda x, t, cond: shares.log().expand(*x.shape, 4), LETTERS, length=length, steps=steps)
    return replace(made, decode=smiles, kind=MoleculeKind(), about={"name": "toy", "steps": steps})


def carbons(designs):
    return [float(design.count("C")) if design else -torch.inf for design in designs]


def nitrogens(designs):
    return [float(design.count("N")) if design else -torch.inf for design in designs]


def posing(designs):
    return carbons(designs)


def poses(designs):
    made = [Chem.AddHs(Chem.MolFromSmiles(design)) for design in designs]
    return [one if AllChem.EmbedMolecule(one, randomSeed=1) == 0 else None for one in made]


def failing(designs):
    return carbons(designs)


posing.poses, failing.poses = poses, lambda designs: 1 / 0
"""


@pytest.fixture
def run(call, tmp_path):
    """Runs the toy, with changed flags."""
    path = tmp_path / "toys.py"
    path.write_text(MODEL)

    def svdd_run(*words, out="out", reward="carbons", quiet=True, **changed):
        flags = {"candidates": 2, "samples": 8, "seed": 1} | changed
        pairs = [part for name, value in flags.items() for part in (f"--{name}", value)]
        fixed = "--model", f"{path}:model", "--reward", f"{path}:{reward}", "--out", tmp_path / out
        result = call("run", *words, *fixed, *pairs, *["--quiet"] * quiet)
        assert result.status == 0, result.err
        return result

    return svdd_run


def test_a_run_writes_files_that_chemists_read_and_measures_its_molecules(run, tmp_path):
    from rdkit import Chem

    run()
    out = tmp_path / "out"
    samples, (row,) = pd.read_csv(out / "samples.csv"), pd.read_csv(out / "evaluation.csv").to_dict("records")
    read = list(Chem.SDMolSupplier(str(out / "samples.sdf")))
    assert [one.GetProp("SMILES") for one in read] == samples["sample"].dropna().tolist()
    assert (out / "samples.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((out / "run.json").read_text())
    assert {"samples.sdf", "samples.png", "evaluation.csv"} <= set(record["files"])
    assert row["validity"] == pytest.approx(samples["sample"].notna().mean())
    assert row["unique"] == pytest.approx(samples["sample"].nunique() / samples["sample"].count())
    assert 0 < row["qed"] < 1
    page = (out / "report.html").read_text()
    assert "Best molecules" in page
    assert "<h3>Properties</h3>" in page
    assert "<h3>Sequence logo</h3>" not in page
    assert samples.sort_values("reward", kind="stable")["sample"].iloc[-1] in page
    assert "<script" not in page
    run("--force", samples=4)
    assert len(list(Chem.SDMolSupplier(str(out / "samples.sdf")))) <= 4


def test_poses_are_written_and_drawn_where_the_reward_has_them(run, tmp_path):
    from rdkit import Chem

    assert "svdd: asking for the poses of the " in run(reward="posing", quiet=False).err
    assert "poses" not in run("--force", reward="posing").err
    out = tmp_path / "out"
    best = (
        pd.read_csv(out / "samples.csv").drop_duplicates("sample").sort_values("reward", ascending=False, kind="stable")
    )
    posed = list(Chem.SDMolSupplier(str(out / "poses.sdf")))
    assert posed[0].GetProp("SMILES") == best["sample"].iloc[0]
    assert all(one.GetConformer().Is3D() for one in posed)
    assert "poses.sdf" in json.loads((out / "run.json").read_text())["files"]
    page = (out / "report.html").read_text()
    drawn = re.search(r'<h3>Poses</h3>\s*<div[^>]*><img src="data:image/svg\+xml;base64,([^"]+)', page)
    assert b"</svg>" in base64.b64decode(drawn.group(1))


@pytest.mark.usefixtures("quick_report")
def test_poses_that_fail_do_not_fail_the_run(run, tmp_path):
    result = run(reward="failing")
    assert result.err == "svdd: note: no poses of the designs, ZeroDivisionError: division by zero\n"
    assert not (tmp_path / "out" / "poses.sdf").exists()
    assert (tmp_path / "out" / "run.json").is_file()


def test_runs_are_measured_beside_each_other_against_a_list_of_molecules(run, call, tmp_path):
    for seed in (1, 2):
        run(out=f"a{seed}", seed=seed, samples=6)
    (tmp_path / "known.smi").write_text("CCCCC pentane\nCCCCN\nCCOCC\nc1ccccc1\n")
    folders = [tmp_path / name for name in ("a1", "a2")]
    words = "--reference", tmp_path / "known.smi", "--judge", f"{tmp_path / 'toys.py'}:nitrogens"
    result = call("evaluate", *folders, *words, "--out", tmp_path / "evaluation", "--trust")
    assert result.status == 0, result.err
    (row,) = pd.read_csv(tmp_path / "evaluation" / "evaluation.csv").to_dict("records")
    designs = pd.concat([pd.read_csv(folder / "samples.csv") for folder in folders])["sample"].dropna()
    assert (row["runs"], row["designs"], row["judge_rows"]) == (2, 12, 12)
    different = set(designs)
    assert row["novel"] == pytest.approx(len(different - {"CCCCC", "CCCCN", "CCOCC"}) / len(different))
    assert row["reference"] == "known.smi"
    assert row["judge_mean"] == pytest.approx(designs.str.count("N").mean())
    assert pd.isna(row["fcd"])
    assert "no fcd: a Fréchet distance needs at least 500 designs and as many to compare with, got 4" in result.out
    page = (tmp_path / "evaluation" / "report.html").read_text()
    assert "Evaluation of molecules" in page


def test_molecules_are_compared_at_equal_cost(run, call, tmp_path):
    toys = tmp_path / "toys.py"
    run()
    found = call("compare", tmp_path / "out" / "job.yaml", "--judge", f"{toys}:nitrogens", "--methods", "pretrained,svdd",
                 "--seeds", 1, "--out", tmp_path / "c", "--quiet")  # fmt: skip
    assert found.status == 0, found.err
    table = pd.read_csv(tmp_path / "c" / "comparison.csv").set_index("method")
    assert table.loc["svdd", "reward_mean"] > table.loc["pretrained", "reward_mean"]
    assert {"validity", "diversity", "unique", "pains", "sa"} <= set(table)
    assert "Beside the pretrained model's own designs, those of svdd have: " in found.out


@pytest.mark.usefixtures("quick_report")
def test_what_cannot_be_measured_together_is_refused(run, call, refused, tmp_path):
    run()
    base = "evaluate", tmp_path / "out", "--out", tmp_path / "evaluation", "--trust"
    (tmp_path / "bad.csv").write_text("name\nCCO\n")
    assert "needs a column smiles" in refused(call(*base, "--reference", tmp_path / "bad.csv"))
    (tmp_path / "one.smi").write_text("CCO\n")
    assert "must hold at least 2 valid molecules, got 1 of 1" in refused(
        call(*base, "--reference", tmp_path / "one.smi")
    )
    assert "does not make molecules of the kind" in refused(call(*base, "--model", "toy-masked"))


def test_a_run_with_fragments_is_measured_as_svdd_evaluate_does(call, tmp_path):
    out, again = tmp_path / "out", tmp_path / "again"
    sizes = "--steps", 6, "--candidates", 2, "--samples", 4
    kept = "*c1ccc2nc(*)sc2c1"  # two places, so that states are wider than the model's own
    result = call("run", "--model", "molecule", "--reward", "qed", "--fragment", kept, *sizes, "--out", out, "--quiet")
    assert (result.status, "note" in result.err) == (0, False), result.err
    assert call("evaluate", out, "--out", again).status == 0
    (ran,), (evaluated,) = (pd.read_csv(path / "evaluation.csv").to_dict("records") for path in (out, again))
    assert ran["elbo_per_symbol"] == pytest.approx(evaluated["elbo_per_symbol"])
