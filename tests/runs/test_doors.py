"""The doors for Python: run, read, evaluate, compare and the lists, with a folder and without one."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

import svdd
from svdd.registry import Card, Domain, DomainWarning, RewardCard, known_domains
from svdd.runs.running import OtherRunError
from svdd.runs.watching import RunWarning

pytestmark = pytest.mark.filterwarnings("ignore::svdd.decoding.alarms.DegenerateProposalWarning")

CODE = '''
import torch

from svdd.domains.sequence.alphabets import DNA
from svdd.domains.sequence.masked import masked_sequences

CALLS = {"number": 0, "fails_at": -1}


def model(steps=6, length=12):
    """A toy."""
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4])
    about = {"name": "toy"}
    return masked_sequences(lambda x, t, cond: shares.expand(*x.shape, 4), DNA, length=length, steps=steps, about=about)


def score(designs):
    CALLS["number"] += 1
    if CALLS["number"] == CALLS["fails_at"]:
        raise KeyboardInterrupt
    return [float(design.count("G")) for design in designs]


def other(designs):
    return [float(design.count("A")) for design in designs]
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "toymodel.py"
    path.write_text(CODE)
    return path


@pytest.fixture
def job(file):
    """Settings of a small job."""
    sizes = {"samples": 6, "candidates": 3, "batch": 3}
    return {"model": f"{file}:model", "reward": f"{file}:score", **sizes}


@pytest.fixture
def calls(file):
    """What the file's reward counts."""
    from svdd.user_files import module_of_file

    return module_of_file(str(file)).CALLS


def test_a_job_runs_without_a_folder_and_leaves_nothing(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = svdd.run(job)
    assert len(result) == 6
    assert result.folder is None
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in str(path)] == before
    plain = svdd.decode(f"{job['model']}", job["reward"], samples=6, candidates=3)
    assert result.samples == plain.samples
    assert torch.equal(result.rewards, plain.rewards)


def test_a_mapping_a_file_and_a_job_are_one_run(job, tmp_path):
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    ways = [job, tmp_path / "job.yaml", str(tmp_path / "job.yaml"), svdd.Job(**job, out=str(tmp_path / "ignored"))]
    results = [svdd.run(way, tmp_path / f"out{number}") for number, way in enumerate(ways)]
    assert all(result.samples == results[0].samples for result in results)
    assert not (tmp_path / "ignored").exists()


def test_the_folder_of_a_job_is_used_unless_another_is_given(job, tmp_path):
    result = svdd.run(job | {"out": str(tmp_path / "own")})
    assert result.folder == tmp_path / "own"
    assert svdd.run(job | {"out": str(tmp_path / "own")}, tmp_path / "other").folder == tmp_path / "other"


def test_a_finished_run_is_read_back_and_asks_nothing(job, tmp_path, calls):
    first = svdd.run(job, tmp_path / "out")
    asked = calls["number"]
    again = svdd.run(job, tmp_path / "out")
    assert calls["number"] == asked
    assert again.samples == first.samples == svdd.read(tmp_path / "out").samples
    assert repr(again) == repr(first)
    assert len(again.trace.rows()) > 0
    assert again.usage.reward.rows == first.usage.reward.rows


def test_settings_that_decide_nothing_may_differ_and_defaults_may_be_written(job, tmp_path):
    first = svdd.run(job, tmp_path / "out")
    again = svdd.run(job | {"save_seconds": 5.0, "temperature": 0.0, "batch": 2}, tmp_path / "out")
    assert again.samples == first.samples


def test_an_unfinished_run_goes_on(job, tmp_path, calls):
    whole = svdd.run(job)
    calls |= {"number": 0, "fails_at": 8}
    with pytest.warns(RunWarning, match="holds an unfinished run"), pytest.raises(KeyboardInterrupt):
        svdd.run(job | {"save_seconds": 1e-9}, tmp_path / "out")
    assert (tmp_path / "out" / "state.pt").is_file()
    calls |= {"number": 0, "fails_at": -1}
    resumed = svdd.run(job, tmp_path / "out")
    assert resumed.samples == whole.samples
    assert resumed.usage.reward.rows == whole.usage.reward.rows
    assert 0 < calls["number"] < 12


@pytest.mark.parametrize("change", [{"seed": 3}, {"candidates": 2}, {"steps": 5}, {"scores": ["gc-content"]}])
def test_another_job_is_refused_in_one_sentence_unless_forced(job, tmp_path, change):
    first = svdd.run(job, tmp_path / "out")
    with pytest.raises(
        OtherRunError, match=f"differs in {next(iter(change))}; choose another folder, or replace"
    ) as refused:
        svdd.run(job | change, tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert svdd.read(tmp_path / "out").samples == first.samples
    forced = svdd.run(job | change, tmp_path / "out", force=True)
    assert svdd.read(tmp_path / "out").samples == forced.samples


def test_a_misspelt_setting_is_told(job):
    with pytest.raises(ValueError, match="unknown setting 'candidate'; did you mean candidates"):
        svdd.run(job | {"candidate": 3})


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(ValueError, match="holds no finished run"):
        svdd.read(tmp_path)


@pytest.mark.slow
def test_the_command_line_and_python_follow_one_rule(job, tmp_path):
    words = [f"--{name}={value}" for name, value in (job | {"out": tmp_path / "out"}).items()]
    done = subprocess.run([sys.executable, "-m", "svdd", "run", *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "out" / "run.json").stat().st_mtime_ns
    assert svdd.run(job, tmp_path / "out").samples == svdd.run(job).samples
    done = subprocess.run([sys.executable, "-m", "svdd", "run", *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "run.json").stat().st_mtime_ns == written


@pytest.mark.slow
def test_runs_are_evaluated_beside_each_other(job, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for seed, folder in enumerate(folders):
        svdd.run(job | {"seed": seed}, folder)
    made = svdd.evaluate(folders)
    assert len(made.table) == 1
    assert made.table["runs"].tolist() == [2] if "runs" in made.table else True
    assert "reward" in repr(made)
    assert "<table>" in made._repr_html_()
    assert made.report(tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    svdd.evaluate(folders, tmp_path / "evaluation")
    assert (tmp_path / "evaluation" / "evaluation.csv").is_file()
    assert len(svdd.evaluate(folders[0]).table) == 1


@pytest.mark.slow
def test_methods_are_compared_with_and_without_a_folder(job, tmp_path):
    kept = svdd.compare(job, ["svdd", "best-of-n"], seeds=2, out=tmp_path / "compared")
    assert kept.table["method"].tolist() == ["svdd", "best-of-n"]
    assert kept.verdicts
    assert (tmp_path / "compared" / "comparison.csv").is_file()
    page = kept.report(tmp_path / "pages")
    assert page == tmp_path / "pages" / "report.html"
    assert page.read_bytes() == (tmp_path / "compared" / "report.html").read_bytes()
    temporary = svdd.compare(job, ["svdd", "best-of-n"], seeds=2)
    numbers = [name for name in kept.table.select_dtypes("number") if "seconds" not in name]
    pd.testing.assert_frame_equal(temporary.table[numbers], kept.table[numbers])
    assert temporary.verdicts[0] in repr(temporary)


def test_lists_are_tables_of_everything():
    assert set(svdd.METHODS) == set(svdd.list_methods()["name"])
    assert {"dna-enhancer", "mdlm:PATH"} <= set(svdd.list_models()["name"])
    assert "hepg2" in set(svdd.list_rewards()["name"])
    rewards = svdd.list_rewards().set_index("name")
    assert rewards.loc["mrl", ["domain", "unit", "range", "held_out"]].tolist() == [
        "rna", "ribosomes per mRNA", "0 to 12", "mrl-judge",
    ]  # fmt: skip
    domains = svdd.list_domains().set_index("name")
    assert "rna-utr" in domains.loc["rna", "models"]
    assert set(domains["package"]) == {"svdd"}
    for table in (svdd.list_methods(), svdd.list_models(), svdd.list_rewards()):
        assert table["summary"].str.len().min() > 0


def test_the_package_is_a_command():
    done = subprocess.run([sys.executable, "-m", "svdd", "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == svdd.__version__
    assert Path(svdd.__file__).with_name("__main__.py").is_file()


def test_a_result_that_was_saved_is_read_back(tmp_path):
    made = svdd.decode("toy-masked", lambda x: x.sum(-1), samples=3, candidates=2, scores={"first": lambda x: x[:, 0]})
    made.save(tmp_path / "saved")
    read = svdd.read(tmp_path / "saved")
    assert torch.equal(read.samples, made.samples)
    assert read.rewards.tolist() == made.rewards.tolist()
    assert read.scores["first"].tolist() == made.scores["first"].tolist()
    assert read.usage.as_dict() == made.usage.as_dict()
    with pytest.raises(ValueError, match="holds no finished run"):
        svdd.read(tmp_path)


def test_a_package_whose_model_is_missing_hides_no_other_from_the_lists(monkeypatch):
    mine = Domain("mine", "nowhere_at_all", models={"mine": Card(".m:f")}, rewards={"my-reward": RewardCard(".m:g")})
    monkeypatch.setattr(known_domains, "declared", lambda: (mine,))
    with pytest.warns(DomainWarning, match="the model mine of the domain mine is left out"):
        assert "dna-enhancer" in svdd.list_models()["name"].tolist()
    with pytest.warns(DomainWarning, match="the reward my-reward of the domain mine is left out"):
        assert "qed" in svdd.list_rewards()["name"].tolist()
    with pytest.raises(ValueError, match="a target of mine is module:name"):
        Domain("mine", "mine", models={"mine": Card("model")})
